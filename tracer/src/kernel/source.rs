//! The running kernel side, as the pipeline reads it.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use anyhow::{Context as _, bail};
use aya::{
    Ebpf,
    programs::{Program, RawTracePoint, RawTracePointRunOptions, TestRun as _},
};
use tracer_common::{
    Connection, Counts, DestinationKey, Older, ProcessFacts, ProcessKey, Record,
    map::{HANDLE_UNATTRIBUTED, HANDLE_USER_MAXIMUM},
};
use zerocopy::{FromBytes as _, FromZeros as _};

use crate::kernel::{
    batch::Batch,
    hooks::Hook,
    load::{self, Options, Verdict},
    maps::{Maps, descriptor},
};

/// `BPF_NOEXIST`: insert, or fail where the key is there.
const NOT_THERE: u64 = 1;
/// Arguments that one run of the sampling program takes.
const SAMPLES: usize = 12;

/// Loaded, attached and proved to work. Dropping it detaches everything.
pub struct Kernel {
    ebpf: Ebpf,
    pub maps: Maps,
    /// What became of each hook.
    pub verdicts: Vec<Verdict>,
    /// Handle of the tracer's own program, which contacted itself for the self-test and contacts nobody else.
    pub own_handle: u64,
    destinations: Batch<DestinationKey, Counts>,
    processes: Batch<ProcessKey, ProcessFacts>,
    overflow: Batch<u64, Counts>,
    connections: Batch<u64, Connection>,
    /// Keys of the connections that are sampled; kept for its room.
    sockets: Vec<u64>,
}

impl Kernel {
    /// Loads, attaches and makes one connection to itself: a hook that is attached and never fires is found here.
    pub fn start(options: &Options) -> anyhow::Result<Self> {
        let (mut ebpf, verdicts) = load::load(options)?;
        load::require(&verdicts)?;
        let maps = Maps::take(&mut ebpf)?;
        let mut kernel = Self {
            ebpf,
            maps,
            verdicts,
            own_handle: HANDLE_UNATTRIBUTED,
            destinations: Batch::new(4096),
            processes: Batch::new(512),
            overflow: Batch::new(512),
            connections: Batch::new(4096),
            sockets: Vec::new(),
        };
        kernel
            .maps
            .overflow
            .insert(HANDLE_UNATTRIBUTED, Counts::new_zeroed(), NOT_THERE)
            .context("make room for what has no program")?;
        kernel.prove()?;
        Ok(kernel)
    }

    /// The self-test: a program of our number must have been registered, and have counted its one connection.
    fn prove(&mut self) -> anyhow::Result<()> {
        load::connect_to_self()?;
        let (mut own, mut other) = (None, None);
        self.processes(|key, facts| {
            if key.process == std::process::id() {
                own = Some(facts.handle);
            } else {
                other = Some(key.process);
            }
        })?;
        let Some(own) = own else {
            let hint = match other {
                None => "tracer doctor says what this kernel allows",
                // Others were seen, so the hook works and knows us by another number.
                Some(_) => "run it in the initial PID namespace (docker run --pid=host)",
            };
            bail!("tcp_life: attached, but it did not see the tracer contact itself\nhint: {hint}");
        };
        let mut counted = 0;
        let mut count = |process, counts: &Counts| {
            if process == own {
                counted += counts.connections;
            }
        };
        self.destinations(|key, counts| count(key.process, counts))?;
        self.overflow(|process, counts| count(*process, counts))?;
        if counted != 1 {
            bail!("tcp_life: it counted {counted} of 1 connection of the tracer to itself");
        }
        self.own_handle = own;
        Ok(())
    }

    /// Hands out the details that wait in the ring buffer.
    pub fn records(&mut self, mut each: impl FnMut(&Record)) {
        while let Some(bytes) = self.maps.records.next() {
            if let Ok((record, _)) = Record::read_from_prefix(&bytes) {
                each(&record);
            }
        }
    }

    /// A descriptor of the ring buffer: readable when the kernel side woke us.
    pub fn wake(&self) -> anyhow::Result<OwnedFd> {
        self.maps
            .records
            .as_fd()
            .try_clone_to_owned()
            .context("take a descriptor of the ring buffer")
    }

    pub fn destinations(&mut self, each: impl FnMut(&DestinationKey, &Counts)) -> io::Result<u64> {
        self.destinations
            .read(descriptor(&self.maps.destinations), each)
    }

    pub fn processes(&mut self, each: impl FnMut(&ProcessKey, &ProcessFacts)) -> io::Result<u64> {
        self.processes.read(descriptor(&self.maps.processes), each)
    }

    pub fn overflow(&mut self, each: impl FnMut(&u64, &Counts)) -> io::Result<u64> {
        self.overflow.read(descriptor(&self.maps.overflow), each)
    }

    /// Live connections, with what passed over them up to now.
    pub fn connections(&mut self, each: impl FnMut(&u64, &Connection)) -> io::Result<u64> {
        let map = descriptor(&self.maps.connections);
        let sockets = &mut self.sockets;
        sockets.clear();
        self.connections
            .read(map, |socket, _| sockets.push(*socket))?;
        if let Some(Program::RawTracePoint(program)) = self.ebpf.program("sample") {
            for keys in self.sockets.chunks(SAMPLES) {
                sample(program, keys)?;
            }
        }
        self.connections.read(map, each)
    }

    /// Follows a socket that was there before.
    pub fn follow(&mut self, cookie: u64, older: Older) -> anyhow::Result<()> {
        match self
            .maps
            .destinations
            .insert(older.destination, Counts::new_zeroed(), NOT_THERE)
        {
            Ok(()) => {}
            Err(error) if load::errno(&error) == Some(libc::EEXIST) => {}
            Err(error) => return Err(error).context("make room for an older socket's destination"),
        }
        debug_assert!(
            older.destination.process < HANDLE_USER_MAXIMUM,
            "the kernel side makes the other handles"
        );
        self.maps
            .older
            .insert(cookie, older, NOT_THERE)
            .context("make room for an older socket")
    }

    /// How often the kernel did not run a hook's program because it would have interrupted itself on its processor
    /// (since 6.1; the kernel tells it since 5.12).
    pub fn missed(&self, hook: &Hook) -> u64 {
        let number = || {
            let Program::RawTracePoint(program) = self.ebpf.program(hook.program)? else {
                return None;
            };
            let descriptor = program.fd().ok()?.as_fd().as_raw_fd();
            let text = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("recursion_misses:"))?;
            line.trim().parse().ok()
        };
        number().unwrap_or(0)
    }

    /// The object, for the kernel side's debug log.
    pub fn object(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }
}

fn sample(program: &RawTracePoint, keys: &[u64]) -> io::Result<()> {
    let mut options = RawTracePointRunOptions::new();
    options.args[..keys.len()].copy_from_slice(keys);
    program.test_run(options).map_err(io::Error::other)?;
    Ok(())
}
