//! Looking at files that may lie on somebody else's mount, without waiting for them for long.
//!
//! A file on a network mount whose server is gone is never opened, and nothing can end that wait. So somebody else does the
//! looking, and whoever waits too long goes on without.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicI32, Ordering::Relaxed},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// How long all the looking for one program may take. A local file takes some 50 µs, one across a healthy network 10 ms, and a
/// busy machine ten times that; the scraper waits 10 s, and no more than [`THREADS`] places can hang in that time.
const PATIENCE: Duration = Duration::from_millis(500);

/// The same at the start, when nobody waits yet and the disk may be busy.
const PATIENCE_AT_START: Duration = Duration::from_secs(5);

/// A look that finds nothing and takes longer than this is not worth a second one soon: a network that answers with errors.
const SLOW: Duration = Duration::from_millis(100);

/// So often the looking thread is asked whether it waits for a file, or for a processor that a busy machine does not give it.
const STEP: Duration = Duration::from_millis(50);

/// The scraper does not wait longer, whatever the looking thread waits for.
const MOST: Duration = Duration::from_secs(5);

/// Nanoseconds for which a place that took too long is left alone.
const AGAIN_NS: u64 = 60_000_000_000;

/// Most threads that wait for files at once. Each is a place that does not answer: a runtime's data, or one user's home.
const THREADS: usize = 4;

/// What reads a file needs little; a list of JSON nests no deeper than its parser allows.
const STACK: usize = 512 * 1024;

type Look = Box<dyn FnOnce() + Send>;

/// A thread that looks, and what is known of places that do not answer.
#[derive(Default)]
pub struct Scout {
    looks: Option<Sender<Look>>,
    /// Each thread has one more of it.
    threads: Arc<()>,
    /// Number of the thread that looks; 0 before it has begun.
    thread: Arc<AtomicI32>,
    slow: HashMap<PathBuf, Slow>,
    late: u64,
}

struct Slow {
    until_ns: u64,
    /// Still there while the thread waits.
    waits: Weak<()>,
}

impl Slow {
    fn holds(&self, now_ns: u64) -> bool {
        now_ns < self.until_ns || self.waits.strong_count() > 0
    }
}

/// What is left of the time for one program.
pub struct Patience {
    now_ns: u64,
    left: Duration,
}

impl Patience {
    /// All of it, at a moment in nanoseconds of any clock that goes on.
    pub fn at(now_ns: u64) -> Self {
        Self {
            now_ns,
            left: PATIENCE,
        }
    }

    /// More of it.
    pub fn at_start(now_ns: u64) -> Self {
        Self {
            now_ns,
            left: PATIENCE_AT_START,
        }
    }

    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }
}

