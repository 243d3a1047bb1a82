//! The running kernel side, as the pipeline reads it.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use anyhow::Context as _;
use aya::{
    Ebpf,
    maps::{Array, IterableMap as _, Map, MapData},
    programs::{Program, RawTracePoint, RawTracePointRunOptions, TestRun as _},
};
use tracer_common::{
    Attempt, Connection, Counts, DestinationKey, Flow, FlowKey, Listener, NameEvent, Older,
    ProcessFacts, Record, Sending, SocketFacts, Translation,
    map::{CONNECTION_PENDING, FLAG_DESCRIBED, HANDLE_UNATTRIBUTED, HANDLE_USER_MAXIMUM, counter},
};
use zerocopy::FromBytes as _;

use crate::kernel::{
    batch::Batch,
    fast_flows::FastFlows,
    globals::Origin,
    hooks::{Attach, Hook, Way},
    load::{self, Options, Verdict},
    lookups::{Lookups, Started},
    maps::{Maps, NOT_THERE, descriptor},
    returns::Return,
    signal::Signal,
    waiting::Holders,
};

/// Arguments that one run of the sampling program takes.
const SAMPLES: usize = 12;

/// Loaded, attached and proved to work. Dropping it detaches everything.
pub struct Kernel {
    ebpf: Ebpf,
    _returns: Vec<Return>,
    pub maps: Maps,
    /// What became of each hook.
    pub verdicts: Vec<Verdict>,
    /// From where it is known what the kernel's structures look like.
    pub origin: Origin,
    /// Who held the sockets that were there before, until the pipeline takes them.
    pub holders: Holders,
    /// Handle of the tracer's own program, which contacted itself for the self-test and contacts nobody else.
    pub own_handle: u64,
    destinations: Batch<DestinationKey, Counts>,
    facts: Batch<u64, ProcessFacts>,
    connections: Batch<u64, Connection>,
    attempts: Batch<u64, Attempt>,
    calls: Batch<u64, Sending>,
    flows: Batch<FlowKey, Flow>,
    open_sockets: Batch<u64, SocketFacts>,
    listeners: Batch<u64, Listener>,
    older: Batch<u64, Older>,
    translations: Batch<FlowKey, Translation>,
    /// Keys of the connections that are sampled; kept for its room.
    sockets: Vec<u64>,
    /// Contacts that had ended before anybody asked for them.
    pub(super) early: Vec<Record>,
    /// Probes in C libraries; none where they do not work, or are not wanted.
    pub lookups: Option<Lookups>,
}

impl Kernel {
    /// Loads, attaches and makes one connection to itself: a hook that is attached and never fires is found here.
    pub fn start(options: &Options) -> anyhow::Result<Self> {
        let (mut loaded, origin) = load::load(options)?;
        load::require(&loaded.verdicts)?;
        // Goes on while the rest is proved.
        let lookups = begin_lookups(&mut loaded);
        let mut kernel = Self {
            ebpf: loaded.ebpf,
            _returns: loaded.returns,
            maps: loaded.maps,
            verdicts: loaded.verdicts,
            origin,
            holders: loaded.holders,
            own_handle: HANDLE_UNATTRIBUTED,
            destinations: Batch::new(4096),
            facts: Batch::new(512),
            connections: Batch::new(4096),
            attempts: Batch::new(512),
            calls: Batch::new(512),
            flows: Batch::new(4096),
            open_sockets: Batch::new(4096),
            listeners: Batch::new(512),
            older: Batch::new(512),
            translations: Batch::new(512),
            sockets: Vec::new(),
            early: Vec::new(),
            lookups: None,
        };
        kernel.prove()?;
        kernel.prove_datagrams()?;
        kernel.take_lookups(lookups);
        Ok(kernel)
    }

    /// Takes the probes in C libraries, or says why there are none.
    fn take_lookups(&mut self, started: anyhow::Result<Started>) {
        match started.and_then(Started::finish) {
            Ok(lookups) => self.lookups = Some(lookups),
            Err(error) => {
                let of_them = self.verdicts.iter_mut();
                let of_them = of_them.filter(|verdict| verdict.hook.gives == Signal::Lookups);
                let why = format!("{error:#}");
                of_them.for_each(|verdict| _ = verdict.failure.get_or_insert_with(|| why.clone()));
            }
        }
    }

    /// Hands out the contacts that have ended, as many as the ring buffer has room for: those that end meanwhile may come next
    /// time.
    pub fn records(&mut self, mut each: impl FnMut(&Record)) {
        self.early.drain(..).for_each(|record| each(&record));
        for _ in 0..self.maps.capacities.records as usize / size_of::<Record>() {
            let Some(bytes) = self.maps.records.next() else {
                return;
            };
            if let Ok((record, _)) = Record::read_from_prefix(&bytes) {
                each(&record);
            }
        }
    }

