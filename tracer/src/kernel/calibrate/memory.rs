//! How does one get from a task to the name of its executable, and to its first argument?

use std::{fs, os::unix::ffi::OsStrExt as _};

use anyhow::{Context as _, bail};

use super::{
    Offsets,
    peek::Peek,
    search::{Ways, all, is_address, number},
    task::{Process, TASK_BYTES, statistic},
};

/// Bytes that are looked at of a `struct mm_struct`; it has 1,000 to 1,500.
const MEMORY_BYTES: usize = 2048;
/// Of a `struct file`; the path stands in its first 200.
const FILE_BYTES: usize = 256;
/// Of a `struct dentry`; the name's address stands in its first 64.
const ENTRY_BYTES: usize = 192;
/// A short name has a place of at least so many bytes in it (`DNAME_INLINE_LEN`). Those that it does not fill hold what was there
/// before it: maybe a list's end, which points to the very beginning of the place.
const SHORT_NAME: usize = 32;
/// Field of `/proc/PID/stat`: where the arguments begin.
const ARGUMENTS: usize = 48;

pub fn measure(
    peek: &Peek,
    processes: &mut [Process],
    offsets: &mut Offsets,
) -> anyhow::Result<()> {
    let mut ways = Ways::default();
    for process in &mut *processes {
        for _ in 0..2 {
            // It gets new memory with each execution, its arguments at another place.
            process.stand_by.execute()?;
            let arguments = statistic(process.stand_by.process(), ARGUMENTS)?;
            ways.keep(&peek.bytes(process.task, TASK_BYTES)?, |address| {
                let bytes = peek.bytes(address, MEMORY_BYTES)?;
                Ok(all(&bytes, 8, &arguments.to_ne_bytes()))
            })?;
        }
    }
    let (memory, arguments) = own_memory(&ways.left())?;
    offsets.put("TASK_MEMORY", memory);
    offsets.put("MEMORY_ARGUMENTS", arguments);
    executable(peek, processes, memory, offsets)
}

/// A task points at its memory twice: at its own (`mm`), and right behind at that which it uses (`active_mm`), which may
/// be somebody else's in a thread of the kernel. In a program they are the same. Elsewhere a kernel may point at it once more (Linux 7
/// does).
fn own_memory(left: &[(u32, u32)]) -> anyhow::Result<(u32, u32)> {
    let leads = |way: &(u32, u32)| left.contains(&(way.0 + 8, way.1));
    let side_by_side: Vec<_> = left.iter().filter(|way| leads(way)).collect();
    match side_by_side[..] {
        [own] => Ok(*own),
        _ => bail!("TASK_MEMORY: two ways side by side should lead there, and these do: {left:?}"),
    }
}

/// How often the processes are looked at until one way is left.
const LOOKS: usize = 8;

/// Memory, file, directory entry, name.
///
/// Behind one's memory may lie another's, which leads to the same executable: they are all copies of one. With each execution
/// it gets another place, among others.
fn executable(
    peek: &Peek,
    processes: &mut [Process],
    memory: u32,
    offsets: &mut Offsets,
) -> anyhow::Result<()> {
    let mut ways = Ways::default();
    for look in 0..LOOKS {
        look_for_executable(peek, processes, memory, &mut ways)?;
        if ways.left().len() <= 1 || look + 1 == LOOKS {
            break;
        }
        for process in &mut *processes {
            process.stand_by.execute()?;
        }
    }
    let (executable, (entry, name)) = ways.only("MEMORY_EXECUTABLE, FILE_ENTRY, ENTRY_NAME")?;
    offsets.put("MEMORY_EXECUTABLE", executable);
    offsets.put("FILE_ENTRY", entry);
    offsets.put("ENTRY_NAME", name);
    Ok(())
}

fn look_for_executable(
    peek: &Peek,
    processes: &[Process],
    memory: u32,
    ways: &mut Ways<(u32, u32)>,
) -> anyhow::Result<()> {
    for process in processes {
        let name = name(process.stand_by.process())?;
        let memory = peek.pointer(process.task + u64::from(memory))?;
        ways.keep(&peek.bytes(memory, MEMORY_BYTES)?, |file| {
            let bytes = peek.bytes(file, FILE_BYTES)?;
            let mut behind = Ways::default();
            behind.keep(&bytes, |entry| names(peek, entry, &name))?;
            Ok(behind.left())
        })?;
    }
    Ok(())
}

/// Where in a directory entry the address of its name stands. A short name is in the entry itself.
fn names(peek: &Peek, entry: u64, name: &[u8]) -> anyhow::Result<Vec<u32>> {
    let bytes = peek.bytes(entry, ENTRY_BYTES)?;
    let mut found = Vec::new();
    for at in (0..bytes.len()).step_by(8) {
        let address = number::<8>(&bytes, at).unwrap_or(0);
        let is_name = is_short_name(entry, &bytes, at, name)
            // A long name lies elsewhere; nothing else of an entry is worth following.
            || (name.len() > SHORT_NAME
                && is_address(address & !7)
                && peek.bytes(address, name.len())?.starts_with(name));
        if is_name {
            found.push(at as u32);
        }
    }
    Ok(found)
}

/// Whether `at` leads to the name, and that is in the entry itself.
fn is_short_name(entry: u64, bytes: &[u8], at: usize, name: &[u8]) -> bool {
    let address = number::<8>(bytes, at).unwrap_or(0);
    let place = address.wrapping_sub(entry) as usize;
    let leads_there = bytes
        .get(place..)
        .is_some_and(|rest| rest.starts_with(name));
    leads_there && !(place..place + SHORT_NAME).contains(&at)
}

/// File name of a process's executable, with the NUL that ends it.
fn name(process: u32) -> anyhow::Result<Vec<u8>> {
    let path = format!("/proc/{process}/exe");
    let target = fs::read_link(&path).with_context(|| format!("read {path}"))?;
    let name = target.file_name().context("an executable has a name")?;
    let name = name.as_bytes();
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    Ok([name, &[0]].concat())
}

#[cfg(test)]
mod tests {
    use super::{is_short_name, own_memory};

    #[test]
    fn what_a_short_name_has_not_overwritten_is_no_way_to_it() {
        const ENTRY: u64 = 0xffff_8880_0000_1000;
        let mut bytes = [0_u8; 192];
        bytes[56..63].copy_from_slice(b"tracer\0");
        for at in [40, 64, 88] {
            bytes[at..at + 8].copy_from_slice(&(ENTRY + 56).to_ne_bytes());
        }
        let places: Vec<usize> = (0..192)
            .step_by(8)
            .filter(|at| is_short_name(ENTRY, &bytes, *at, b"tracer\0"))
            .collect();
        assert_eq!(places, [40, 88]);
        assert!(!is_short_name(ENTRY, &bytes, 40, b"other\0"));
    }

    #[test]
    fn only_two_ways_side_by_side_are_taken() {
        for left in [
            &[(80, 4), (88, 4)][..],
            &[(80, 4), (88, 4), (200, 4)],
            &[(16, 4), (80, 4), (88, 4)],
        ] {
            assert_eq!(own_memory(left).expect("a pair"), (80, 4), "{left:?}");
        }
        for left in [
            &[(80, 4)][..],
            &[(80, 4), (96, 4)],
            &[(80, 4), (88, 8)],
            &[(80, 4), (88, 4), (96, 4)],
            &[(16, 4), (24, 4), (80, 4), (88, 4)],
            &[],
        ] {
            assert!(own_memory(left).is_err(), "{left:?}");
        }
    }
}
