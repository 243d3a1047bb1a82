//! Feeds any text as the path of a control group: the outermost container has a sound id or a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::attribute::container::{Container, outermost, is_id};

fuzz_target!(|path: &str| {
    let components: Vec<&str> = path.split('/').collect();
    match outermost(&components) {
        // Others cut it to its first digits, so each must be one byte.
        Some(Container::Id(id)) => {
            assert!(is_id(&id) && components.iter().any(|all| all.contains(&id)))
        }
        Some(Container::Name(name)) => assert!(!name.is_empty(), "a container without a name"),
        None => {}
    }
});
