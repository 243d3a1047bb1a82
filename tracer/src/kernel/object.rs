//! The built kernel side, carried in the binary.

/// The object that `build.rs` built of `tracer-ebpf`.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-ebpf.o"));

#[cfg(test)]
mod tests {
    use super::OBJECT;
    use crate::kernel::{
        calibrate::peek::PROGRAMS,
        hooks::{Attach, Cgroup, HOOKS, Hook, Place},
    };
    use aya_obj::{Object, ProgramSection};
    use std::collections::BTreeSet;

    fn object() -> Object {
        Object::parse(OBJECT).expect("the object that build.rs made")
    }

    #[test]
    fn the_table_of_hooks_and_the_object_name_the_same_programs() {
        let object = object();
        let built: BTreeSet<&str> = object.programs.keys().map(String::as_str).collect();
        let listed: BTreeSet<&str> = HOOKS
            .iter()
            .map(|hook| hook.program)
            .chain(PROGRAMS.iter().map(|(program, _)| *program))
            .collect();
        assert_eq!(
            built, listed,
            "hint: add the hook to tracer/src/kernel/hooks.rs, or its program to tracer-ebpf"
        );
    }

    #[test]
    fn only_program_types_that_android_has_are_built() {
        for (name, program) in &object().programs {
            assert!(
                matches!(
                    program.section,
                    ProgramSection::TracePoint
                        | ProgramSection::RawTracePoint
                        | ProgramSection::KProbe
                        | ProgramSection::KRetProbe
                        | ProgramSection::UProbe { .. }
                        | ProgramSection::URetProbe { .. }
                        | ProgramSection::SocketFilter
                        | ProgramSection::CgroupSkb { .. }
                        | ProgramSection::CgroupSock { .. }
                        | ProgramSection::CgroupSockAddr { .. }
                        // Where they have BTF, see below.
                        | ProgramSection::BtfTracePoint
                        | ProgramSection::FEntry { .. }
                        | ProgramSection::FExit { .. }
                ),
                "{name} is of a type that Android's kernels refuse: {:?}",
                program.section
            );
        }
    }

    #[test]
    fn every_hook_is_attached_as_its_section_says() {
        let object = object();
        for hook in HOOKS {
            let section = &object.programs[hook.program].section;
            match hook.attach {
                Attach::RawTracepoint(_)
                | Attach::RawTracepointNested { .. }
                | Attach::OnDemand => {
                    assert!(
                        matches!(section, ProgramSection::RawTracePoint),
                        "{}",
                        hook.program
                    );
                }
                Attach::PerfTracepoint(..) => {
                    assert!(
                        matches!(section, ProgramSection::TracePoint),
                        "{}",
                        hook.program
                    );
                }
                Attach::BtfTracepoint(_) => {
                    assert!(
                        matches!(section, ProgramSection::BtfTracePoint),
                        "{}",
                        hook.program
                    );
                }
                Attach::Fentry(..) => {
                    assert!(
                        matches!(section, ProgramSection::FEntry { .. }),
                        "{}",
                        hook.program
                    );
                }
                Attach::Fexit(..) => {
                    assert!(
                        matches!(section, ProgramSection::FExit { .. }),
                        "{}",
                        hook.program
                    );
                }
                Attach::Kprobe(_) | Attach::RenamedKprobe(..) => {
                    assert!(
                        matches!(section, ProgramSection::KProbe),
                        "{}",
                        hook.program
                    );
                }
                Attach::Kretprobe(..) => {
                    assert!(
                        matches!(section, ProgramSection::KRetProbe),
                        "{}",
                        hook.program
                    );
                }
                Attach::Uprobe(_) => {
                    assert!(
                        matches!(section, ProgramSection::UProbe { .. }),
                        "{}",
                        hook.program
                    );
                }
                Attach::Uretprobe(_) => {
                    assert!(
                        matches!(section, ProgramSection::URetProbe { .. }),
                        "{}",
                        hook.program
                    );
                }
                Attach::Cgroup(Cgroup::Ingress | Cgroup::Egress) => {
                    assert!(
                        matches!(section, ProgramSection::CgroupSkb { .. }),
                        "{}",
                        hook.program
                    );
                }
                Attach::Cgroup(
                    Cgroup::Connect4 | Cgroup::Connect6 | Cgroup::Sendmsg4 | Cgroup::Sendmsg6,
                ) => {
                    assert!(
                        matches!(section, ProgramSection::CgroupSockAddr { .. }),
                        "{}",
                        hook.program
                    );
                }
                Attach::Cgroup(_) => {
                    assert!(
                        matches!(section, ProgramSection::CgroupSock { .. }),
                        "{}",
                        hook.program
                    );
                }
            }
        }
    }

    /// Prometheus takes one series of a name and its labels, so hooks that stand beside each other differ in theirs.
    #[test]
    fn no_two_hooks_have_one_series() {
        for (at, hook) in HOOKS.iter().enumerate() {
            for other in &HOOKS[at + 1..] {
                let is_instead = |one: &Hook, of: &Hook| one.place == Place::Without(of.program);
                assert!(
                    (hook.attach.label(), hook.gives) != (other.attach.label(), other.gives)
                        || is_instead(hook, other)
                        || is_instead(other, hook),
                    "{} and {}",
                    hook.program,
                    other.program
                );
            }
        }
    }

    #[test]
    fn what_is_seen_without_types_needs_none_to_be_attached() {
        let is_measured = |name: &str| {
            let field = tracer_common::offset::FIELDS
                .iter()
                .find(|field| field.global == name);
            field.is_some_and(|field| !field.optional)
        };
        for hook in HOOKS {
            if matches!(hook.attach, Attach::BtfTracepoint(_)) {
                assert!(
                    !hook.gives.fields().iter().all(|field| is_measured(field)),
                    "{}: a kernel without BTF has all that it reads",
                    hook.program
                );
            }
        }
    }

    #[test]
    fn the_object_has_a_global_for_every_field_and_no_other() {
        let symbols = global_names();
        for field in tracer_common::offset::FIELDS {
            assert!(
                symbols.contains(field.global),
                "{} is missing in tracer-ebpf/src/offsets.rs",
                field.global
            );
        }
        let known: BTreeSet<&str> = tracer_common::offset::FIELDS
            .iter()
            .map(|field| field.global)
            .chain([
                "BY_ADDRESS",
                "TELLS_ANSWERS",
                "IS_PREEMPTED",
                "DROP_BY_FILTER",
                "BY_SOCKETS_USER",
                "CGROUP_SUBSYSTEM",
                "HEADER_INCLUDED",
                "JOINED",
                "JOINS",
                "RING_WAKE_BYTES",
                "NAMES_WAKE_BYTES",
                "NAMES_WANTED",
                "DATA_KIND_BITS",
                "DATA_IN_ONE",
                "DATA_IN_SEVERAL",
                "AYA_LOG_LEVEL",
            ])
            .collect();
        for symbol in &symbols {
            assert!(known.contains(symbol.as_str()), "nobody fills in {symbol}");
        }
    }

    /// Names of the read-only globals: symbols of the object's `.rodata`.
    fn global_names() -> BTreeSet<String> {
        use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
        let file = object::File::parse(OBJECT).expect("an ELF file");
        let section = file
            .section_by_name(".rodata")
            .expect("a section of read-only globals")
            .index();
        file.symbols()
            .filter(|symbol| symbol.section_index() == Some(section) && symbol.is_global())
            .filter_map(|symbol| symbol.name().ok().map(str::to_owned))
            .collect()
    }
}
