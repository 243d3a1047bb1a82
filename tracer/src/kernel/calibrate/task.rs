//! Where does a `struct task_struct` keep what identifies a program: process, leader, start, image, user?

use std::{
    fs,
    thread::{self, sleep},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};

use super::{
    Offsets,
    peek::Peek,
    search::{Places, Ways, all, number},
    stand_by::StandBy,
};

/// Bytes that are looked at of a `struct task_struct`; it has 4,000 to 13,000, by the kernel's configuration.
pub const TASK_BYTES: usize = 16 << 10;
/// Of a `struct cred`; the real user stands in its first 32.
const CREDENTIALS_BYTES: usize = 64;
/// Real and saved users of two threads, whose effective user stays: numbers that nobody else has.
const USERS: [(u32, u32); 2] = [(31_001, 31_003), (41_007, 41_009)];

/// Times that a number of a process is looked at that others resemble by chance.
const ROUNDS: u32 = 20;
/// Field of `/proc/PID/stat`: the start, in ticks.
const STARTED: usize = 22;

/// A process of ours and its task.
pub struct Process {
    pub stand_by: StandBy,
    pub task: u64,
}

/// What a thread of ours finds out about itself.
struct Thread {
    task: u64,
    process: u32,
    bytes: Vec<u8>,
}

pub fn measure(
    peek: &mut Peek,
    processes: &mut [Process],
    offsets: &mut Offsets,
) -> anyhow::Result<()> {
    let mut places = Places::default();
    let mut credentials = Ways::default();
    let mut threads = Vec::new();
    for (real, saved) in USERS {
        threads.push(in_thread(peek, |peek, thread| {
            become_user(real, saved)?;
            credentials.keep(&peek.bytes(thread.task, TASK_BYTES)?, |address| {
                let bytes = peek.bytes(address, CREDENTIALS_BYTES)?;
                Ok(all(&bytes, 4, &real.to_ne_bytes()))
            })
        })?);
    }
    for process in &*processes {
        let bytes = peek.bytes(process.task, TASK_BYTES)?;
        let number = process.stand_by.process().to_ne_bytes();
        places.look("TASK_PROCESS", 4, &bytes, &number);
        places.look("TASK_LEADER", 8, &bytes, &process.task.to_ne_bytes());
    }
    for thread in &threads {
        if thread.process != std::process::id() {
            bail!(
                "the kernel knows the tracer by another number\nhint: run it in the initial PID namespace (docker run --pid=host)"
            );
        }
        let number = thread.process.to_ne_bytes();
        places.look("TASK_PROCESS", 4, &thread.bytes, &number);
    }
    // A thread's leader is another task, and leads itself.
    for at in places.left("TASK_LEADER") {
        let mut fits = true;
        for thread in &threads {
            let leader = self::number::<8>(&thread.bytes, at as usize).unwrap_or(0);
            fits &= leader != thread.task && peek.pointer(leader + u64::from(at))? == leader;
        }
        if fits {
            places.allow("TASK_LEADER (of threads)", at);
        }
    }
    let process_at = places.only("TASK_PROCESS")?;
    offsets.put("TASK_PROCESS", process_at);
    // A process is the thread that leads it.
    let thread_at = process_at.saturating_sub(4);
    for process in &*processes {
        let bytes = peek.bytes(process.task, TASK_BYTES)?;
        let found = bytes.get(thread_at as usize..process_at as usize);
        if found != Some(&process.stand_by.process().to_ne_bytes()) {
            bail!("TASK_THREAD: the number before that of the process is another one");
        }
    }
    offsets.put("TASK_THREAD", thread_at);
    let leader = places.only("TASK_LEADER (of threads)")?;
    offsets.put("TASK_LEADER", leader);
    let leader = number::<8>(&threads[0].bytes, leader as usize).unwrap_or(0);
    started(peek, processes, leader, offsets)?;
    image(peek, &mut processes[0], offsets)?;
    user(&credentials, offsets)
}

/// Runs `look` in a thread of its own, which is never the leader of its process.
fn in_thread(
    peek: &mut Peek,
    look: impl FnOnce(&Peek, &Thread) -> anyhow::Result<()> + Send,
) -> anyhow::Result<Thread> {
    let thread = thread::scope(|scope| {
        let found = scope.spawn(|| -> anyhow::Result<Thread> {
            // A new thread has its maker's registers, kept in its task until it has waited for the first time.
            sleep(Duration::from_millis(2));
            let (task, thread) = peek.watch()?;
            let thread = Thread {
                task,
                process: (thread >> 32) as u32,
                bytes: peek.bytes(task, TASK_BYTES)?,
            };
            look(peek, &thread)?;
            Ok(thread)
        });
        found
            .join()
            .map_err(|_| anyhow!("a thread of the tracer panicked"))?
    });
    peek.watch()?;
    thread
}

/// Takes other real and saved users in this thread alone: the C library would take them in all.
fn become_user(real: u32, saved: u32) -> anyhow::Result<()> {
    let same = u32::MAX;
    // SAFETY: changes numbers of this thread, which ends soon.
    if unsafe { libc::syscall(libc::SYS_setresuid, real, same, saved) } != 0 {
        return Err(std::io::Error::last_os_error())
            .context("take another user in a thread\nhint: run as root: this kernel has no BTF");
    }
    Ok(())
}

