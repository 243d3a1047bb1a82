//! Typed access to the kernel side's maps.

use std::os::fd::{AsFd as _, BorrowedFd};

use anyhow::Context as _;
use aya::{
    Ebpf,
    maps::{Array, HashMap, IterableMap as _, Map, MapData, RingBuf},
};
use tracer_common::{
    Attempt, Charge, Connection, Counts, DestinationKey, Flow, FlowKey, ListenedPort, Listener,
    Listeners, Older, ProcessFacts, ProcessKey, Sending, SocketFacts, Translation, fast::FastFlows,
};

use super::tables::Table;

/// `BPF_NOEXIST`: insert, or fail where the key is there.
pub const NOT_THERE: u64 = 1;

/// The maps of a loaded object.
pub struct Maps {
    pub destinations: HashMap<MapData, DestinationKey, Counts>,
    pub processes: HashMap<MapData, ProcessKey, u64>,
    pub facts: HashMap<MapData, u64, ProcessFacts>,
    pub overflow: HashMap<MapData, DestinationKey, Counts>,
    pub attempts: HashMap<MapData, u64, Attempt>,
    pub sending: HashMap<MapData, u64, Sending>,
    pub flows: HashMap<MapData, FlowKey, Flow>,
    pub fast_flows: Array<MapData, FastFlows>,
    pub sockets: HashMap<MapData, u64, SocketFacts>,
    pub translations: HashMap<MapData, FlowKey, Translation>,
    pub listeners: HashMap<MapData, u64, Listener>,
    pub ports: HashMap<MapData, ListenedPort, Listeners>,
    pub connections: HashMap<MapData, u64, Connection>,
    pub older: HashMap<MapData, u64, Older>,
    pub charges: HashMap<MapData, u64, Charge>,
    pub counters: Array<MapData, u64>,
    pub seconds: Array<MapData, u32>,
    pub handovers: Array<MapData, u32>,
    pub records: RingBuf<MapData>,
    pub names: RingBuf<MapData>,
    /// Sizes of the tables above, by their names in `tracer_map_capacity`.
    pub capacities: Capacities,
    /// Those and all others.
    pub tables: Vec<Table>,
}

/// How many entries the tables have room for.
#[derive(Clone, Copy, Debug)]
pub struct Capacities {
    pub destinations: u32,
    pub flows: u32,
    pub sockets: u32,
    pub listeners: u32,
    pub processes: u32,
    pub overflow: u32,
    pub connections: u32,
    pub older: u32,
    /// Bytes of the ring buffer.
    pub records: u32,
    /// Bytes of that of names.
    pub names: u32,
}

impl Maps {
    /// Takes the maps out of the object; its programs keep using them.
    pub fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        let tables = Table::all(ebpf);
        let mut take = |name: &'static str| {
            ebpf.take_map(name)
                .with_context(|| format!("the object lacks map {name}"))
        };
        let (destinations, processes, overflow) =
            (take("DESTINATIONS")?, take("PROCESSES")?, take("OVERFLOW")?);
        let (connections, older) = (take("CONNECTIONS")?, take("OLDER")?);
        let flows = take("FLOWS")?;
        let (records, names) = (take("RECORDS")?, take("NAMES")?);
        let (sockets, listeners) = (take("SOCKETS")?, take("LISTENERS")?);
        let capacities = Capacities {
            destinations: capacity(&destinations)?,
            flows: capacity(&flows)?,
            sockets: capacity(&sockets)?,
            listeners: capacity(&listeners)?,
            processes: capacity(&processes)?,
            overflow: capacity(&overflow)?,
            connections: capacity(&connections)?,
            older: capacity(&older)?,
            records: capacity(&records)?,
            names: capacity(&names)?,
        };
        Ok(Self {
            destinations: destinations.try_into()?,
            flows: flows.try_into()?,
            fast_flows: take("FAST_FLOWS")?.try_into()?,
            sockets: sockets.try_into()?,
            listeners: listeners.try_into()?,
            translations: take("TRANSLATIONS")?.try_into()?,
            ports: take("PORTS")?.try_into()?,
            processes: processes.try_into()?,
            attempts: take("ATTEMPTS")?.try_into()?,
            sending: take("SENDING")?.try_into()?,
            facts: take("FACTS")?.try_into()?,
            overflow: overflow.try_into()?,
            connections: connections.try_into()?,
            older: older.try_into()?,
            charges: take("CHARGES")?.try_into()?,
            counters: take("COUNTERS")?.try_into()?,
            seconds: take("SECONDS")?.try_into()?,
            handovers: take("HANDOVERS")?.try_into()?,
            records: records.try_into()?,
            names: names.try_into()?,
            capacities,
            tables,
        })
    }

    /// One of the counters that belong to no program. The index is one of `tracer_common::map::counter`.
    pub fn counter(&self, index: u32) -> u64 {
        // An array's element is always there; the only error is an index that is not of the list.
        self.counters.get(&index, 0).unwrap_or(0)
    }
}

fn capacity(map: &Map) -> anyhow::Result<u32> {
    let (Map::HashMap(data) | Map::RingBuf(data)) = map else {
        anyhow::bail!("a table that is neither a hash nor a ring buffer")
    };
    Ok(data.info()?.max_entries())
}

/// The descriptor of a typed hash map, for batched reading.
pub fn descriptor<K: aya::Pod, V: aya::Pod>(map: &HashMap<MapData, K, V>) -> BorrowedFd<'_> {
    map.map().fd().as_fd()
}
