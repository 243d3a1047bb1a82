//! Many datagrams that pass the kernel as one: UDP_SEGMENT when sent, UDP_GRO when taken.

use std::io;
use std::os::fd::AsFd;

use anyhow::{Context, Result, ensure};

use super::client::{Client, Plan};
use super::request::{self, Burst};
use crate::message;
use crate::socket::{self, Encoded};

/// `UDP_MAX_SEGMENTS` of linux/udp.h up to Linux 6.8; later kernels take more.
const MOST_SEGMENTS: u64 = 64;
/// What one send may have at most, the IPv6 header too taken off.
const MOST_BYTES: u64 = 65_487;

/// Segments of this length that fit into one send.
pub fn fitting(bytes: u64) -> u64 {
    (MOST_BYTES / bytes).clamp(1, MOST_SEGMENTS)
}

pub fn segment(client: &mut Client, plan: &Plan) -> Result<()> {
    ensure!(plan.bytes > 0, "a segment has at least one byte");
    let one = request::of(request::SINK, plan.bytes);
    let mut left = plan.times;
    while left > 0 {
        let count = left.min(fitting(plan.bytes));
        let payload = one.repeat(count as usize);
        let sent = send_segments(&client.socket, &payload, &client.to, plan.bytes)
            .context("UDP_SEGMENT")?;
        client.sent(count, sent);
        left -= count;
    }
    Ok(())
}

pub fn gro(client: &mut Client, plan: &Plan) -> Result<()> {
    ensure!(plan.bytes > 0, "a segment has at least one byte");
    let on: libc::c_int = 1;
    socket::set(&client.socket, libc::SOL_UDP, libc::UDP_GRO, &on)?;
    let mut buffer = vec![0; 1 << 16];
    let mut left = plan.times;
    while left > 0 {
        let count = left.min(fitting(plan.bytes));
        let burst = Burst {
            datagrams: count as u32,
            bytes: plan.bytes as u32,
        };
        let sent = message::send(&client.socket, &burst.encode(), Some(&client.to), 0);
        client.sent(1, sent.context("sendto")?);
        let mut missing = count * plan.bytes;
        while missing > 0 {
            // One or more datagrams of the burst, without a seam.
            let taken = message::receive(&client.socket, &mut buffer, 0).context("recv")?;
            ensure!(taken > 0 && taken <= missing, "{taken} bytes at once");
            client.took(taken.div_ceil(plan.bytes), taken);
            missing -= taken;
        }
        left -= count;
    }
    client.check_empty()
}

/// One sendmsg(2), which leaves as datagrams of `segment` bytes.
pub fn send_segments(
    socket: &impl AsFd,
    payload: &[u8],
    to: &Encoded,
    segment: u64,
) -> io::Result<u64> {
    let (level, kind) = (libc::SOL_UDP, libc::UDP_SEGMENT);
    message::send_with(socket, payload, Some(to), level, kind, segment as u16)
}