    /// Hands out what may say a name, as [`Self::records`] does what has ended: the event and its bytes.
    pub fn names(&mut self, mut each: impl FnMut(&NameEvent, &[u8])) {
        for _ in 0..self.maps.capacities.names as usize / size_of::<NameEvent>() {
            let Some(bytes) = self.maps.names.next() else {
                return;
            };
            if let Ok((event, rest)) = NameEvent::read_from_prefix(&bytes)
                && let Some(payload) = rest.get(..event.length as usize)
            {
                each(&event, payload);
            }
        }
    }

    /// As [`Self::wake`], of the ring buffer of names.
    pub fn wake_for_names(&self) -> anyhow::Result<OwnedFd> {
        self.maps
            .names
            .as_fd()
            .try_clone_to_owned()
            .context("take a descriptor of the ring buffer of names")
    }

    /// A descriptor of the ring buffer: readable when the kernel side woke us.
    pub fn wake(&self) -> anyhow::Result<OwnedFd> {
        self.maps
            .records
            .as_fd()
            .try_clone_to_owned()
            .context("take a descriptor of the ring buffer")
    }

    /// Every exact counter, and what found no room of its own. Returns the entries of the two maps.
    pub fn destinations(
        &mut self,
        mut each: impl FnMut(&DestinationKey, &Counts),
    ) -> io::Result<[u64; 2]> {
        let (batch, maps) = (&mut self.destinations, &self.maps);
        Ok([
            batch.read(descriptor(&maps.destinations), &mut each)?,
            batch.read(descriptor(&maps.overflow), &mut each)?,
        ])
    }

    /// Every program that is described, by its handle. Returns whether there was one that is not yet.
    pub fn programs(&mut self, mut each: impl FnMut(&u64, &ProcessFacts)) -> io::Result<bool> {
        let mut unfinished = false;
        self.facts
            .read(descriptor(&self.maps.facts), |handle, facts| {
                if facts.flags & FLAG_DESCRIBED == 0 {
                    unfinished = true;
                } else {
                    each(handle, facts);
                }
            })?;
        Ok(unfinished)
    }

    /// Open flows of datagrams.
    pub fn flows(&mut self, each: impl FnMut(&FlowKey, &Flow)) -> io::Result<u64> {
        self.flows.read(descriptor(&self.maps.flows), each)
    }

    /// Calls of `connect(2)` that have not sent a SYN, by thread or socket.
    pub fn attempts(&mut self, each: impl FnMut(&u64, &Attempt)) -> io::Result<u64> {
        self.attempts.read(descriptor(&self.maps.attempts), each)
    }

    /// Calls under way that send a datagram, by thread; where kprobes serve.
    pub fn calls(&mut self, each: impl FnMut(&u64, &Sending)) -> io::Result<u64> {
        self.calls.read(descriptor(&self.maps.sending), each)
    }

    /// Has the kernel side ask the sockets of such calls, by their keys, what became of them.
    pub fn resolve(&mut self, attempts: &[u64]) -> io::Result<()> {
        if let Some(Program::RawTracePoint(program)) = self.ebpf.program("resolve") {
            for key in attempts {
                sample(program, &[*key])?;
            }
        }
        Ok(())
    }

    /// Open sockets of datagrams.
    pub fn sockets(&mut self, each: impl FnMut(&u64, &SocketFacts)) -> io::Result<u64> {
        self.open_sockets.read(descriptor(&self.maps.sockets), each)
    }

    /// Who listens.
    pub fn listeners(&mut self, each: impl FnMut(&u64, &Listener)) -> io::Result<u64> {
        self.listeners.read(descriptor(&self.maps.listeners), each)
    }

    /// How many translations have been noted so far.
    pub fn translations_noted(&self) -> u64 {
        self.maps.counter(counter::TRANSLATIONS)
    }

    /// To whom the datagrams of flows left, where that is not whom their calls named.
    pub fn translations(&mut self, each: impl FnMut(&FlowKey, &Translation)) -> io::Result<u64> {
        self.translations
            .read(descriptor(&self.maps.translations), each)
    }

    /// The fast path of datagrams, which hooks of the control group have. Where its memory is not to be had, all flows go the
    /// other way.
    pub fn fast_flows(&self) -> Option<FastFlows> {
        let is_there = self.way() == Way::Cgroup && self.serves(Signal::SocketEnd);
        is_there
            .then(|| FastFlows::of(&self.maps.fast_flows).ok())
            .flatten()
    }

