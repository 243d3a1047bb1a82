//! How do several machines run at the same time?

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::plan::table::Column;

/// Something that gives the results of one machine.
pub type Job<'parts> = Box<dyn FnOnce() -> Column + Send + 'parts>;

/// Does the jobs in the order of the list, as many at a time as `width` says; the columns come in that order.
pub fn run(jobs: Vec<Job>, width: usize) -> Vec<Column> {
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
        let columns = run(jobs.collect(), 3);
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6"]);
    }
}
