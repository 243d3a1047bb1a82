//! What the kernel side's maps take of the kernel's memory.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
    sync::Arc,
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};

/// `BPF_MAP_TYPE_RINGBUF` (include/uapi/linux/bpf.h), whose entries are its bytes.
const RING: u64 = 27;

/// A map of the kernel side.
pub struct Table {
    /// Its name in lower case, as labels have it.
    pub name: Arc<str>,
    /// Its descriptor, which stays open as long as the kernel side is there.
    descriptor: RawFd,
    /// What it takes, where it is not a hash that may allocate: that is asked once, as to ask takes 20 µs.
    fixed: Option<u64>,
}

impl Table {
    /// All of them; before any is taken out of the object.
    pub fn all(ebpf: &Ebpf) -> Vec<Self> {
        let tables = ebpf.maps().filter_map(|(name, map)| {
            let descriptor = data(map)?.fd().as_fd().as_raw_fd();
            let may_allocate = matches!(map, Map::HashMap(_));
            Some(Self {
                name: name.to_lowercase().into(),
                descriptor,
                fixed: (!may_allocate).then(|| bytes(descriptor)),
            })
        });
        let mut tables: Vec<_> = tables.collect();
        tables.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        tables
    }

    /// Bytes, as the kernel says: since 6.4 what it takes now, before an estimate of what it takes when it is full. 0 where it does not say.
    pub fn bytes(&self) -> u64 {
        self.fixed.unwrap_or_else(|| bytes(self.descriptor))
    }
}

fn bytes(descriptor: RawFd) -> u64 {
    let said = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"));
    said.ok().and_then(|said| locked(&said)).unwrap_or(0)
}

/// The field of that name (`bpf_map_show_fdinfo`, kernel/bpf/syscall.c; since 4.9). Of ring buffers it was 0 from 5.11 to 6.3.
fn locked(said: &str) -> Option<u64> {
    let field = |name| {
        let value = said.lines().find_map(|line| line.strip_prefix(name));
        value?.trim().parse::<u64>().ok()
    };
    let bytes = field("memlock:")?;
    let is_ring = field("map_type:") == Some(RING);
    Some(if bytes == 0 && is_ring {
        field("max_entries:")?
    } else {
        bytes
    })
}

fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::locked;

    #[test]
    fn the_field_is_found_among_the_others() {
        let said = "pos:\t0\nmap_type:\t1\nmax_entries:\t8192\nmemlock:\t131200\nmap_id:\t7\n";
        assert_eq!(locked(said), Some(131_200));
        let ring = "map_type:\t27\nmax_entries:\t4096\nmemlock:\t0\n";
        assert_eq!(locked(ring), Some(4096));
        assert_eq!(locked("memlock:\tmuch\n"), None);
        assert_eq!(locked("pos:\t0\n"), None);
    }
}
