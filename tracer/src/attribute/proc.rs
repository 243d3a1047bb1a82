//! What program is a process that ran before the tracer?

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use super::bounded;
use crate::model::Program;

/// `status` has about 2 kB and `cgroup` a path of at most 4 kB for each of a dozen hierarchies.
const LIMIT: u64 = 64 << 10;

/// Only the first argument counts.
const COMMAND_LIMIT: u64 = 4 << 10;

/// `USER_HZ` is 100 on every architecture that Linux has.
const TICK_NS: u64 = 10_000_000;

/// The program of a process, from `/proc` below `root`. An error means that the process is gone.
pub fn program_of(root: &Path, pid: u32) -> io::Result<Program> {
    let directory = root.join("proc").join(pid.to_string());
    let status =
        String::from_utf8_lossy(&bounded::head(&directory.join("status"), LIMIT)?).into_owned();
    let uid = real_uid(&status)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "status has no uid"))?;
    let exe = directory.join("exe");
    let link = fs::read_link(&exe);
    let command = bounded::head(&directory.join("cmdline"), COMMAND_LIMIT).unwrap_or_default();
    let cgroup = bounded::head(&directory.join("cgroup"), LIMIT).unwrap_or_default();
    let (cgroup, unified) = cgroup_paths(&String::from_utf8_lossy(&cgroup), is_dead(&status));
    // A dead process whose threads live on has no executable and no command either.
    let bare = matches!(&link, Err(error) if error.kind() == io::ErrorKind::NotFound)
        && command.is_empty();
    Ok(Program {
        process: Some(pid),
        started_ns: None,
        uid,
        executable: link.ok().and_then(|link| {
            let is_marked = is_removed(&link, &exe, &directory.join("root"));
            executable(&link, is_marked)
        }),
        command: first_argument(&command),
        cgroup,
        unified,
        kernel_thread: bare && !is_dead(&status),
    })
}

