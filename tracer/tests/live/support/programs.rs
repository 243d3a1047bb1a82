//! What the kernel says of the programs, and of whatever else, that a tracer holds.

use std::{collections::BTreeMap, fs, str::FromStr};

/// One of them.
#[derive(Debug)]
pub struct Program {
    pub id: u32,
    /// The raw tracepoint it is attached to, where it is to one.
    pub tracepoint: Option<String>,
    /// Whether it is at a tracepoint as perf has it.
    pub is_perfs: bool,
    /// Instructions that the verifier looked at, where the kernel tells it (5.16).
    pub verified: Option<u64>,
    /// Events it was not run for, because it would have interrupted itself; 0 where the kernel does not tell it (5.12).
    pub missed: u64,
    /// Whether the kernel tells it; one that does not runs a program in the middle of itself.
    pub tells_missed: bool,
}

/// `BPF_PROG_TYPE_TRACEPOINT` (include/uapi/linux/bpf.h).
const TRACEPOINT: &str = "5";

/// What the kernel says of one descriptor.
pub struct Descriptor(String);

impl Descriptor {
    /// The value of a line `name: value`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found == name).then_some(value.trim())
        })
    }

    pub fn number<N: FromStr>(&self, name: &str) -> Option<N> {
        self.value(name)?.parse().ok()
    }
}

/// Those that `process` has open.
pub fn descriptors(process: u32) -> Vec<Descriptor> {
    let entries = fs::read_dir(format!("/proc/{process}/fdinfo")).expect("its descriptors");
    entries
        // One may be closed meanwhile.
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .map(Descriptor)
        .collect()
}

/// Those that `process` holds. Those at raw tracepoints come last, in the order in which they were attached.
pub fn programs(process: u32) -> Vec<Program> {
    // A link names its program too, and is none.
    let (links, programs): (Vec<_>, Vec<_>) = descriptors(process)
        .into_iter()
        .filter(|descriptor| descriptor.value("prog_id").is_some())
        .partition(|descriptor| descriptor.value("link_type").is_some());
    let places: BTreeMap<u32, (u64, &str)> = links
        .iter()
        .filter_map(|link| {
            let place = (link.number("link_id")?, link.value("tp_name")?);
            Some((link.number("prog_id")?, place))
        })
        .collect();
    let mut programs: Vec<Program> = programs
        .into_iter()
        .map(|program| Program {
            id: program.number("prog_id").expect("a program's number"),
            tracepoint: None,
            is_perfs: program.value("prog_type") == Some(TRACEPOINT),
            verified: program.number("verified_insns"),
            missed: program.number("recursion_misses").unwrap_or(0),
            tells_missed: program.value("recursion_misses").is_some(),
        })
        .collect();
    // One may have several descriptors.
    programs.sort_by_key(|program| program.id);
    programs.dedup_by_key(|program| program.id);
    programs.sort_by_key(|program| places.get(&program.id));
    for program in &mut programs {
        program.tracepoint = places.get(&program.id).map(|(_, name)| (*name).to_owned());
    }
    programs
}
