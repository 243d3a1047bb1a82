//! Which C libraries does a program have in its memory?

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use crate::kernel::namespaces::{number, numbered};

/// Bytes of a list that are read: a line is some 100, and a program with 40,000 mappings is no longer looked at behind that.
const LIST: u64 = 4 << 20;
/// Libraries of one program that are told of. One has more than one only where it loads another itself.
const LIBRARIES: usize = 4;

/// A library as a program has it mapped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapped {
    /// Device and inode number of its file.
    pub inode: (String, u64),
    /// The addresses, as the kernel names them.
    pub range: String,
    /// Its path, as the program's mounts have it.
    pub path: String,
}

/// Those of a running process; `None` where it is gone, or the kernel shows nobody what it has mapped, as of some that protect
/// themselves: a limit, and nothing that was lost.
pub fn of_process(process: u32) -> Option<Vec<Mapped>> {
    let file = File::open(Path::new("/proc").join(process.to_string()).join("maps")).ok()?;
    let mut lines = BufReader::with_capacity(1 << 16, file.take(LIST));
    let (mut libraries, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).ok()? == 0 || libraries.len() >= LIBRARIES {
            return Some(libraries);
        }
        libraries.extend(str::from_utf8(&line).ok().and_then(mapped));
    }
}

/// The library in a line of `/proc/PID/maps`, if code of one is mapped there.
pub fn mapped(line: &str) -> Option<Mapped> {
    // Addresses, rights, offset, device, inode, path; the path may have spaces.
    let mut fields = line.trim_end_matches('\n').splitn(6, ' ');
    let [range, rights, _, device, inode] = [(); 5].map(|()| fields.next());
    let (range, rights, device) = (range?, rights?, device?);
    let inode = inode?.parse().ok().filter(|inode| *inode != 0)?;
    let path = fields.next()?.trim_start_matches(' ');
    let name = path.strip_suffix(" (deleted)").unwrap_or(path);
    let name = name.rsplit('/').next()?;
    let is_range = range.split_once('-').is_some_and(|(start, end)| {
        [start, end]
            .iter()
            .all(|text| u64::from_str_radix(text, 16).is_ok())
    });
    (is_range && rights.as_bytes().get(2) == Some(&b'x') && may_be_library(name)).then(|| Mapped {
        inode: (device.to_owned(), inode),
        range: range.to_owned(),
        path: path.to_owned(),
    })
}

/// Whether a C library may have that name: `libc.so.6`, `libc-2.31.so`, `libc.so`, and of musl, which is its own loader,
/// `ld-musl-x86_64.so.1` and `libc.musl-x86_64.so.1`. What it is, its symbols say.
fn may_be_library(name: &str) -> bool {
    let begins = ["libc.so", "libc-2.", "ld-musl-", "libc.musl-"];
    begins.iter().any(|begin| name.starts_with(begin))
}

/// Numbers of all processes, the oldest first as far as numbers tell.
pub fn processes() -> impl Iterator<Item = u32> {
    let processes = numbered(Path::new("/proc")).into_iter();
    processes.filter_map(|process| number(&process))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, expected: Option<(&str, u64, &str, &str)>) {
        let found = mapped(line);
        let expected = expected.map(|(device, inode, range, path)| Mapped {
            inode: (device.to_owned(), inode),
            range: range.to_owned(),
            path: path.to_owned(),
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn a_library_is_where_its_code_is_mapped() {
        check(
            "7f0a1c226000-7f0a1c37b000 r-xp 00026000 fe:00 1035  /usr/lib/x86_64-linux-gnu/libc.so.6\n",
            Some((
                "fe:00",
                1035,
                "7f0a1c226000-7f0a1c37b000",
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
            )),
        );
        check(
            "7f0a1c226000-7f0a1c37b000 r-xp 00026000 00:2b 7 /a b/libc-2.31.so (deleted)",
            Some((
                "00:2b",
                7,
                "7f0a1c226000-7f0a1c37b000",
                "/a b/libc-2.31.so (deleted)",
            )),
        );
        check(
            "7f00-7f10 r-xp 00000000 fd:05 9     /lib/ld-musl-x86_64.so.1",
            Some(("fd:05", 9, "7f00-7f10", "/lib/ld-musl-x86_64.so.1")),
        );
        check(
            "7f00-7f10 r-xp 00000000 fd:05 9 /apex/com.android.runtime/lib64/bionic/libc.so",
            Some((
                "fd:05",
                9,
                "7f00-7f10",
                "/apex/com.android.runtime/lib64/bionic/libc.so",
            )),
        );
    }

    #[test]
    fn what_is_no_code_of_a_file_with_such_a_name_is_none() {
        for line in [
            "",
            "7f00-7f10 r--p 00000000 fd:05 9 /lib/libc.so.6",
            "7f00-7f10 r-xp 00000000 00:00 0 /lib/libc.so.6",
            "7f00-7f10 r-xp 00000000 fd:05 9 /lib/libcurl.so.4",
            "7f00-7f10 r-xp 00000000 fd:05 9 /lib/libc++.so.1",
            "7f00-7f10 r-xp 00000000 fd:05 9 /libc.so.6/other",
            "../../x r-xp 00000000 fd:05 9 /lib/libc.so.6",
            "7f00-7f10 r-xp 00000000 00:00 0 [vdso]",
            "7f00-7f10 r-xp 00000000 fd:05 9",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn this_process_is_among_those_that_run() {
        assert!(processes().any(|process| process == std::process::id()));
        assert!(of_process(std::process::id()).is_some());
        // No process has that number (`PID_MAX_LIMIT`).
        assert_eq!(of_process(1 << 23), None);
    }

    proptest! {
        #[test]
        fn a_range_is_one_of_two_numbers_and_nothing_else(line in "\\PC{0,200}", range in "[0-9a-f-]{0,20}") {
            for line in [line.clone(), format!("{range} r-xp 00000000 fd:05 9 /lib/libc.so.6")] {
                if let Some(mapped) = mapped(&line) {
                    prop_assert!(mapped.range.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-' || byte == b'+'));
                    prop_assert!(!mapped.range.contains('/'));
                }
            }
        }
    }
}