/// The first argument of a process that started so many nanoseconds after boot. An error means that it is gone.
pub fn command_of(root: &Path, pid: u32, started_ns: u64) -> io::Result<Option<String>> {
    let directory = root.join("proc").join(pid.to_string());
    let command = bounded::head(&directory.join("cmdline"), COMMAND_LIMIT)?;
    let stat =
        String::from_utf8_lossy(&bounded::head(&directory.join("stat"), LIMIT)?).into_owned();
    // Looked at last: whose the command is.
    if started(&stat) == Some(started_ns / TICK_NS) {
        Ok(first_argument(&command))
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// When a process started, in ticks since boot: the 22nd field. The second may hold anything, but ends with the last `)`.
fn started(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// What the kernel adds to the name of what was removed. Anybody may name a file or a cgroup like that.
const REMOVED: &str = " (deleted)";

/// Whether the kernel has marked the link of an executable, since its file was removed while it runs, as every upgrade does: the
/// file has no name any more, or not this one below the process's root.
fn is_removed(link: &Path, exe: &Path, root: &Path) -> bool {
    let Ok(file) = fs::metadata(exe) else {
        return true;
    };
    let below = link.strip_prefix("/").unwrap_or(link);
    let is_the_file = |named: Metadata| (named.dev(), named.ino()) == (file.dev(), file.ino());
    file.nlink() == 0 || !fs::symlink_metadata(root.join(below)).is_ok_and(is_the_file)
}

fn executable(link: &Path, is_marked: bool) -> Option<String> {
    let name = link.file_name()?.to_string_lossy();
    let name = match name.strip_suffix(REMOVED) {
        Some(before) if is_marked => before,
        _ => &name,
    };
    Some(name.to_owned())
}

fn first_argument(command: &[u8]) -> Option<String> {
    let first = command
        .split(|byte| *byte == 0)
        .next()
        .filter(|first| !first.is_empty())?;
    Some(String::from_utf8_lossy(first).into_owned())
}

/// `Uid:` has the real, effective, saved and file system uid.
fn real_uid(status: &str) -> Option<u32> {
    field(status, "Uid:")?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()
}

fn is_dead(status: &str) -> bool {
    field(status, "State:").is_some_and(|state| state.trim_start().starts_with(['Z', 'X']))
}

/// `Name:` comes first and is the process's to choose, but the kernel escapes newlines in it.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))
}

/// The path in the hierarchy that names on this machine, and that in the unified one where it is another: that of the
/// controllers which systemd and the container runtimes always set, else systemd's own, else the unified one.
fn cgroup_paths(file: &str, is_dead: bool) -> (Option<String>, Option<String>) {
    let lines: Vec<(&str, &str)> = file
        .lines()
        .filter_map(|line| hierarchy(line, is_dead))
        .collect();
    let with = |wanted: fn(&str) -> bool| {
        let mut found = lines.iter().filter(|(_, path)| *path != "/");
        found
            .find(|(controllers, _)| controllers.split(',').any(wanted))
            .map(|(_, path)| (*path).to_owned())
    };
    let unified = lines
        .iter()
        .find(|(controllers, _)| controllers.is_empty())
        .map(|(_, path)| (*path).to_owned());
    let first = with(|controller| matches!(controller, "pids" | "memory"))
        .or_else(|| with(|controller| controller == "name=systemd"));
    match first {
        None => (unified, None),
        first => (first, unified),
    }
}

/// `NUMBER:CONTROLLERS:PATH`, where a path may hold `:`. The path of a group that was removed is marked; no group is that a process
/// lives in.
fn hierarchy(line: &str, is_dead: bool) -> Option<(&str, &str)> {
    let mut parts = line.splitn(3, ':');
    let (_number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let path = match path.strip_suffix(REMOVED) {
        Some(before) if is_dead => before,
        _ => path,
    };
    Some((controllers, path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;
    use crate::attribute::tree::Tree;

    #[test]
    fn a_command_is_that_of_the_process_that_was_meant() {
        let tree = Tree::new();
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 1";
        tree.write("proc/7/stat", stat);
        tree.write("proc/7/cmdline", b"com.foo\0\0\0".as_slice());
        let check = |started_ns, expected: Option<&str>| {
            let found = command_of(tree.root(), 7, started_ns).ok().flatten();
            assert_eq!(found.as_deref(), expected, "{started_ns}");
        };
        check(47_110_000_000, Some("com.foo"));
        check(47_119_999_999, Some("com.foo"));
        check(47_120_000_000, None);
        assert!(command_of(tree.root(), 8, 0).is_err());
        // Cut anywhere it says nothing, or the truth as far as its digits go.
        for end in 0..stat.len() {
            let found = started(&stat[..end]);
            assert!(matches!(found, None | Some(4 | 47 | 471 | 4711)), "{end}");
        }
    }

    /// A process 7 with these files; no link where `exe` is empty.
    fn process(exe: &str, status: &str, cmdline: &[u8], cgroup: &[u8]) -> io::Result<Program> {
        let tree = Tree::new();
        tree.write("proc/7/status", status);
        tree.write("proc/7/cmdline", cmdline);
        tree.write("proc/7/cgroup", cgroup);
        if !exe.is_empty() {
            symlink(exe, tree.root().join("proc/7/exe"))
                .expect("the temporary directory is writable");
        }
        program_of(tree.root(), 7)
    }

    const STATUS: &str = "Name:\tx\nState:\tS (sleeping)\nUid:\t1000\t0\t0\t0\n";

    fn check(
        exe: &str,
        cmdline: &[u8],
        executable: Option<&str>,
        command: Option<&str>,
        kernel_thread: bool,
    ) {
        let expected = Program {
            process: Some(7),
            uid: 1000,
            executable: executable.map(str::to_owned),
            command: command.map(str::to_owned),
            cgroup: Some("/x".to_owned()),
            kernel_thread,
            ..Program::default()
        };
        assert_eq!(
            process(exe, STATUS, cmdline, b"0::/x\n").expect("the process has a uid"),
            expected
        );
    }

    #[test]
    fn a_process_is_its_executable_and_its_first_argument() {
        check(
            "/usr/bin/curl",
            b"curl\0-v\0",
            Some("curl"),
            Some("curl"),
            false,
        );
        check(
            "/usr/bin/curl (deleted)",
            b"curl",
            Some("curl"),
            Some("curl"),
            false,
        );
        check("/memfd:x (deleted)", b"\0x\0", Some("memfd:x"), None, false);
        check("/", b"curl", None, Some("curl"), false);
        check("", b"com.foo:push\0\0\0", None, Some("com.foo:push"), false);
    }

    #[test]
    fn a_process_without_executable_and_command_is_a_thread_of_the_kernel_unless_it_is_dead() {
        check("", b"", None, None, true);
        let dead = process("", "State:\tZ (zombie)\nUid:\t0\t0\t0\t0\n", b"", b"0::/\n")
            .expect("the process has a uid");
        assert!(!dead.kernel_thread);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert_eq!(
            program_of(Tree::new().root(), 7)
                .expect_err("there is no process")
                .kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(
            process("/x", "Name:\tx\n", b"", b"")
                .expect_err("there is no uid")
                .kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn this_very_process_is_found() {
        let program = program_of(Path::new("/"), std::process::id()).expect("/proc is mounted");
        let path = std::env::current_exe().expect("/proc is mounted");
        assert_eq!(
            program.executable.as_deref(),
            path.file_name().and_then(|name| name.to_str())
        );
        assert!(!program.kernel_thread);
    }

    fn check_cgroup(file: &str, first: Option<&str>, unified: Option<&str>) {
        let found = cgroup_paths(file, false);
        assert_eq!(
            (found.0.as_deref(), found.1.as_deref()),
            (first, unified),
            "{file}"
        );
    }

    #[test]
    fn the_hierarchy_that_names_gives_the_path_and_the_unified_one_the_other() {
        check_cgroup(
            "0::/system.slice/a.service\n",
            Some("/system.slice/a.service"),
            None,
        );
        check_cgroup(
            "9:pids:/docker/1\n1:name=systemd:/s\n0::/u\n",
            Some("/docker/1"),
            Some("/u"),
        );
        check_cgroup(
            "1:name=systemd:/s\n5:cpu,memory:/docker/1\n0::/\n",
            Some("/docker/1"),
            Some("/"),
        );
        check_cgroup(
            "9:pids:/\n5:cpu,memory:/\n1:name=systemd:/s\n0::/\n",
            Some("/s"),
            Some("/"),
        );
        check_cgroup("9:pids:/docker/1\n", Some("/docker/1"), None);
        check_cgroup("9:cpuset:/other\n0::/\n", Some("/"), None);
        check_cgroup("9:cpuset:/other\n", None, None);
        check_cgroup("0::/a:b\n", Some("/a:b"), None);
        // A process is in it, so that is its name.
        check_cgroup("0::/a (deleted)\n", Some("/a (deleted)"), None);
        check_cgroup("", None, None);
        check_cgroup("0:\n7\n", None, None);
    }

    #[test]
    fn the_group_of_a_dead_process_may_be_gone() {
        let found = cgroup_paths("0::/a (deleted)\n", true);
        assert_eq!(found, (Some("/a".to_owned()), None));
    }

    /// What a link to a file of that name says, and whether the file is removed meanwhile.
    fn check_removed(name: &str, is_removed_now: bool, other: Option<&str>, expected: &str) {
        let tree = Tree::new();
        tree.write(&format!("bin/{name}"), "");
        let (file, exe) = (tree.root().join("bin").join(name), tree.root().join("exe"));
        // Stands for the kernel's link, which leads to the file itself.
        fs::hard_link(&file, &exe).expect("a second name");
        let mut link = format!("/bin/{name}");
        if is_removed_now {
            fs::remove_file(&file).expect("remove it");
            link += REMOVED;
        }
        if let Some(other) = other {
            tree.write(&format!("bin/{other}"), "");
        }
        let link = Path::new(&link);
        let is_marked = is_removed(link, &exe, tree.root());
        assert_eq!(executable(link, is_marked).as_deref(), Some(expected));
    }

    #[test]
    fn a_file_may_really_be_called_removed() {
        check_removed("x", false, None, "x");
        check_removed("x", true, None, "x");
        check_removed("x (deleted)", false, None, "x (deleted)");
        check_removed("x (deleted)", true, None, "x (deleted)");
        // Somebody else's file has the name that the link says.
        check_removed("x", true, Some("x (deleted)"), "x");
        check_removed("x", true, Some("x"), "x");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "((Uid|State|0|1):[:,/\t0-9a-z\n]{0,9}){0,9}") {
            let _ = first_argument(&bytes);
            for file in [&*String::from_utf8_lossy(&bytes), &text] {
                let _ = (real_uid(file), is_dead(file), cgroup_paths(file, false), started(file));
            }
        }
    }
}
