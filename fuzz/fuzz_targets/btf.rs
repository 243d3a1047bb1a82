//! Feeds any bytes as the kernel's BTF, and looks up all that the tracer ever asks of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::kernel::btf::Btf;
use tracer_common::offset::FIELDS;

fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = Btf::new(bytes) else { return };
    for field in FIELDS {
        if btf.offset(field).is_ok() {
            assert!(
                holds(bytes, field.structure),
                "nothing is called {}",
                field.structure
            );
        }
    }
    for controller in ["pids_cgrp_id", "memory_cgrp_id"] {
        if btf.enumerator("cgroup_subsys_id", controller).is_some() {
            assert!(holds(bytes, controller), "nothing is called {controller}");
        }
    }
});

fn holds(bytes: &[u8], name: &str) -> bool {
    bytes
        .windows(name.len())
        .any(|window| window == name.as_bytes())
}
