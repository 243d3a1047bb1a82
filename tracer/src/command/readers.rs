//! One reading of the kernel for all readers that wait for one.

use std::{io, sync::Arc};

use tokio::sync::mpsc;

use crate::{expose::http::Request, model::Snapshot};

/// Readers that may wait for a snapshot at once; more wait for their turn to wait.
pub const WAITING: usize = 64;

/// Answers `first` and all others that wait by now with one snapshot, which holds the contacts one by one where any of them
/// wants them. Who asks later gets a later one.
///
/// Without a snapshot they are told that there is none now.
pub fn answer(
    first: Request,
    others: &mut mpsc::Receiver<Request>,
    snapshot: impl FnOnce(bool) -> io::Result<Arc<Snapshot>>,
) {
    // Taken before the reading begins: it holds whatever happened before any of them asked.
    let mut readers = vec![first];
    while readers.len() <= WAITING
        && let Ok(reader) = others.try_recv()
    {
        readers.push(reader);
    }
    // One that went away meanwhile needs no reading.
    readers.retain(|reader| !reader.reply.is_closed());
    if readers.is_empty() {
        return;
    }
    let contacts = readers.iter().any(|reader| reader.contacts);
    if let Ok(snapshot) = snapshot(contacts) {
        for reader in readers {
            // Nor does it need the answer.
            let _ = reader.reply.send(Arc::clone(&snapshot));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// So many readers wait, of which the first `gone` have left; returns how many got an answer, and of how many readings.
    fn check(readers: usize, gone: usize, succeeds: bool) -> (usize, usize) {
        let (ask, mut asked) = mpsc::channel(WAITING);
        let mut answers = Vec::new();
        for _ in 0..readers {
            let (reply, answer) = oneshot::channel();
            let reader = Request {
                reply,
                contacts: false,
            };
            ask.try_send(reader).expect("there is room");
            answers.push(answer);
        }
        answers.drain(..gone);
        let mut readings = 0;
        while let Ok(first) = asked.try_recv() {
            answer(first, &mut asked, |_| {
                readings += 1;
                if succeeds {
                    Ok(Arc::default())
                } else {
                    Err(io::ErrorKind::Other.into())
                }
            });
        }
        let answered = answers
            .into_iter()
            .filter_map(|mut answer| answer.try_recv().ok())
            .count();
        (answered, readings)
    }

    #[test]
    fn one_reading_serves_all_who_wait() {
        assert_eq!(check(WAITING, 0, true), (WAITING, 1));
        assert_eq!(check(1, 0, true), (1, 1));
    }

    #[test]
    fn who_went_away_costs_no_reading() {
        assert_eq!(check(3, 3, true), (0, 0));
        assert_eq!(check(3, 1, true), (2, 1));
    }

    #[test]
    fn a_reading_that_failed_answers_nobody_and_is_not_tried_again_for_each() {
        assert_eq!(check(3, 0, false), (0, 1));
    }
}
