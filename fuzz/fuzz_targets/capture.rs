//! Feeds any bytes as a capture: whatever is found is a line of JSON with a name of a host, or with none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::{command::names::read, name::host::host};

fuzz_target!(|bytes: &[u8]| {
    let mut output = Vec::new();
    let _ = read(bytes, &mut output);
    for line in output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let line: serde_json::Value = serde_json::from_slice(line).expect("a line of JSON");
        if let Some(name) = line["name"].as_str() {
            assert_eq!(host(name.as_bytes()).as_deref(), Some(name));
        }
    }
});
