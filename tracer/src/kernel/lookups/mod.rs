//! Probes in C libraries, for the names that no socket shows: which libraries are there, and what is attached to each.
//!
//! All of it is another thread's work: libraries lie on any mount, and a probe is put into each process that has the library.

mod known;
pub mod library;
pub mod mapped;
mod probe;
mod trial;
mod worker;

use std::{
    collections::HashMap,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use aya::{
    Ebpf,
    maps::{Array, MapData},
    programs::Program,
};

use super::hooks::{Attach, HOOKS};
use known::Known;
pub use known::LIBRARIES;
use probe::Kind;
use worker::Worker;

/// Programs that wait to be looked at. Where more do, all that run are looked at instead.
const WAITING: usize = 1_024;
/// How long a start waits for the trial, which takes milliseconds where the machine is not emulated.
const PATIENCE: Duration = Duration::from_secs(5);
/// And for the libraries that are in use, from its beginning on.
const PATIENCE_FOR_ALL: Duration = Duration::from_millis(1_500);
/// A look at one program that takes longer hangs on a file: somebody else goes on.
const HANGS: Duration = Duration::from_secs(10);
/// Most threads that may hang so.
const THREADS: usize = 4;

/// The kernel side's counters.
pub type Counters = Array<MapData, u64>;

/// Something to do.
enum Job {
    /// All programs that run.
    All,
    /// One that has just been registered.
    Program(u32),
    /// Whether libraries are in use yet.
    Check,
}

/// What all threads have in common.
struct Shared {
    known: Mutex<Known>,
    /// The kernel side's programs, by their names.
    programs: HashMap<&'static str, OwnedFd>,
    kind: Kind,
    /// Libraries that could not be read or probed.
    failed: AtomicU64,
    /// Programs that nobody looked at: all threads that may hang do.
    late: AtomicU64,
}

/// What one thread does. Another takes over from one that hangs.
struct Turn {
    began: Instant,
    /// Milliseconds since then at which the look began that goes on; 0 where there is none.
    busy: AtomicU64,
    /// More programs began than may wait.
    is_behind: AtomicBool,
    /// Whether nobody waits for it any more.
    is_over: AtomicBool,
}

impl Turn {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            busy: AtomicU64::new(0),
            is_behind: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        })
    }

    fn begins(&self) {
        let since = self.began.elapsed().as_millis() as u64;
        self.busy.store(since.max(1), Relaxed);
    }

    fn rests(&self) {
        self.busy.store(0, Relaxed);
    }

    fn hangs(&self) -> bool {
        let busy = Duration::from_millis(self.busy.load(Relaxed));
        !busy.is_zero() && self.began.elapsed() > busy + HANGS
    }

    fn end(&self) {
        self.is_over.store(true, Relaxed);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }
}

/// Looks for libraries, and has their probes: they go with it.
pub struct Lookups {
    shared: Arc<Shared>,
    turn: Arc<Turn>,
    jobs: SyncSender<Job>,
    /// Threads that have hung.
    hung: usize,
}

/// What came of a start.
pub struct Started {
    shared: Arc<Shared>,
    turn: Arc<Turn>,
    jobs: SyncSender<Job>,
    first: Receiver<Result<(), String>>,
    began: Instant,
}

impl Lookups {
    /// Begins, beside the rest of the start, with a trial and the libraries that are in use.
    pub fn start(ebpf: &mut Ebpf, counters: Counters) -> anyhow::Result<Started> {
        let kind = Kind::of_this_kernel()?;
        allow_descriptors();
        let mut programs = HashMap::new();
        for hook in HOOKS {
            if let Attach::Uprobe(_) | Attach::Uretprobe(_) = hook.attach
                && let Some(Program::UProbe(program)) = ebpf.program(hook.program)
            {
                let descriptor = program.fd().context("a program that is not loaded")?;
                let descriptor = descriptor.as_fd().try_clone_to_owned();
                programs.insert(hook.program, descriptor.context("one more descriptor")?);
            }
        }
        let shared = Arc::new(Shared {
            known: Mutex::default(),
            programs,
            kind,
            failed: AtomicU64::new(0),
            late: AtomicU64::new(0),
        });
        let turn = Turn::new();
        let (tell, first) = mpsc::sync_channel(2);
        let (jobs, asked) = mpsc::sync_channel(WAITING);
        let worker = Worker::new(Arc::clone(&shared), Arc::clone(&turn), asked);
        let of_trial = Arc::clone(&shared);
        begin(move || {
            // Nobody waits for what comes late.
            let tell = |what| _ = tell.send(what);
            match trial::run(&of_trial, &counters) {
                Ok(probes) => {
                    tell(Ok(()));
                    worker.look_at_all();
                    tell(Ok(()));
                    drop(probes);
                    worker.run();
                }
                Err(error) => tell(Err(format!("{error:#}"))),
            }
        })
        .context("start a thread")?;
        Ok(Started {
            shared,
            turn,
            jobs,
            first,
            began: Instant::now(),
        })
    }

