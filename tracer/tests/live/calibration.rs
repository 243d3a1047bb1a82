//! Are the offsets that are measured those that the kernel's type information tells?
//!
//! Where the kernel tells of its types, every measured field is compared.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::fd::AsRawFd as _,
    path::Path,
    thread,
};

use tracer::kernel::{btf::Btf, calibrate, globals::Globals};
use tracer_common::offset::{FIELDS, Field, UNKNOWN};

use crate::support::{Namespace, run};

#[test]
fn every_measured_field_stands_where_the_kernels_types_say() {
    let measured = calibrate::measure(Path::new(env!("CARGO_BIN_EXE_tracer")))
        .unwrap_or_else(|error| panic!("{error:#}\nhint: live tests need root"));
    let fields = measured.fields();
    eprintln!("{fields} of {} fields measured", FIELDS.len());
    let measured = measured.globals().expect("every field that is needed");
    // It may be unknown to who cannot give sockets away; root can.
    assert_ne!(measured["SOCK_USER"], UNKNOWN);
    // Every kernel that is tried has such a list.
    assert_ne!(measured["TCP_SENT_LIST"], UNKNOWN);
    let Ok(types) = fs::read("/sys/kernel/btf/vmlinux") else {
        eprintln!(
            "skipped: this kernel does not tell of its types; all that is needed was measured"
        );
        return;
    };
    let mut truth = Globals::from_btf(&types).expect("this kernel's BTF").values;
    // Another list does as well.
    let other = Field {
        global: "TCP_SENT_LIST",
        structure: "tcp_sock",
        member: "tsq_node",
        optional: true,
    };
    let other = Btf::new(&types).and_then(|types| types.offset(&other));
    if Some(&measured["TCP_SENT_LIST"]) == other.ok().as_ref() {
        truth.insert("TCP_SENT_LIST", measured["TCP_SENT_LIST"]);
    }
    let (measured, truth) = (comparable(measured), comparable(truth));
    let wrong: Vec<_> = truth
        .iter()
        .filter(|(name, _)| !may_be_unknown(name) || measured.get(*name) != Some(&UNKNOWN.into()))
        .filter(|(name, value)| measured.get(*name) != Some(value))
        .map(|(name, value)| format!("{name}: {value}, measured {:?}", measured.get(name)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(measured.len(), truth.len());
}

/// A loopback whose packets another processor handles, as from a network card: what comes to a listener runs in no thread of
/// ours. It is found out all the same whose that is.
#[test]
fn a_listener_is_found_by_what_comes_in_another_thread() {
    let host = Namespace::new("tm");
    let other = "echo 2 > /sys/class/net/lo/queues/rx-0/rps_cpus";
    run(host.command(Path::new("sh")).args(["-c", other]));
    let namespace = File::open(format!("/run/netns/{}", host.0)).expect("the namespace");
    let measured = thread::spawn(move || {
        // SAFETY: plain calls, on a descriptor that is open and a set that is as long as is said; they are about this thread.
        unsafe {
            assert_eq!(libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET), 0);
            let mut first: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(0, &mut first);
            assert_eq!(
                libc::sched_setaffinity(0, size_of_val(&first), &raw const first),
                0
            );
        }
        calibrate::measure(Path::new(env!("CARGO_BIN_EXE_tracer")))
    });
    let measured = measured.join().expect("it was measured");
    let measured = measured.expect("every field that is needed");
    measured
        .get("TCP_SENT_LIST")
        .expect("a list that leads to the listener");
}

fn may_be_unknown(name: &str) -> bool {
    FIELDS
        .iter()
        .any(|field| field.global == name && field.optional)
}

/// Values that mean the same are made equal: a bit may be counted from any byte ahead of it, and a place in a row from the
/// row or from itself. Without a hierarchy of the first version the row is not read.
fn comparable(mut globals: BTreeMap<&'static str, u32>) -> BTreeMap<&'static str, u64> {
    let bit = globals
        .remove("HEADER_INCLUDED")
        .map_or(0, u32::trailing_zeros);
    if let Some(at) = globals.get_mut("INET_FLAGS") {
        *at = *at * 8 + bit;
    }
    // Bits of fields, and numbers of enumerations, that nothing measures.
    for unmeasured in [
        "DROP_BY_FILTER",
        "JOINS",
        "JOINED",
        "DATA_IN_ONE",
        "DATA_IN_SEVERAL",
        "DATA_KIND_BITS",
    ] {
        globals.remove(unmeasured);
    }
    let subsystem = globals.remove("CGROUP_SUBSYSTEM").unwrap_or(u32::MAX);
    if subsystem == u32::MAX {
        globals.remove("CGROUPS_SUBSYSTEMS");
        globals.remove("SUBSYSTEM_CGROUP");
    } else if let Some(at) = globals.get_mut("CGROUPS_SUBSYSTEMS") {
        *at += 8 * subsystem;
    }
    globals
        .into_iter()
        .map(|(name, value)| (name, u64::from(value)))
        .collect()
}
