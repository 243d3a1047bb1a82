//! Which network namespaces are there that sockets may be in?
//!
//! A process or one of its threads is in it, or a descriptor or a mount keeps it (`ip netns`). One that nothing but a socket keeps is
//! not found.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// A namespace that holds sockets: a file to enter it by.
pub struct Namespace {
    pub(super) file: File,
    /// Its inode number.
    pub inode: u32,
    /// Whether the tracer itself is in it.
    pub(super) own: bool,
}

/// How far is looked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Processes, threads and mounts.
    InUse,
    /// Descriptors too, of which there may be thousands.
    Everywhere,
}

/// All that are found.
pub fn namespaces(look: Where) -> Vec<Namespace> {
    let proc = Path::new("/proc");
    let own = inode(&proc.join("self/ns/net"));
    let mut found = BTreeMap::new();
    let mut note = |path: PathBuf| {
        // A process may be gone by now, and its namespace with it.
        if let Some(inode) = inode(&path) {
            found.entry(inode).or_insert(path);
        }
    };
    for process in numbered(proc) {
        note(process.join("ns/net"));
        let threads = numbered(&process.join("task"));
        // The first is the process itself.
        for thread in threads.into_iter().skip(1) {
            note(thread.join("ns/net"));
        }
        if look == Where::Everywhere {
            numbered(&process.join("fd"))
                .into_iter()
                .filter(|descriptor| is_namespace(descriptor))
                .for_each(&mut note);
        }
    }
    // Mount points of this mount namespace; others are found by the processes that are in theirs.
    let mounts = fs::read_to_string(proc.join("self/mountinfo")).unwrap_or_default();
    mounts.lines().filter_map(mounted).for_each(&mut note);
    let open = |(inode, path): (u64, PathBuf)| {
        let file = File::open(path).ok()?;
        // Another one may stand there by now.
        (file.metadata().ok()?.ino() == inode).then_some(Namespace {
            file,
            own: Some(inode) == own,
            inode: inode as u32,
        })
    };
    found.into_iter().filter_map(open).collect()
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|file| file.ino())
}

/// Whether a descriptor is of a network namespace.
fn is_namespace(descriptor: &Path) -> bool {
    fs::read_link(descriptor).is_ok_and(|target| {
        target
            .to_str()
            .is_some_and(|target| target.starts_with("net:["))
    })
}

/// The entries of a directory whose names are numbers, in their order.
pub(super) fn numbered(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, path)| path).collect()
}

/// The number that an entry's name is.
pub(super) fn number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Where a line of `mountinfo` has a network namespace mounted (proc_pid_mountinfo(5)): the fourth field is its name, the fifth the
/// mount point, in which some characters are octal numbers behind a backslash.
fn mounted(line: &str) -> Option<PathBuf> {
    let mut fields = line.split(' ').skip(3);
    let (name, point) = (fields.next()?, fields.next()?);
    if !name.starts_with("net:[") {
        return None;
    }
    let mut path = String::new();
    let mut rest = point;
    while let Some((before, behind)) = rest.split_once('\\') {
        path.push_str(before);
        let code = u8::from_str_radix(behind.get(..3)?, 8).ok()?;
        path.push(code.into());
        rest = &behind[3..];
    }
    path.push_str(rest);
    Some(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str, expected: Option<&str>) {
        assert_eq!(mounted(line), expected.map(PathBuf::from), "{line}");
    }

    #[test]
    fn a_mounted_namespace_is_where_the_line_says() {
        check(
            "631 30 0:4 net:[4026532300] /run/netns/a rw shared:3 - nsfs nsfs rw",
            Some("/run/netns/a"),
        );
        check(
            "631 30 0:4 net:[4026532300] /run/a\\040b\\134 rw - nsfs nsfs rw",
            Some("/run/a b\\"),
        );
        check("631 30 0:4 mnt:[4026532301] /run/m rw - nsfs nsfs rw", None);
        check("22 1 254:0 / / rw,relatime - ext4 /dev/vda rw", None);
        check("631 30 0:4 net:[4026532300] /run/a\\04", None);
        check("631 30 0:4 net:[4026532300]", None);
        check("", None);
    }

    #[test]
    fn that_of_the_running_process_is_its_own() {
        let all = namespaces(Where::Everywhere);
        assert_eq!(all.iter().filter(|found| found.own).count(), 1);
    }

    proptest! {
        #[test]
        fn any_line_is_taken(line in "([0-9]{1,3} ){3}net:\\[7\\] [/a\\\\0-9é]{0,12}( rw)?") {
            let _ = mounted(&line);
            for end in (0..line.len()).filter(|end| line.is_char_boundary(*end)) {
                let _ = mounted(&line[..end]);
            }
        }
    }
}
