//! Where does a kernel that does not tell of its types keep what is read? Measured, while the tracer starts.
//!
//! The tracer makes objects of which it knows every value: connections over loopback, processes of its own program, a
//! control group for a moment. Programs of the kernel side say where these are and what stands there ([`peek`]); the
//! values are looked for until one offset is left ([`search`]). **Unknown is never guessed**: a field for which several
//! offsets are left, or none, is an error that names it.
//!
//! What is known of structures without being measured, true of Linux 5.10 to 6.18:
//! - `msg_name` is the first member of `struct msghdr`.
//! - `cred` stands right behind `real_cred`, `active_mm` right behind `mm`; both pairs are found, and taken only so.
//! - `pid` stands right before `tgid`.
//! - Of two times of a start that never differ by a tick, `start_boottime` is the one that is taken later.
//! - The buffer of a packet begins ahead of its first byte.
//! - The bits of `sk_flags`, the states of TCP and those of a socket are numbered as the kernel side takes them anyway.
//!
//! A new field gets its rule in the file of its structure; [`Offsets::put`] is called with its name. A field without a
//! rule is `optional` in the table of fields; its global is `UNKNOWN` then, for which the kernel side asks before it reads.

mod group;
mod life;
mod listener;
mod memory;
mod namespace;
mod objects;
mod packet;
pub mod peek;
mod raw;
pub mod search;
mod sequence;
mod sock;
mod socket;
mod sockets;
pub mod stand_by;
mod task;
mod tcp;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};
use tracer_common::offset::{FIELDS, UNKNOWN};

use objects::Objects;
use peek::Peek;
use stand_by::StandBy;
use task::Process;

/// Times that a measurement is made that leaves a doubt.
const ATTEMPTS: u32 = 3;

/// What was measured, by the names of the globals.
#[derive(Debug, Default)]
pub struct Offsets(BTreeMap<&'static str, u32>);

impl Offsets {
    /// Takes down a value.
    pub fn put(&mut self, name: &'static str, value: u32) {
        self.0.insert(name, value);
    }

    /// What was taken down.
    pub fn get(&self, name: &str) -> anyhow::Result<u32> {
        self.0
            .get(name)
            .copied()
            .with_context(|| format!("{name} is not measured"))
    }

    /// How many fields are among them.
    pub fn fields(&self) -> usize {
        let known = FIELDS.iter().map(|field| field.global);
        known.filter(|name| self.0.contains_key(name)).count()
    }

    /// The values of all globals; an error where one is missing that may not be.
    pub fn globals(mut self) -> anyhow::Result<BTreeMap<&'static str, u32>> {
        for field in FIELDS {
            if !field.optional && !self.0.contains_key(field.global) {
                bail!("{}: nothing measures it", field.global);
            }
            self.0.entry(field.global).or_insert(UNKNOWN);
        }
        // No hierarchy of the first version.
        self.0.entry("CGROUP_SUBSYSTEM").or_insert(u32::MAX);
        // Bits of fields that nothing measures.
        for bit in ["JOINS", "JOINED"] {
            self.0.entry(bit).or_insert(0);
        }
        // Numbers of enumerations, which nothing measures.
        for number in ["DROP_BY_FILTER", "DATA_IN_ONE", "DATA_IN_SEVERAL"] {
            self.0.entry(number).or_insert(UNKNOWN);
        }
        self.0.entry("DATA_KIND_BITS").or_insert(0xff);
        Ok(self.0)
    }
}

/// Measures the running kernel. `program` is the tracer's own program, which is started once more or twice.
///
/// What is looked at goes on changing, so a measurement may leave a doubt by chance. Then it is made anew, as a whole.
pub fn measure(program: &Path) -> anyhow::Result<Offsets> {
    let mut result = measure_once(program);
    for _ in 1..ATTEMPTS {
        if result.is_err() {
            result = measure_once(program);
        }
    }
    result
}

fn measure_once(program: &Path) -> anyhow::Result<Offsets> {
    let mut offsets = Offsets::default();
    // First member of `struct msghdr` since ever.
    offsets.put("MESSAGE_NAME", 0);
    let mut peek = Peek::load(crate::kernel::load::page_size())?;
    peek.watch()?;
    measure_sockets(&mut peek, &mut offsets)?;
    measure_tasks(&mut peek, program, &mut offsets)?;
    Ok(offsets)
}

fn measure_sockets(peek: &mut Peek, offsets: &mut Offsets) -> anyhow::Result<()> {
    let mut objects = Objects::make(peek)?;
    packet::measure(&objects, offsets)?;
    sock::measure(peek, &objects, offsets)?;
    socket::measure(peek, &objects, offsets)?;
    namespace::measure(peek, &objects, offsets)?;
    raw::measure(peek, &objects, offsets)?;
    listener::measure(&objects, offsets);
    life::measure(peek, &mut objects, offsets)?;
    tcp::measure(peek, offsets)
}

fn measure_tasks(peek: &mut Peek, program: &Path, offsets: &mut Offsets) -> anyhow::Result<()> {
    let mut processes = Vec::new();
    for _ in 0..2 {
        let stand_by = StandBy::start(program)?;
        let task = peek.watched()?.task;
        processes.push(Process { stand_by, task });
    }
    task::measure(peek, &mut processes, offsets)?;
    memory::measure(peek, &mut processes, offsets)?;
    group::measure(peek, processes, offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_without_a_measurement_is_an_error_that_names_it() {
        let error = Offsets::default().globals().expect_err("nothing is known");
        assert!(error.to_string().contains(FIELDS[0].global), "{error}");
    }

    #[test]
    fn what_may_stay_unknown_is_a_field_and_says_so_to_the_kernel_side() {
        let mut offsets = Offsets::default();
        for field in FIELDS {
            if !field.optional {
                offsets.put(field.global, 8);
            }
        }
        let globals = offsets.globals().expect("all that is needed");
        for field in FIELDS {
            let expected = if field.optional { UNKNOWN } else { 8 };
            assert_eq!(globals[field.global], expected, "{}", field.global);
        }
    }
}