    /// Whether a socket of datagrams is open.
    pub fn has_socket(&self, socket: u64) -> bool {
        self.maps.sockets.get(&socket, 0).is_ok()
    }

    /// Which kind of hooks serves.
    pub fn way(&self) -> Way {
        let served = |verdict: &&Verdict| verdict.failure.is_none();
        self.verdicts
            .iter()
            .filter(served)
            .find_map(|verdict| verdict.hook.attach.way())
            .unwrap_or(Way::Cgroup)
    }

    /// Whether a hook serves `signal`.
    pub fn serves(&self, signal: Signal) -> bool {
        self.verdicts
            .iter()
            .any(|verdict| verdict.hook.gives == signal && verdict.failure.is_none())
    }

    /// Tells the kernel side what time it is, in seconds of the tracer.
    pub fn set_second(&mut self, second: u32) {
        // An array's only element is always there.
        let _ = self.maps.seconds.set(0, second, 0);
    }

    /// Tells the kernel side that users have changed hands for the `count`th time.
    pub fn set_handovers(&mut self, count: u32) {
        // As above.
        let _ = self.maps.handovers.set(0, count, 0);
    }

    /// Live connections, with what passed over them up to now; those left out of which nothing but whose they are is known.
    pub fn connections(&mut self, mut each: impl FnMut(&u64, &Connection)) -> io::Result<u64> {
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
        self.connections.read(map, |sock, connection| {
            let is_pending = u32::from(connection.flags) & CONNECTION_PENDING != 0;
            if !is_pending && connection.seal == connection.destination.seal() {
                each(sock, connection);
            }
        })
    }

    /// The same, with what was sampled last.
    pub fn followed(&mut self, each: impl FnMut(&u64, &Connection)) -> io::Result<u64> {
        let map = descriptor(&self.maps.connections);
        self.connections.read(map, each)
    }

    /// Follows a socket that was there before.
    pub fn follow(&mut self, cookie: u64, older: Older) -> anyhow::Result<()> {
        debug_assert!(
            older.destination.process < HANDLE_USER_MAXIMUM,
            "the kernel side makes the other handles"
        );
        self.maps
            .older
            .insert(cookie, older, NOT_THERE)
            .context("make room for an older socket")
    }

    /// Those of them whose end the kernel side has not seen, by their cookies.
    pub fn older(&mut self, each: impl FnMut(&u64, &Older)) -> io::Result<u64> {
        self.older.read(descriptor(&self.maps.older), each)
    }

    /// How often the kernel did not run a hook's program because it would have interrupted itself on its processor
    /// (since 6.1; the kernel tells it since 5.12), and no other program made up for it.
    pub fn missed(&self, hook: &Hook) -> u64 {
        let makes_up = |verdict: &Verdict| {
            // And where this one would have interrupted itself, the other was run.
            let Attach::RawTracepointNested { behind, .. } = verdict.hook.attach else {
                return false;
            };
            let nested = verdict.hook.program;
            verdict.failure.is_none() && (hook.program == nested || behind.contains(&hook.program))
        };
        if self.verdicts.iter().any(makes_up) {
            return 0;
        }
        let number = || {
            let program = self.ebpf.program(hook.program)?;
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

/// Begins to look for C libraries. Where one of the programs for them is not loaded, the others are of no use, and say so too.
fn begin_lookups(loaded: &mut load::Loaded) -> anyhow::Result<Started> {
    let mut of_them = loaded.verdicts.iter();
    let is_refused =
        |verdict: &Verdict| verdict.hook.gives == Signal::Lookups && verdict.failure.is_some();
    if let Some(verdict) = of_them.find(|verdict| is_refused(verdict)) {
        anyhow::bail!("it needs {}, which is not loaded", verdict.hook.program);
    }
    let counters = loaded.maps.counters.map().fd().as_fd().try_clone_to_owned();
    let counters = counters.context("one more descriptor of the counters")?;
    let counters = Map::from_map_data(MapData::from_fd(counters)?)?;
    Lookups::start(&mut loaded.ebpf, Array::try_from(counters)?)
}

/// The clock that the kernel side stamps with (`CLOCK_MONOTONIC`).
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one timespec. The clock exists, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

fn sample(program: &RawTracePoint, keys: &[u64]) -> io::Result<()> {
    let mut options = RawTracePointRunOptions::new();
    options.args[..keys.len()].copy_from_slice(keys);
    program.test_run(options).map_err(io::Error::other)?;
    Ok(())
}