    /// A program has been registered.
    pub fn look_at(&mut self, process: u32) {
        self.ask(Job::Program(process));
    }

    /// Some time has passed: a library that nobody uses any more is to be left.
    pub fn check(&mut self) {
        self.ask(Job::Check);
    }

    fn ask(&mut self, job: Job) {
        if self.turn.hangs() && self.hung < THREADS {
            self.replace();
        }
        match self.jobs.try_send(job) {
            Err(TrySendError::Full(Job::Program(_))) if !self.turn.hangs() => {
                self.turn.is_behind.store(true, Relaxed);
            }
            Err(
                TrySendError::Full(Job::Program(_)) | TrySendError::Disconnected(Job::Program(_)),
            ) => {
                self.shared.late.fetch_add(1, Relaxed);
            }
            _ => {}
        }
    }

    /// Another thread goes on, and the one that hangs ends as soon as it comes back. What waits goes with it: all that runs is looked at
    /// anew.
    fn replace(&mut self) {
        let turn = Turn::new();
        let (jobs, asked) = mpsc::sync_channel(WAITING);
        let worker = Worker::new(Arc::clone(&self.shared), Arc::clone(&turn), asked);
        // The next one who asks tries it again.
        if begin(move || worker.run()).is_ok() {
            self.hung += 1;
            self.turn.end();
            self.turn = turn;
            self.jobs = jobs;
            self.ask(Job::All);
        }
    }

    /// Libraries that could not be read or probed.
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Relaxed) + self.hung as u64
    }

    /// Programs that nobody looked at.
    pub fn late(&self) -> u64 {
        self.shared.late.load(Relaxed)
    }

    /// Programs that have a library for which there was no room, once for each look at them.
    pub fn full(&self) -> u64 {
        known::lock(&self.shared.known).full()
    }

    /// Libraries that are probed.
    pub fn libraries(&self) -> u64 {
        known::lock(&self.shared.known).probed_ones()
    }

    /// What is known of each library, a line for each.
    pub fn describe(&self) -> Vec<String> {
        known::lock(&self.shared.known).describe()
    }
}

impl Drop for Lookups {
    /// The kernel waits for others when a probe is taken away, as it does for the other hooks: so both go at a time.
    fn drop(&mut self) {
        self.turn.end();
        let shared = Arc::clone(&self.shared);
        // Where there is no thread they go with the process.
        let _ = begin(move || {
            let all = known::lock(&shared.known).leave_all();
            drop(all);
        });
    }
}

impl Started {
    /// Waits for it, as long as there is patience. Fails where probes do not work.
    pub fn finish(self) -> anyhow::Result<Lookups> {
        let next = |patience: Duration| {
            let left = patience.saturating_sub(self.began.elapsed());
            self.first.recv_timeout(left)
        };
        match next(PATIENCE) {
            Ok(tried) => tried.map_err(anyhow::Error::msg)?,
            Err(RecvTimeoutError::Timeout) => anyhow::bail!("the trial took too long"),
            Err(RecvTimeoutError::Disconnected) => {
                anyhow::bail!("the trial did not come to its end")
            }
        }
        // What is not looked at by then is in a moment.
        let _ = next(PATIENCE_FOR_ALL);
        Ok(Lookups {
            shared: self.shared,
            turn: self.turn,
            jobs: self.jobs,
            hung: 0,
        })
    }
}

/// As many descriptors as probes may take, beside all others, if that is allowed: most processes begin with 1,024.
fn allow_descriptors() {
    const WANTED: libc::rlim_t = 4_096;
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one structure, and reads it. Where it is refused, what finds no room is said.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        if limit.rlim_cur < WANTED {
            limit.rlim_cur = WANTED.min(limit.rlim_max);
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

fn begin(work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new()
        .name("libraries".to_owned())
        .spawn(move || {
            const USUAL: libc::c_int = 0;
            // The event loop goes before others; this need not. SAFETY: no memory is involved.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, USUAL) };
            work();
        })
        .map(drop)
}

#[cfg(test)]
mod tests;
