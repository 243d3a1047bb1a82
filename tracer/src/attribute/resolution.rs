//! How does a program come by the address of a name: by questions that are seen, or out of sight?
//!
//! A file of names (`hosts`) answers without a question. A name service may ask somebody else over a socket that nobody looks at (nscd,
//! systemd-resolved over its own) or that is not always seen (`dnsproxyd` of Android). Whoever asks by himself, as programs without the C library do, is seen.

use std::{collections::HashSet, fs, io, os::unix::fs::MetadataExt as _, path::Path};

use super::{bounded, proc::command_of};

/// Lists that block advertisements have more, and then nothing is known. Read once a second at most for a program.
const HOSTS_LIMIT: u64 = 1 << 20;
const SWITCH_LIMIT: u64 = 64 << 10;

/// Sockets below a root over which names are asked for.
const SOCKETS: [&str; 3] = [
    "run/nscd/socket",
    "var/run/nscd/socket",
    "dev/socket/dnsproxyd",
];

/// Name services of glibc whose questions are seen, or that know names of no other machine (`nss-myhostname`), or of the link alone.
const SEEN: [&str; 6] = [
    "files",
    "dns",
    "myhostname",
    "mdns_minimal",
    "mdns4_minimal",
    "mdns6_minimal",
];

/// What a program may know without a question that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The words of its `hosts` that are no comments, names and addresses, in lower case. `None` where names are asked for out of sight, or
    /// that is not known.
    hosts: Option<HashSet<Box<str>>>,
    /// Of a process that is gone.
    pub is_gone: bool,
}

impl Resolution {
    /// That of a process that started so many nanoseconds after boot. One that is gone is not known.
    pub fn of(process: u32, started_ns: u64) -> Self {
        let root = Path::new("/proc").join(process.to_string()).join("root");
        let found = Self::below(&root).unwrap_or_default();
        // Looked at last: whose the files are.
        match command_of(Path::new("/"), process, started_ns) {
            Ok(_) => found,
            Err(_) => Self {
                hosts: None,
                is_gone: true,
            },
        }
    }

    /// That of whoever has the tracer's own root.
    pub fn own() -> Self {
        Self::below(Path::new("/")).unwrap_or_default()
    }

    /// An error means that it is not known.
    pub fn below(root: &Path) -> io::Result<Self> {
        let place = |path: &Path| fs::metadata(path).map(|root| (root.dev(), root.ino()));
        // A link to a place from the root on leads to the tracer's own.
        let may_follow = place(root)? == place(Path::new("/"))?;
        let read = |path: &str, limit| {
            let path = root.join(path);
            let bytes = if may_follow {
                bounded::whole(&path, limit).map(|(bytes, _)| bytes)
            } else {
                bounded::whole_not_linked(&path, limit)
            };
            match bytes {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                bytes => bytes,
            }
        };
        let is_asked = |socket: &&str| fs::symlink_metadata(root.join(socket)).is_ok();
        if SOCKETS.iter().any(is_asked) || !is_seen(&read("etc/nsswitch.conf", SWITCH_LIMIT)?) {
            return Ok(Self::default());
        }
        Ok(Self {
            hosts: Some(words(&read("etc/hosts", HOSTS_LIMIT)?)),
            is_gone: false,
        })
    }

    /// Whether the program needs a question that is seen to come by a name and an address.
    pub fn needs_question(&self, name: &str, address: &str) -> bool {
        let hosts = self.hosts.as_ref();
        hosts.is_some_and(|hosts| !hosts.contains(name) && !hosts.contains(address))
    }
}

/// Whether all services for names of hosts that `nsswitch.conf` has are [`SEEN`]. Where it has none, glibc asks by DNS.
pub fn is_seen(file: &[u8]) -> bool {
    let text = String::from_utf8_lossy(file);
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let mut services = lines.filter_map(|line| line.trim_start().strip_prefix("hosts:"));
    services.all(|services| {
        // What is to be done about an answer stands in brackets.
        let parts = services.split('[').enumerate();
        let outside = parts.map(|(at, part)| match part.split_once(']') {
            _ if at == 0 => part,
            Some((_, behind)) => behind,
            None => "",
        });
        outside
            .flat_map(str::split_ascii_whitespace)
            .all(|service| SEEN.contains(&service))
    })
}

