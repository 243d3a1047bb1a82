//! May a hash allocate an entry while a tracing program runs? And the kernel side as it is loaded where none may.
//!
//! Such a program can have come in the middle of the kernel's allocator. From 6.1 on hashes take from one of BPF's own. Before, the
//! kernel warns of the first program that does so, which taints it and ends it with `panic_on_warn`; with `PREEMPT_RT` it refuses
//! the program. So all hashes have all of their entries from the start on there (they are preallocated).
//!
//! Either way an entry that is removed may be another one's at once: see `tracer-ebpf/src/maps.rs`.

use std::{
    borrow::Cow,
    ops::Range,
    os::fd::{AsFd as _, AsRawFd as _},
};

use anyhow::{Context as _, bail};
use aya::maps::{HashMap, IterableMap as _, MapData};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use super::{hooks::Way, object::OBJECT, trial};

const BPF_PROG_TYPE_PERF_EVENT: u32 = 7;
/// `BPF_F_NO_PREALLOC`.
pub const ALLOCATES: u32 = 1;
/// `BPF_MAP_TYPE_HASH`, `…_PERCPU_HASH` and `…_HASH_OF_MAPS`: those of which the kernel asks it (`check_map_prealloc`).
const HASHES: [u32; 3] = [1, 5, 13];

/// Tables that only programs at the cgroup use, which may allocate everywhere.
const AT_CGROUP: [&str; 4] = ["ASSOCIATIONS", "CALLS", "CLOSED", "TRANSLATIONS"];

/// Tables that only programs of the other kind of hooks use.
pub fn of_the_other(way: Way) -> &'static [&'static str] {
    match way {
        Way::Tracing => &AT_CGROUP,
        Way::Cgroup => &["SENDING"],
    }
}

/// What tables hold there, where what the object says is too much to take at once: an entry of `FLOWS` takes 176 bytes. A datagram
/// whose flow finds no room is counted all the same, by itself.
const ENTRIES: &[(&str, u32)] = &[("FLOWS", 65_536)];

/// The same on a phone, which has neither the memory of a server nor as many programs, sockets and threads. `OVERFLOW` and `FACTS`
/// are as large as `PROCESSES` says.
const ENTRIES_ON_A_PHONE: &[(&str, u32)] = &[
    ("FLOWS", 32_768),
    ("SOCKETS", 16_384),
    ("OLDER", 8_192),
    ("SENDING", 8_192),
    ("LISTENERS", 4_096),
    ("MULTIPATH", 4_096),
    ("PROCESSES", 4_096),
];

/// Sizes that are not those of the object: tables and their entries.
pub fn entries(may_allocate: bool, is_phone: bool) -> &'static [(&'static str, u32)] {
    match (may_allocate, is_phone) {
        (true, _) => &[],
        (false, false) => ENTRIES,
        (false, true) => ENTRIES_ON_A_PHONE,
    }
}

/// Sizes of the tables that are as large as another one says. Each program may need an entry of `OVERFLOW` for each protocol and
/// direction, and what has no program needs the same; each listener one of `PORTS`, each UDP socket one of `CALLS`.
pub fn dependent(name: &str, entries: u32) -> Vec<(&'static str, u32)> {
    match name {
        "PROCESSES" => {
            let overflow = entries.saturating_add(1).saturating_mul(10);
            vec![("OVERFLOW", overflow), ("FACTS", entries)]
        }
        "LISTENERS" => vec![("PORTS", entries)],
        "SOCKETS" => vec![("CALLS", entries)],
        _ => Vec::new(),
    }
}

/// Whether hashes may allocate, asked of the kernel without the warning: of all that it warns of, it refuses a program of this
/// type instead, and looks at that first. Any doubt is a no, which costs memory alone.
pub fn hashes_may_allocate() -> bool {
    let Ok(hash) = HashMap::<MapData, u32, u32>::create(1, ALLOCATES) else {
        return false;
    };
    let descriptor = hash.map().fd().as_fd().as_raw_fd();
    let descriptor = u64::from(descriptor.cast_unsigned());
    // `r1 = the map; r0 = 0; exit`. The first takes two, of which the second has the upper half of a number.
    let program = [descriptor << 32 | 0x1118, 0, 0xb7, 0x95];
    trial::load(BPF_PROG_TYPE_PERF_EVENT, 0, &program).is_ok()
}

/// The object that this kernel is to load.
pub fn object(may_allocate: bool) -> anyhow::Result<Cow<'static, [u8]>> {
    if may_allocate {
        return Ok(Cow::Borrowed(OBJECT));
    }
    let preallocated = preallocate(OBJECT).context("have the kernel's tables preallocated")?;
    Ok(Cow::Owned(preallocated))
}