/// A task points at its credentials twice, at those with which it acts (`cred`) right behind those with which others act
/// on it (`real_cred`). They are the same here.
fn user(credentials: &Ways<u32>, offsets: &mut Offsets) -> anyhow::Result<()> {
    let left = credentials.left();
    let [(others, user), (own, same)] = left[..] else {
        bail!("TASK_CREDENTIALS: two ways should lead there, and these do: {left:?}");
    };
    if own != others + 8 || user != same {
        bail!("TASK_CREDENTIALS: these ways do not stand side by side: {left:?}");
    }
    offsets.put("TASK_CREDENTIALS", own);
    offsets.put("CREDENTIALS_USER", user);
    Ok(())
}

/// When a task began, in the clock that goes on during suspend; `/proc` tells it in ticks.
///
/// A machine that was never suspended keeps the same time on the clock that stops. Then two numbers are left, and the
/// kernel takes that of the clock that stops first: the other is never smaller, and mostly greater by some nanoseconds.
fn started(
    peek: &Peek,
    processes: &mut [Process],
    leader: u64,
    offsets: &mut Offsets,
) -> anyhow::Result<()> {
    // SAFETY: asks the C library for a number.
    let ticks = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100);
    let tick = 1_000_000_000 / ticks.max(1);
    let mut places = Places::default();
    let mut looks = Vec::new();
    for round in 0..ROUNDS {
        looks = vec![(peek.bytes(leader, TASK_BYTES)?, std::process::id())];
        for process in &mut *processes {
            let before = peek.bytes(process.task, TASK_BYTES)?;
            // Times of the scheduler and of memory move on, and the start does not.
            process.stand_by.run()?;
            if round > 0 {
                process.stand_by.execute()?;
            }
            let after = peek.bytes(process.task, TASK_BYTES)?;
            places.change::<8>("TASK_STARTED", &before, &after, |before, after| {
                before == after
            });
            looks.push((after, process.stand_by.process()));
        }
        for (bytes, process) in &looks {
            let told = statistic(*process, STARTED)?;
            places.keep("TASK_STARTED", 8, bytes, |rest| {
                number::<8>(rest, 0).is_some_and(|found| found / tick == told)
            });
        }
        if places.left("TASK_STARTED").len() <= 2 {
            break;
        }
        // What is of the same tick by chance is not later.
        sleep(Duration::from_millis(20));
    }
    let at = match places.left("TASK_STARTED")[..] {
        [one] => one,
        [first, second] => {
            let of = |bytes: &[u8], at: u32| number::<8>(bytes, at as usize).unwrap_or(0);
            let later = |later: u32, earlier: u32| {
                let mut pairs = looks.iter().map(|(it, _)| (of(it, later), of(it, earlier)));
                pairs.clone().all(|(later, earlier)| later >= earlier)
                    && pairs.any(|(later, earlier)| later > earlier)
            };
            match (later(second, first), later(first, second)) {
                (true, false) => second,
                (false, true) => first,
                _ => bail!("TASK_STARTED: it may be at either of {first} and {second}"),
            }
        }
        ref several => bail!("TASK_STARTED: it may be at any of {several:?}"),
    };
    offsets.put("TASK_STARTED", at);
    Ok(())
}

/// The number that an execution makes one greater, and nothing else does.
fn image(peek: &Peek, process: &mut Process, offsets: &mut Offsets) -> anyhow::Result<()> {
    let mut places = Places::default();
    for round in 0..2 * ROUNDS {
        // Counts of switches, faults and interruptions grow too, and by one by chance.
        let executes = round % 3 != 1;
        let before = peek.bytes(process.task, TASK_BYTES)?;
        for _ in 0..round % 4 {
            process.stand_by.run()?;
        }
        if executes {
            process.stand_by.execute()?;
        } else {
            process.stand_by.run()?;
        }
        let after = peek.bytes(process.task, TASK_BYTES)?;
        places.change::<4>("TASK_IMAGE", &before, &after, |before, after| {
            after == before + u64::from(executes)
        });
        if round >= 5 && places.left("TASK_IMAGE").len() <= 1 {
            break;
        }
    }
    offsets.put("TASK_IMAGE", places.only("TASK_IMAGE")?);
    Ok(())
}

/// A field of `/proc/PID/stat`, counted as in proc(5).
pub fn statistic(process: u32, field: usize) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    parse_statistic(&text, field).with_context(|| format!("{path} has no field {field}"))
}

/// The name, which may have any characters in it, ends with the last bracket. It is field 2.
fn parse_statistic(text: &str, field: usize) -> Option<u64> {
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_ascii_whitespace()
        .nth(field.checked_sub(3)?)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::parse_statistic;
    use proptest::prelude::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let text = "12 (a) b (c) S 1 12 12";
        assert_eq!(parse_statistic(text, 4), Some(1));
        assert_eq!(parse_statistic(text, 6), Some(12));
        assert_eq!(parse_statistic(text, 3), None);
        assert_eq!(parse_statistic(text, 7), None);
        assert_eq!(parse_statistic(text, 0), None);
        assert_eq!(parse_statistic("", 4), None);
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_no_harm(text in ".*", field in 0_usize..60) {
            let _ = parse_statistic(&text, field);
        }
    }
}
