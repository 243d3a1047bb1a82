//! How do several machines run at the same time?

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::plan::table::Column;

/// Something that gives the results of one machine.
pub type Job<'parts> = Box<dyn FnOnce() -> Column + Send + 'parts>;

/// Does the jobs in the order of the list, as many at a time as `width` says, and begins none once all is in vain; the columns come in
/// that order.
pub fn run(jobs: Vec<Job>, width: usize, is_in_vain: &AtomicBool) -> Vec<Column> {
    let waiting: Mutex<VecDeque<_>> = Mutex::new(jobs.into_iter().enumerate().collect());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                // A thread that panicked leaves both lists as they are to be.
                let next = || {
                    waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .pop_front()
                };
                while let Some((at, job)) = next() {
                    if is_in_vain.load(Relaxed) {
                        return;
                    }
                    let column = job();
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((at, column));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, column)| column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::verdict::Results;

    #[test]
    fn all_jobs_are_done_and_their_columns_stand_in_order() {
        let jobs = (0..7)
            .map(|number| -> Job { Box::new(move || (format!("{number}"), Results::default())) });
        let columns = run(jobs.collect(), 3, &AtomicBool::new(false));
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6"]);
    }

    #[test]
    fn none_is_begun_in_vain() {
        let is_in_vain = AtomicBool::new(false);
        let jobs = (0..3).map(|number| -> Job {
            let is_in_vain = &is_in_vain;
            Box::new(move || {
                is_in_vain.store(number == 1, Relaxed);
                (format!("{number}"), Results::default())
            })
        });
        assert_eq!(run(jobs.collect(), 1, &is_in_vain).len(), 2);
    }
}
