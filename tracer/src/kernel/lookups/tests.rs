//! What becomes of programs that begin faster than they are looked at?

use std::process::{Child, Command};

use super::{mapped::of_process, *};

/// No process has it.
const NOBODY: u32 = u32::MAX;

/// One in whose queue two may wait, and who is to work on that. With no programs of the kernel side nothing is attached.
fn lookups(began: Instant) -> (Lookups, Worker) {
    let shared = Arc::new(Shared {
        known: Mutex::default(),
        programs: HashMap::new(),
        kind: Kind::default(),
        failed: AtomicU64::new(0),
        late: AtomicU64::new(0),
    });
    let turn = Arc::new(Turn {
        began,
        busy: AtomicU64::new(0),
        is_behind: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    });
    let (jobs, asked) = mpsc::sync_channel(2);
    let worker = Worker::new(Arc::clone(&shared), Arc::clone(&turn), asked);
    let lookups = Lookups {
        shared,
        turn,
        jobs,
        hung: 0,
    };
    (lookups, worker)
}

/// Works on what waits.
fn work(lookups: &mut Lookups, worker: &Worker) {
    lookups.jobs = mpsc::sync_channel(0).0;
    worker.run();
}

/// A program that has a C library, which ends with the value.
struct Sleep(Child);

impl Sleep {
    fn start() -> (Self, String) {
        let child = Command::new("sleep").arg("60").spawn();
        let sleep = Self(child.expect("start sleep"));
        loop {
            let libraries = of_process(sleep.0.id()).expect("what it has mapped");
            if let Some(library) = libraries.into_iter().next() {
                return (sleep, library.path);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_known(lookups: &Lookups, library: &str) -> bool {
    let begin = format!("{library}: ");
    lookups
        .describe()
        .iter()
        .any(|line| line.starts_with(&begin))
}

#[test]
fn where_more_begin_than_may_wait_all_that_run_are_looked_at() {
    let (_sleep, library) = Sleep::start();
    let (mut lookups, worker) = lookups(Instant::now());
    for _ in 0..2 {
        lookups.look_at(NOBODY);
    }
    work(&mut lookups, &worker);
    assert!(!is_known(&lookups, &library), "nobody has that");

    let (mut lookups, worker) = self::lookups(Instant::now());
    for _ in 0..3 {
        lookups.look_at(NOBODY);
    }
    work(&mut lookups, &worker);
    assert!(is_known(&lookups, &library), "{:?}", lookups.describe());
    assert_eq!(lookups.late(), 0);
}

#[test]
fn where_all_threads_hang_those_that_nobody_looks_at_are_counted() {
    let long_ago = Instant::now().checked_sub(2 * HANGS);
    let (mut lookups, _worker) = lookups(long_ago.expect("the machine runs longer than that"));
    lookups.turn.busy.store(1, Relaxed);
    lookups.hung = THREADS;
    for late in [0, 0, 1, 2] {
        lookups.look_at(NOBODY);
        assert_eq!(lookups.late(), late);
    }
    // That is no program.
    lookups.check();
    assert_eq!(lookups.late(), 2);
}
