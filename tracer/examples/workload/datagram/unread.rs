//! Answers that arrive and are never read.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::client::{Client, Plan};
use super::exchange;
use crate::{kernel, message};

const STEP: Duration = Duration::from_millis(1);
const PATIENCE: u64 = 10;

/// Answers of one length take the same room each, so the room that they take tells their number without a
/// call that would read them.
pub fn read_nothing(client: &mut Client, plan: &Plan) -> Result<()> {
    let payload = exchange::payload(plan)?;
    let mut each = 0;
    for turn in 0..plan.times {
        let sent = message::send(&client.socket, &payload, Some(&client.to), 0);
        client.sent(1, sent.context("sendto")?);
        // In step, so that none is lost for want of room at the server.
        let deadline = Instant::now() + kernel::patience(PATIENCE);
        loop {
            let queue = message::queue(&client.socket)?;
            ensure!(queue.dropped == 0, "no room for {} answers", plan.times);
            if turn == 0 && queue.unread > 0 {
                let first = kernel::unread(&client.socket)?;
                // The kernel accounts for it a moment before it is in the queue.
                if first > 0 {
                    ensure!(first == plan.bytes, "an answer has {first} bytes");
                    each = queue.unread;
                }
            }
            if each > 0 && u64::from(queue.unread) >= (turn + 1) * u64::from(each) {
                break;
            }
            ensure!(Instant::now() < deadline, "answer {turn} is lost");
            thread::sleep(STEP);
        }
        client.took(1, plan.bytes);
    }
    Ok(())
}
