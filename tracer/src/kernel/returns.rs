//! The return of a kernel function, however many calls of it are under way.
//!
//! As perf makes such a probe, the kernel follows as many calls to their return as there are processors, or ten and more. One that is
//! made through tracefs says how many (`kprobe_events`, Documentation/trace/kprobetrace.rst; since 4.12).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    process,
};

use super::{perf::Event, source::monotonic_ns};

/// Calls of one function that are followed at a time. Each takes some hundred bytes.
const CALLS: u32 = 512;

/// Where tracefs is mounted, if it is.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// The group of our events there.
const GROUP: &str = "tracer";

/// `PERF_TYPE_TRACEPOINT` (include/uapi/linux/perf_event.h).
const TRACEPOINT: u32 = 2;

/// A program at the return of a function. Dropping it detaches the program.
#[derive(Debug)]
pub struct Return {
    // The first to go: the event cannot be removed before.
    _attached: OwnedFd,
    _event: Named,
}

impl Return {
    /// Attaches `program` at the return of `function`. Fails where tracefs is not mounted, or may not be written to, or the kernel has
    /// no such function.
    pub fn attach(program: BorrowedFd<'_>, function: &str) -> io::Result<Self> {
        let event = Named::make(tracefs()?, function)?;
        let place = event.tracefs.join("events").join(GROUP).join(&event.name);
        let number = fs::read_to_string(place.join("id"))?;
        let number = number.trim().parse().map_err(io::Error::other)?;
        let event_of_perf = Event {
            kind: TRACEPOINT,
            configuration: number,
            first: 0,
            second: 0,
        };
        // SAFETY: it points to nothing.
        let attached = unsafe { event_of_perf.attach(program) }?;
        Ok(Self {
            _attached: attached,
            _event: event,
        })
    }
}

/// An event of tracefs. It is not attached to anything that would remove it if the tracer is killed: the next one does.
#[derive(Debug)]
struct Named {
    tracefs: PathBuf,
    name: String,
}

impl Named {
    fn make(tracefs: PathBuf, function: &str) -> io::Result<Self> {
        let name = format!("{function}_{}_{:x}", process::id(), monotonic_ns());
        let line = format!("r{CALLS}:{GROUP}/{name} {function}");
        write(&tracefs, &line)?;
        Ok(Self { tracefs, name })
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // Where that fails, the next tracer tries again.
        let _ = write(&self.tracefs, &format!("-:{GROUP}/{}", self.name));
    }
}

/// Removes the events of tracers that were killed.
pub fn remove_those_of_the_dead() {
    let Ok(tracefs) = tracefs() else {
        return;
    };
    let Ok(events) = fs::read_to_string(tracefs.join("kprobe_events")) else {
        return;
    };
    let is_dead = |process: &u32| !Path::new(&format!("/proc/{process}")).exists();
    for name in events.lines().filter_map(|line| dead(line, is_dead)) {
        // The kernel keeps one that somebody uses, in another PID namespace.
        let _ = write(&tracefs, &format!("-:{GROUP}/{name}"));
    }
}

/// The name of the event in a line of `kprobe_events` if it is of a tracer that is dead.
fn dead(line: &str, is_dead: impl Fn(&u32) -> bool) -> Option<&str> {
    let (_, event) = line.split_whitespace().next()?.split_once(':')?;
    let name = event.strip_prefix(GROUP)?.strip_prefix('/')?;
    let mut parts = name.rsplit('_').skip(1);
    let process = parts.next()?.parse().ok()?;
    is_dead(&process).then_some(name)
}

fn tracefs() -> io::Result<PathBuf> {
    let mut mounts = MOUNTS.iter().map(Path::new);
    let found = mounts.find(|mount| mount.join("kprobe_events").exists());
    found
        .map(Path::to_owned)
        .ok_or(io::ErrorKind::NotFound.into())
}

/// Each line is a command of its own, so it is written at once.
fn write(tracefs: &Path, line: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .append(true)
        .open(tracefs.join("kprobe_events"))?;
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::dead;

    #[test]
    fn only_events_of_tracers_that_are_dead_are_removed() {
        let check = |line, expected| {
            assert_eq!(dead(line, |process| *process == 7), expected, "{line}");
        };
        let name = "udp_sendmsg_7_1f2e";
        check("r512:tracer/udp_sendmsg_7_1f2e udp_sendmsg", Some(name));
        check("r512:tracer/udp_sendmsg_8_1f2e udp_sendmsg", None);
        check("r512:kprobes/udp_sendmsg_7_1f2e udp_sendmsg", None);
        check("r512:tracer/udp_sendmsg udp_sendmsg", None);
        check("p:tracers/udp_sendmsg_7_1f2e udp_sendmsg", None);
        check("", None);
    }
}
