//! What the kernel says of the programs that a tracer holds.

use std::{collections::BTreeMap, fs, str::FromStr};

/// One of them.
#[derive(Debug)]
pub struct Program {
    pub id: u32,
    /// The raw tracepoint it is attached to, where it is to one.
    pub tracepoint: Option<String>,
    /// Instructions that the verifier looked at, where the kernel tells it (5.16).
    pub verified: Option<u64>,
    /// Events it was not run for, because it would have interrupted itself; 0 where the kernel does not tell it (5.12).
    pub missed: u64,
    /// Whether the kernel tells it; one that does not runs a program in the middle of itself.
    pub tells_missed: bool,
}

/// Those that `process` holds. Those at raw tracepoints come last, in the order in which they were attached.
pub fn programs(process: u32) -> Vec<Program> {
    let entries = fs::read_dir(format!("/proc/{process}/fdinfo")).expect("its descriptors");
    let descriptors: Vec<String> = entries
        // One may be closed meanwhile.
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .collect();
    // A link names its program too, and is none.
    let (links, programs): (Vec<_>, Vec<_>) = descriptors
        .iter()
        .filter(|text| value(text, "prog_id").is_some())
        .partition(|text| value(text, "link_type").is_some());
    let places: BTreeMap<u32, (u64, &str)> = links
        .into_iter()
        .filter_map(|link| {
            let place = (number(link, "link_id")?, value(link, "tp_name")?);
            Some((number(link, "prog_id")?, place))
        })
        .collect();
    let mut programs: Vec<Program> = programs
        .into_iter()
        .map(|text| Program {
            id: number(text, "prog_id").expect("a program's number"),
            tracepoint: None,
            verified: number(text, "verified_insns"),
            missed: number(text, "recursion_misses").unwrap_or(0),
            tells_missed: value(text, "recursion_misses").is_some(),
        })
        .collect();
    programs.sort_by_key(|program| places.get(&program.id));
    for program in &mut programs {
        program.tracepoint = places.get(&program.id).map(|(_, name)| (*name).to_owned());
    }
    programs
}

fn number<N: FromStr>(text: &str, name: &str) -> Option<N> {
    value(text, name)?.parse().ok()
}

/// The value of a line `name: value`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found == name).then_some(value.trim())
    })
}