/// The words of `hosts`, in lower case.
pub fn words(file: &[u8]) -> HashSet<Box<str>> {
    let text = String::from_utf8_lossy(file);
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    lines
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches('.').to_ascii_lowercase().into())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;
    use crate::attribute::tree::Tree;

    fn check_seen(line: &str, expected: bool) {
        assert_eq!(is_seen(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn names_are_seen_to_be_asked_for_unless_a_service_asks_out_of_sight() {
        check_seen("", true);
        check_seen("passwd: sss\n", true);
        check_seen("hosts: files dns\n", true);
        check_seen(
            "hosts:files mdns4_minimal [NOTFOUND=return] dns # resolve",
            true,
        );
        check_seen("hosts: files [ !UNAVAIL=return ] dns", true);
        check_seen("# hosts: resolve", true);
        check_seen("hosts: files resolve [!UNAVAIL=return] dns", false);
        check_seen("hosts: files dns [NOTFOUND=return] ldap", false);
        check_seen("hosts: files mdns4", false);
        check_seen("hosts: files dns\nhosts: sss", false);
        // Cut: what a service would be is not known to be one.
        check_seen("hosts: files d", false);
    }

    fn check(write: impl Fn(&Tree), name: &str, address: &str, expected: bool) {
        let tree = Tree::new();
        tree.write(
            "etc/hosts",
            "127.0.0.1 localhost\n192.0.2.7 Here.Example. alias # not.example\n",
        );
        write(&tree);
        let found = Resolution::below(tree.root()).unwrap_or_default();
        assert_eq!(
            found.needs_question(name, address),
            expected,
            "{name} {address}"
        );
    }

    #[test]
    fn what_a_program_knows_needs_no_question() {
        let other = "198.51.100.1";
        check(|_| {}, "a.example", other, true);
        check(|_| {}, "not.example", other, true);
        check(|_| {}, "here.example", other, false);
        check(|_| {}, "alias", other, false);
        check(|_| {}, "a.example", "192.0.2.7", false);
    }

    #[test]
    fn where_names_are_asked_for_out_of_sight_nothing_is_known() {
        let check = |write: &dyn Fn(&Tree)| check(write, "a.example", "198.51.100.1", false);
        for socket in SOCKETS {
            check(&|tree| _ = tree.write(socket, ""));
        }
        check(&|tree| _ = tree.write("etc/nsswitch.conf", "hosts: resolve"));
        check(&|tree| _ = tree.write("etc/hosts", "1 ".repeat(1 << 20)));
        // It would lead to a file of the tracer's own root.
        check(&|tree| {
            let link = tree.root().join("etc/nsswitch.conf");
            symlink("/etc/hosts", link).expect("the temporary directory is writable");
        });
        let gone = Resolution::of(u32::MAX, 0);
        assert!(!gone.needs_question("a.example", "198.51.100.1"));
    }

    #[test]
    fn a_process_is_the_one_that_was_meant() {
        let process = std::process::id();
        assert!(Resolution::of(process, 0).is_gone);
        let stat = fs::read_to_string("/proc/self/stat").expect("what it is");
        let behind = stat.rsplit_once(')').expect("a name").1;
        let ticks = behind.split_ascii_whitespace().nth(19).expect("a moment");
        let started_ns = ticks.parse::<u64>().expect("a number") * 10_000_000;
        let own = Resolution::of(process, started_ns);
        assert!(!own.is_gone);
        assert_eq!(own, Resolution::own());
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(file in prop::collection::vec(any::<u8>(), 0..200)) {
            is_seen(&file);
            prop_assert!(words(&file).len() <= file.len());
            let line = [b"hosts: resolve [", &file[..]].concat();
            prop_assert!(!is_seen(&line));
        }
    }
}