impl Scout {
    /// What `look` finds below `place`. `None` where that takes too long, where `place` took too long a moment ago or still
    /// does, and where no thread is left to look.
    pub fn look<T: Send + 'static>(
        &mut self,
        place: &Path,
        patience: &mut Patience,
        look: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let now_ns = patience.now_ns;
        let is_slow = self.slow.get(place).is_some_and(|slow| slow.holds(now_ns));
        if is_slow || patience.left.is_zero() {
            return None;
        }
        let Some(looks) = self.looks.take().or_else(|| self.thread()) else {
            self.late += 1;
            return None;
        };
        let working = Arc::new(());
        let waits = Arc::downgrade(&working);
        let (answer, answered) = mpsc::sync_channel(1);
        let job = move || {
            let found = look();
            drop(working);
            // Nobody waits for what comes late.
            let _ = answer.send(found);
        };
        // It fails only where the thread has panicked; then nobody answers either.
        let _ = looks.send(Box::new(job));
        let (found, waited) = self.wait(&answered, patience.left);
        patience.left = patience.left.saturating_sub(waited);
        match found {
            Ok(found) => {
                self.looks = Some(looks);
                if found.is_none() && waited > SLOW {
                    self.leave_alone(place, now_ns, waits);
                }
                found
            }
            // Without `looks` the thread ends as soon as it comes back.
            Err(RecvTimeoutError::Timeout) => {
                self.late += 1;
                self.leave_alone(place, now_ns, waits);
                None
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// The answer of the looking thread, and for how long that waited for something else than a processor: `left` at most.
    fn wait<T>(
        &self,
        answered: &Receiver<T>,
        left: Duration,
    ) -> (Result<T, RecvTimeoutError>, Duration) {
        let began = Instant::now();
        let mut waited = Duration::ZERO;
        loop {
            let step = STEP.min(left.saturating_sub(waited));
            let asked = Instant::now();
            let found = answered.recv_timeout(step);
            if !matches!(found, Err(RecvTimeoutError::Timeout)) {
                return (found, waited + asked.elapsed().min(step));
            }
            // It may have answered since; then the next step finds that.
            if !is_runnable(self.thread.load(Relaxed)) {
                waited += step;
            }
            if waited >= left || began.elapsed() > MOST {
                let found = answered.try_recv();
                return (found.map_err(|_| RecvTimeoutError::Timeout), left);
            }
        }
    }

    fn leave_alone(&mut self, place: &Path, now_ns: u64, waits: Weak<()>) {
        self.slow.retain(|_, slow| slow.holds(now_ns));
        let until_ns = now_ns.saturating_add(AGAIN_NS);
        self.slow.insert(place.to_owned(), Slow { until_ns, waits });
    }

    /// Looks that were given up, or not even begun because too many threads wait.
    pub fn late(&self) -> u64 {
        self.late
    }

    fn thread(&mut self) -> Option<Sender<Look>> {
        if Arc::strong_count(&self.threads) > THREADS {
            return None;
        }
        let (looks, asked) = mpsc::channel::<Look>();
        let counted = Arc::clone(&self.threads);
        let number = Arc::new(AtomicI32::new(0));
        self.thread = Arc::clone(&number);
        thread::Builder::new()
            .name("files".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                // Not `gettid(3)`: std knows it as a symbol that may be missing, and with LTO it then is. SAFETY: no memory is involved.
                let own = unsafe { libc::syscall(libc::SYS_gettid) };
                number.store(i32::try_from(own).unwrap_or(0), Relaxed);
                for look in asked {
                    look();
                }
                drop(counted);
            })
            .ok()?;
        Some(looks)
    }
}

/// Whether a thread of this process runs or waits for a processor, and for nothing else. One that has not begun does.
fn is_runnable(thread: i32) -> bool {
    if thread == 0 {
        return true;
    }
    let status = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    // The state stands behind the name, which may have anything in it.
    status
        .rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('R'))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};

    use super::*;
    use crate::attribute::tree::Tree;

    /// Whether it is found; `None` where nobody waited for it, or nobody looked.
    fn look(scout: &mut Scout, path: &Path, now_ns: u64) -> Option<bool> {
        let file = path.to_owned();
        scout.look(path, &mut Patience::at(now_ns), move || {
            Some(File::open(file).is_ok())
        })
    }

    /// Lets the one who waits for a pipe go on, and waits until its thread has ended.
    fn release(scout: &Scout, pipe: &Path, threads: usize) {
        let _writer = OpenOptions::new()
            .write(true)
            .open(pipe)
            .expect("it is there");
        let deadline = Instant::now() + Duration::from_secs(10);
        while Arc::strong_count(&scout.threads) > threads + 1 {
            assert!(Instant::now() < deadline, "the thread does not end");
            thread::yield_now();
        }
    }

    #[test]
    fn a_file_that_does_not_open_is_given_up_and_left_alone_until_it_answers() {
        let tree = Tree::new();
        let (pipe, file) = (tree.pipe("pipe"), tree.write("file", ""));
        let mut scout = Scout::default();
        let began = Instant::now();
        assert_eq!(look(&mut scout, &pipe, 0), None);
        assert!(began.elapsed() >= PATIENCE);
        assert_eq!(scout.late(), 1);
        // Not even after its time: a thread waits there already.
        for now_ns in [0, AGAIN_NS] {
            assert_eq!(look(&mut scout, &pipe, now_ns), None);
            assert_eq!(look(&mut scout, &file, now_ns), Some(true));
        }
        assert_eq!(scout.late(), 1);
        release(&scout, &pipe, 1);
        std::fs::remove_file(&pipe).expect("the temporary directory is writable");
        tree.write("pipe", "");
        assert_eq!(look(&mut scout, &pipe, AGAIN_NS - 1), None);
        assert_eq!(look(&mut scout, &pipe, AGAIN_NS), Some(true));
    }

    #[test]
    fn no_more_threads_wait_than_there_may_and_one_that_comes_back_is_replaced() {
        let tree = Tree::new();
        let file = tree.write("file", "");
        let pipes: Vec<_> = (0..THREADS)
            .map(|number| tree.pipe(&number.to_string()))
            .collect();
        let mut scout = Scout::default();
        for pipe in &pipes {
            assert_eq!(look(&mut scout, pipe, 0), None);
        }
        let began = Instant::now();
        assert_eq!(look(&mut scout, &file, 0), None);
        assert!(began.elapsed() < PATIENCE);
        release(&scout, &pipes[0], THREADS - 1);
        assert_eq!(look(&mut scout, &file, 0), Some(true));
        for (pipe, left) in pipes[1..].iter().zip((1..THREADS).rev()) {
            release(&scout, pipe, left);
        }
    }

    #[test]
    fn all_the_looking_for_one_program_shares_its_time() {
        let tree = Tree::new();
        let (pipe, file) = (tree.pipe("pipe"), tree.write("file", ""));
        let (mut scout, mut patience) = (Scout::default(), Patience::at(0));
        let hangs = pipe.clone();
        let found = scout.look(&pipe, &mut patience, move || File::open(hangs).ok());
        assert!(found.is_none());
        assert_eq!(scout.look(&file, &mut patience, || Some(true)), None);
        assert_eq!(look(&mut scout, &file, 0), Some(true));
        release(&scout, &pipe, 1);
    }

    #[test]
    fn a_place_that_fails_slowly_is_left_alone_and_one_that_fails_fast_is_not() {
        let mut scout = Scout::default();
        let mut fails = |place: &str, takes: Duration| {
            let look = move || {
                thread::sleep(takes);
                None::<()>
            };
            let path = Path::new(place);
            assert!(scout.look(path, &mut Patience::at(0), look).is_none());
            let again = scout.look(path, &mut Patience::at(0), || Some(()));
            again.is_none()
        };
        assert!(fails("slow", SLOW * 2));
        assert!(!fails("fast", Duration::ZERO));
    }

    #[test]
    fn who_gets_no_processor_is_waited_for_and_who_waits_for_a_file_is_not() {
        let mut scout = Scout::default();
        let busy = || {
            let began = Instant::now();
            while began.elapsed() < PATIENCE * 2 {}
            Some(7)
        };
        let mut patience = Patience::at(0);
        let found = scout.look(Path::new("/busy"), &mut patience, busy);
        assert_eq!((found, scout.late()), (Some(7), 0));
        // That took nothing from what is left for files.
        let waits = || {
            thread::sleep(PATIENCE / 2);
            Some(7)
        };
        let found = scout.look(Path::new("/waits"), &mut patience, waits);
        assert_eq!((found, scout.late()), (Some(7), 0));
        let asleep = || {
            thread::sleep(PATIENCE * 2);
            Some(7)
        };
        let found = scout.look(Path::new("/asleep"), &mut Patience::at(0), asleep);
        assert_eq!((found, scout.late()), (None, 1));
    }
}
