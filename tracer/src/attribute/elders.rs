//! Which apps ran already when the tracer started? What they had asked for by then, nobody saw.

use std::{
    collections::HashSet,
    fs,
    hash::{BuildHasher as _, RandomState},
    io,
    path::Path,
};

use tracer_common::map::EXECUTABLE_BYTES;

use super::bounded;
use crate::model::{Kind, Program};

/// Processes that are looked at: some 20 µs each. Where there are more, every app may be one of them.
const MOST: usize = 65_536;
/// A path of at most 4 kB for each of a dozen hierarchies.
const LIMIT: u64 = 64 << 10;

/// Hashes of what names them: file names of their executables, and paths of their cgroups.
#[derive(Default)]
pub struct Elders {
    executables: HashSet<u64>,
    cgroups: HashSet<u64>,
    hasher: RandomState,
    is_whole: bool,
}

impl Elders {
    /// All that run now, from `/proc` below `root`.
    pub fn now(root: &Path) -> Self {
        let mut elders = Self::default();
        elders.is_whole = elders.look(&root.join("proc")).is_ok();
        elders
    }

    fn look(&mut self, directory: &Path) -> io::Result<()> {
        let mut count = 0;
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
                continue;
            }
            count += 1;
            if count > MOST {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            let process = directory.join(name);
            // One that is gone meanwhile is none that has children; a thread of the kernel has no executable.
            if let Ok(link) = fs::read_link(process.join("exe"))
                && let Some(name) = link.file_name()
            {
                let name = name.to_string_lossy();
                let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
                self.executables.insert(self.hasher.hash_one(name));
            }
            let cgroups = bounded::head(&process.join("cgroup"), LIMIT).unwrap_or_default();
            let cgroups = String::from_utf8_lossy(&cgroups);
            let paths = cgroups
                .lines()
                .filter_map(|line| line.splitn(3, ':').nth(2));
            for unit in paths.flat_map(units) {
                self.cgroups.insert(self.hasher.hash_one(unit));
            }
        }
        Ok(())
    }

    /// Whether a program may be of an app that ran already. What names an app tells which of its programs are one app: the cgroup does of
    /// a container or a service, the executable of others; a desktop app begins in a new cgroup each time.
    pub fn may_have(&self, program: &Program, kind: Kind) -> bool {
        if !self.is_whole {
            return true;
        }
        let is_in = |texts: &HashSet<u64>, text: &str| texts.contains(&self.hasher.hash_one(text));
        // Without a name, or with a part of it, there is nothing to tell it by.
        let by_executable = program
            .executable
            .as_deref()
            .is_none_or(|name| name.len() >= WHOLE || is_in(&self.executables, name));
        let is_there =
            |path: &str| path.ends_with(CUT) || units(path).any(|unit| is_in(&self.cgroups, unit));
        let by_cgroup = program.cgroup.as_deref().is_none_or(is_there)
            || program.unified.as_deref().is_some_and(is_there);
        match kind {
            Kind::Executable => by_executable,
            Kind::Container | Kind::Service => by_cgroup,
            Kind::Desktop => by_executable || by_cgroup,
            // All apps begin as copies of one process that ran already.
            Kind::Android => true,
        }
    }
}

/// What ends the path of a cgroup that did not fit ([`Program::cgroup`]).
const CUT: &str = "/…";
/// Bytes from which on an executable's name may have been longer than there is room for.
const WHOLE: usize = EXECUTABLE_BYTES - 1;

/// The cgroup itself, and those above it that may be a whole container or service, which has others below.
fn units(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    let above = ends.filter_map(move |end| path.get(..end));
    std::iter::once(path).chain(above.filter(|path| is_unit(path)))
}

fn is_unit(path: &str) -> bool {
    let mut names = path.rsplit('/');
    let (name, above) = (names.next().unwrap_or_default(), names.next());
    let is_id = name.len() >= 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    // All that a user runs is below one of systemd's services, of which each part is an app.
    let kind = name.rsplit('.').next();
    kind == Some("service") && !name.starts_with("user@")
        || kind == Some("scope")
        || name.starts_with("lxc.payload")
        || above == Some("lxc")
        || is_id
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::attribute::tree::Tree;

    fn program(executable: &str, cgroup: &str) -> Program {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Program {
            executable: text(executable),
            cgroup: text(cgroup),
            ..Program::default()
        }
    }

    #[test]
    fn an_app_ran_already_where_what_names_it_did() {
        let tree = Tree::new();
        tree.write(
            "proc/7/cgroup",
            "4:pids:/docker/a\n0::/system.slice/b.service\n",
        );
        symlink("/usr/bin/old (deleted)", tree.root().join("proc/7/exe")).expect("a link");
        tree.write("proc/self/cgroup", "0::/not/a/process\n");
        let elders = Elders::now(tree.root());
        let long = "x".repeat(63);
        let check = |executable, cgroup, kind, expected| {
            let found = elders.may_have(&program(executable, cgroup), kind);
            assert_eq!(found, expected, "{executable} {cgroup} {kind:?}");
        };
        check("old", "/new", Kind::Executable, true);
        check("new", "/docker/a", Kind::Executable, false);
        check("", "/new", Kind::Executable, true);
        check("old", "/docker/new", Kind::Container, false);
        check("new", "/docker/a", Kind::Container, true);
        check("new", "/system.slice/b.service", Kind::Service, true);
        check("new", "", Kind::Service, true);
        check("old", "/app.slice/new.scope", Kind::Desktop, true);
        check("new", "/app.slice/new.scope", Kind::Desktop, false);
        check("new", "/not/a/process", Kind::Service, false);
        check("new", "/new", Kind::Android, true);
        check("new", "/docker/…", Kind::Container, true);
        check(&long[1..], "/new", Kind::Executable, false);
        check(&long, "/new", Kind::Executable, true);
    }

    #[test]
    fn a_container_or_service_is_one_however_many_cgroups_it_has() {
        let id = "0123456789abcdef".repeat(4);
        let old = format!("/docker/{id}/init.scope");
        let check = |old: &str, new: &str, expected| {
            let tree = Tree::new();
            tree.write("proc/7/cgroup", format!("0::{old}\n"));
            let elders = Elders::now(tree.root());
            let found = elders.may_have(&program("new", new), Kind::Container);
            assert_eq!(found, expected, "{old} {new}");
        };
        check(
            &old,
            &format!("/docker/{id}/system.slice/new.service"),
            true,
        );
        check(&old, "/docker/other/init.scope", false);
        check("/a.slice/b.service/one", "/a.slice/b.service/two", true);
        check("/a.slice/b.service", "/a.slice/c.service", false);
        check("/lxc/one/a", "/lxc/one/b", true);
        check("/lxc.payload.one/a", "/lxc.payload.one/b", true);
        let user = "/user.slice/user@1000.service/app.slice";
        check(
            &format!("{user}/a.service"),
            &format!("{user}/b.service"),
            false,
        );
        check(
            &format!("{user}/a.scope/c"),
            &format!("{user}/a.scope/d"),
            true,
        );
    }

    #[test]
    fn where_nobody_could_be_looked_at_all_may_have_run_already() {
        let elders = Elders::now(Path::new("/nowhere/at/all"));
        assert!(elders.may_have(&program("new", "/new"), Kind::Executable));
    }
}
