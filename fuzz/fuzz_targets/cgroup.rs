//! Feeds any text as the path of a control group: whoever owns it has a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::attribute::{
    cgroup::{Owner, owner},
    container::Container,
};

fuzz_target!(|path: &str| {
    let name = match owner(path) {
        Some(Owner::Container(Container::Id(name) | Container::Name(name))) => name,
        Some(Owner::Service(name) | Owner::Desktop(name)) => name,
        None => return,
    };
    assert!(!name.is_empty(), "an owner without a name");
});
