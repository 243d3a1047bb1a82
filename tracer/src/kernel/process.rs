//! What the kernel side wrote down of a program, as a [`Program`]. Total: any bytes give an answer.

use tracer_common::{
    ProcessFacts,
    map::{CGROUP_BYTES, FLAG_CGROUP_CUT, FLAG_CGROUP_UNKNOWN, FLAG_KERNEL_THREAD},
};

use crate::model::Program;

/// Decodes an entry of `FACTS`.
pub fn program(facts: &ProcessFacts) -> Program {
    let known = facts.key.process != 0;
    // Whoever makes cgroups that deep hides what they are below: a container, say. The program must not name itself instead.
    let is_hidden = facts.flags & FLAG_CGROUP_UNKNOWN != 0;
    let named = |bytes: &[u8]| text(bytes).filter(|_| !is_hidden);
    let (cgroup, unified) = paths(facts);
    Program {
        process: known.then_some(facts.key.process),
        started_ns: known.then_some(facts.key.started_ns),
        uid: facts.key.user,
        executable: named(&facts.executable),
        command: named(&facts.command),
        cgroup: (!is_hidden).then_some(cgroup),
        unified: unified.filter(|_| !is_hidden),
        kernel_thread: facts.flags & FLAG_KERNEL_THREAD != 0,
    }
}

/// Text up to the first NUL; `None` where it is empty.
fn text(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next()?;
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// The path in the hierarchy that names and, behind an empty component, that in the unified one.
fn paths(facts: &ProcessFacts) -> (String, Option<String>) {
    let used = (facts.cgroup_length as usize).min(CGROUP_BYTES);
    let bytes = &facts.cgroup[..used];
    let cut = facts.flags & FLAG_CGROUP_CUT != 0;
    let components: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    // The last component's NUL leaves an empty one behind it, which separates nothing.
    let components = &components[..components.len() - 1];
    match components.iter().position(|component| component.is_empty()) {
        None => (path(components, cut), None),
        Some(at) => (
            path(&components[..at], cut),
            Some(path(&components[at + 1..], cut)),
        ),
    }
}

/// The components are written leaf first.
fn path(components: &[&[u8]], cut: bool) -> String {
    let mut path = String::new();
    for component in components.iter().rev() {
        path.push('/');
        path.push_str(&String::from_utf8_lossy(component));
    }
    if components.is_empty() {
        path.push('/');
    }
    if cut {
        path.push_str("/…");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::{FromBytes as _, FromZeros as _};

    fn facts(cgroup: &[u8], flags: u32) -> ProcessFacts {
        let mut facts = ProcessFacts::new_zeroed();
        facts.flags = flags;
        facts.executable[..4].copy_from_slice(b"curl");
        facts.cgroup[..cgroup.len()].copy_from_slice(cgroup);
        facts.cgroup_length = cgroup.len() as u32;
        facts
    }

    fn check(cgroup: &[u8], flags: u32, expected: &str) {
        let program = program(&facts(cgroup, flags));
        assert_eq!(program.cgroup.as_deref(), Some(expected));
        assert_eq!(program.executable.as_deref(), Some("curl"));
        assert_eq!(program.command, None);
        assert_eq!(program.unified, None);
    }

    #[test]
    fn behind_an_empty_component_stands_the_path_of_the_unified_hierarchy() {
        let both = |cgroup: &[u8]| {
            let program = program(&facts(cgroup, 0));
            (
                program.cgroup.expect("a path"),
                program.unified.expect("a path"),
            )
        };
        assert_eq!(
            both(b"b\0a\0\0d\0c\0"),
            ("/a/b".to_owned(), "/c/d".to_owned())
        );
        assert_eq!(both(b"\0d\0c\0"), ("/".to_owned(), "/c/d".to_owned()));
        assert_eq!(both(b"a\0\0"), ("/a".to_owned(), "/".to_owned()));
    }

    #[test]
    fn a_path_is_read_from_the_leaf_up() {
        check(b"", 0, "/");
        check(b"a\0", 0, "/a");
        check(b"c\0b\0a\0", 0, "/a/b/c");
        check(b"b\0a\0", FLAG_CGROUP_CUT, "/a/b/…");
    }

    #[test]
    fn what_hides_its_path_has_no_name() {
        let program = program(&facts(b"a\0", FLAG_CGROUP_UNKNOWN));
        assert_eq!(program.cgroup, None);
        assert_eq!(program.executable, None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_program(bytes in proptest::collection::vec(any::<u8>(), size_of::<ProcessFacts>())) {
            let facts = ProcessFacts::read_from_bytes(&bytes).expect("as many bytes as it has");
            let _ = program(&facts);
        }
    }
}
