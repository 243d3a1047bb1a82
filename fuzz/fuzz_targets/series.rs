//! Feeds any lines as `/metrics` of a tracer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::command::data::series::Sample;

fuzz_target!(|bytes: &[u8]| {
    for line in String::from_utf8_lossy(bytes).lines() {
        let Some(sample) = Sample::parse(line) else {
            continue;
        };
        assert!(line.starts_with(&sample.name), "a name from nowhere");
        assert!(line.contains(&sample.value), "a value from nowhere");
        let length: usize = sample.labels.iter().map(|(label, value)| label.len() + value.len()).sum();
        assert!(length < line.len(), "labels from nowhere");
    }
});