/// The object, with all hashes of its tracing programs preallocated. aya has no way to say so.
fn preallocate(object: &[u8]) -> anyhow::Result<Vec<u8>> {
    let file = object::File::parse(object).context("read the object")?;
    let mut changed = object.to_vec();
    // As aya does: each symbol in such a section is a map, and its definition stands there.
    for section in file.sections() {
        if !section
            .name()
            .context("the name of a section")?
            .starts_with("maps")
        {
            continue;
        }
        let range = section.file_range().context("a section without bytes")?;
        let symbols = file
            .symbols()
            .filter(|symbol| symbol.section_index() == Some(section.index()));
        for symbol in symbols {
            let name = symbol.name().unwrap_or_default();
            // The section's own name can be one too.
            if symbol.size() == 0 || AT_CGROUP.contains(&name) {
                continue;
            }
            let definition = place(range, symbol.address())
                .and_then(|place| changed.get_mut(place))
                .with_context(|| format!("{:?} is out of bounds", symbol.name()))?;
            clear(definition);
        }
    }
    if changed == object {
        bail!("it has no hash that allocates");
    }
    Ok(changed)
}

/// Bytes of the part of a definition that each has (`struct bpf_map_def`): type, sizes of key and value, entries, flags.
const DEFINITION: u64 = 5 * 4;

/// Where a definition is in the file, `at` so many bytes into a section.
fn place((start, length): (u64, u64), at: u64) -> Option<Range<usize>> {
    let end = at.checked_add(DEFINITION).filter(|end| *end <= length)?;
    let in_file = |at| usize::try_from(start.checked_add(at)?).ok();
    Some(in_file(at)?..in_file(end)?)
}

fn clear(definition: &mut [u8]) {
    let (words, _) = definition.as_chunks_mut::<4>();
    if let [kind, _, _, _, flags] = words
        && HASHES.contains(&u32::from_ne_bytes(*kind))
    {
        *flags = (u32::from_ne_bytes(*flags) & !ALLOCATES).to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aya_obj::{Map, Object};
    use std::collections::BTreeMap;

    fn maps(object: &[u8]) -> BTreeMap<String, Map> {
        Object::parse(object)
            .expect("an object")
            .maps
            .into_iter()
            .collect()
    }

    #[test]
    fn the_flag_of_each_hash_is_cleared_and_nothing_else_changes() {
        let changed = preallocate(OBJECT).expect("the object that build.rs made");
        let (before, after) = (maps(OBJECT), maps(&changed));
        let mut cleared = 0;
        for (name, before) in &before {
            let is_hash =
                HASHES.contains(&before.map_type()) && !AT_CGROUP.contains(&name.as_str());
            let flags = before.map_flags();
            let expected = if is_hash { flags & !ALLOCATES } else { flags };
            assert_eq!(after[name].map_flags(), expected, "{name}");
            cleared += usize::from(expected != flags);
        }
        // Less than one that allocates would be an error.
        let differ = OBJECT.iter().zip(&changed).filter(|(old, new)| old != new);
        assert_eq!(differ.count(), cleared, "a byte for each flag");
        assert_eq!(OBJECT.len(), changed.len());
        preallocate(&changed).expect_err("there is none left");
    }

    #[test]
    fn what_is_out_of_bounds_is_an_error() {
        assert_eq!(place((64, 40), 20), Some(84..104));
        for at in [21, 40, u64::MAX - 3, u64::MAX] {
            assert_eq!(place((64, 40), at), None, "{at}");
        }
        assert_eq!(place((u64::MAX, 40), 20), None);
        for length in (0..OBJECT.len()).step_by(997) {
            preallocate(&OBJECT[..length]).expect_err("cut");
        }
    }

    /// What an entry takes beside its key and value (`struct htab_elem`), and a bucket of the table, of which there is one for each
    /// entry, up to a power of two; Linux 5.10.
    const ENTRY: u64 = 48;
    const BUCKET: u64 = 16;

    /// Bytes that the hashes take at the start where they are preallocated, each and all of them.
    fn taken(is_phone: bool) -> (BTreeMap<String, u64>, u64) {
        let mut sizes: BTreeMap<&str, u32> = entries(false, is_phone).iter().copied().collect();
        for (name, entries) in sizes.clone() {
            sizes.extend(dependent(name, entries));
        }
        let mut taken = BTreeMap::new();
        for (name, map) in maps(OBJECT) {
            if !HASHES.contains(&map.map_type()) || AT_CGROUP.contains(&name.as_str()) {
                sizes.remove(name.as_str());
                continue;
            }
            let default = map.max_entries();
            let entries = sizes.remove(name.as_str()).unwrap_or(default);
            assert!(entries <= default, "{name}");
            let words = |bytes: u32| u64::from(bytes.next_multiple_of(8));
            let entry = ENTRY + words(map.key_size()) + words(map.value_size());
            let buckets = u64::from(entries.next_power_of_two()) * BUCKET;
            taken.insert(name, u64::from(entries) * entry + buckets);
        }
        assert!(sizes.is_empty(), "there is no {sizes:?}");
        let sum = taken.values().sum();
        (taken, sum)
    }

    #[test]
    fn what_is_taken_at_the_start_is_what_the_readme_says() {
        for (is_phone, megabytes) in [(false, 81), (true, 43)] {
            let (each, sum) = taken(is_phone);
            assert_eq!((sum + 500_000) / 1_000_000, megabytes, "{each:?}");
        }
    }
}
