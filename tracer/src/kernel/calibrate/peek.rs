//! How is kernel memory looked at while the tracer starts? By programs that are gone when this value is.

use anyhow::{Context as _, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, MapData},
    programs::{RawTracePoint, RawTracePointRunOptions, TestRun as _},
};
use tracer_common::peek::{Copied, Look, PEEK_BYTES, PEEK_CHUNK, Packet, Watch};

use crate::kernel::{load::explain_load, object::OBJECT};

/// The programs of the object that are for this alone, and the raw tracepoint of each; the first is attached to none.
pub const PROGRAMS: &[(&str, Option<&str>)] = &[
    ("peek", None),
    ("peek_sock", Some("inet_sock_set_state")),
    ("peek_task", Some("task_newtask")),
    ("peek_cgroup", Some("cgroup_attach_task")),
    ("peek_packet", Some("net_dev_queue")),
];

/// The object's tables, of which none is used here: one entry is the least there can be.
const TABLES: &[&str] = &[
    "ASSOCIATIONS",
    "ATTEMPTS",
    "CALLS",
    "CLOSED",
    "CONNECTIONS",
    "DESTINATIONS",
    "FACTS",
    "FLOWS",
    "LISTENERS",
    "MULTIPATH",
    "OLDER",
    "OVERFLOW",
    "PORTS",
    "PROCESSES",
    "SENDING",
    "SOCKETS",
    "TRANSLATIONS",
];

/// Looks at kernel memory, as seen by one thread.
pub struct Peek {
    ebpf: Ebpf,
    look: Array<MapData, Look>,
    watch: Array<MapData, Watch>,
    packet: Array<MapData, Packet>,
    copied: Array<MapData, Copied>,
}

impl Peek {
    /// Loads the programs and attaches them.
    pub fn load(page_size: u32) -> anyhow::Result<Self> {
        let mut loader = EbpfLoader::new();
        loader.btf(None);
        for table in TABLES {
            loader.map_max_entries(table, 1);
        }
        for ring in ["RECORDS", "AYA_LOGS"] {
            loader.map_max_entries(ring, page_size);
        }
        let mut ebpf = loader.load(OBJECT).map_err(|error| explain_load(&error))?;
        for (name, tracepoint) in PROGRAMS {
            let program = ebpf.program_mut(name).context("the object lacks it")?;
            let program: &mut RawTracePoint = program.try_into().context("its type")?;
            program.load().with_context(|| format!("load {name}"))?;
            if let Some(tracepoint) = tracepoint {
                program
                    .attach(tracepoint)
                    .with_context(|| format!("attach to {tracepoint}"))?;
            }
        }
        let mut take = |name: &'static str| {
            ebpf.take_map(name)
                .with_context(|| format!("the object lacks map {name}"))
        };
        let (look, watch, packet, copied) = (
            take("LOOK")?.try_into()?,
            take("WATCH")?.try_into()?,
            take("PACKET")?.try_into()?,
            take("COPIED")?.try_into()?,
        );
        Ok(Self {
            ebpf,
            look,
            watch,
            packet,
            copied,
        })
    }

    /// Watches the thread that calls this, from now on. Returns its task's address, and the numbers of its process and,
    /// below, of the thread.
    pub fn watch(&mut self) -> anyhow::Result<(u64, u64)> {
        let look = self.run(0, 0)?;
        let watch = Watch {
            thread: look.thread,
            sock: 0,
            listener: 0,
            task: 0,
            cgroup: 0,
            packet_wanted: 0,
        };
        self.watch.set(0, watch, 0).context("watch this thread")?;
        Ok((look.task, look.thread))
    }

    /// What this thread made last.
    pub fn watched(&self) -> anyhow::Result<Watch> {
        self.watch.get(&0, 0).context("ask what this thread made")
    }

    /// The socket that this thread's listener made last, as it was then.
    pub fn copied(&self) -> anyhow::Result<Box<Copied>> {
        self.copied
            .get(&0, 0)
            .map(Box::new)
            .context("take a socket")
    }

    /// What stands at an address; zeroes where nothing is mapped.
    pub fn bytes(&self, address: u64, length: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let part = (length - bytes.len()).min(PEEK_BYTES);
            let chunks = part.div_ceil(PEEK_CHUNK);
            let look = self.run(address.wrapping_add(bytes.len() as u64), chunks as u64)?;
            bytes.extend_from_slice(&look.bytes[..part]);
        }
        Ok(bytes)
    }

    /// The pointer at an address.
    pub fn pointer(&self, address: u64) -> anyhow::Result<u64> {
        let bytes = self.bytes(address, 8)?;
        Ok(u64::from_ne_bytes(bytes[..8].try_into()?))
    }

    /// The first packet that leaves in this thread while `send` runs.
    pub fn packet(
        &mut self,
        send: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Box<Packet>> {
        let watch = Watch {
            packet_wanted: 1,
            ..self.watched()?
        };
        self.watch.set(0, watch, 0).context("wait for a packet")?;
        send()?;
        if self.watched()?.packet_wanted != 0 {
            bail!("a packet was sent to 127.0.0.0/8 and did not pass net_dev_queue");
        }
        let packet = self.packet.get(&0, 0).context("take the packet")?;
        Ok(Box::new(packet))
    }

    fn run(&self, address: u64, chunks: u64) -> anyhow::Result<Look> {
        let program = self.ebpf.program("peek").context("the object lacks it")?;
        let program: &RawTracePoint = program.try_into().context("its type")?;
        let mut options = RawTracePointRunOptions::new();
        options.args[..2].copy_from_slice(&[address, chunks]);
        program
            .test_run(options)
            .context("run a program on demand")?;
        self.look.get(&0, 0).context("take what was looked at")
    }
}
