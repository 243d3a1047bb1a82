//! Feeds any bytes as what the kernel side read of a C library's answer: its name is a host name, and its addresses are few.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::name::{answered::call, host::host};
use tracer_common::name::{ADDRESSES, Answered};

fuzz_target!(|bytes: &[u8]| {
    // Zeros for what is missing, so that short inputs count too.
    let mut whole = [0; size_of::<Answered>()];
    let given = bytes.len().min(whole.len());
    whole[..given].copy_from_slice(&bytes[..given]);
    if let Some(call) = call(&whole) {
        assert_eq!(host(call.name.as_bytes()).as_ref(), Some(&call.name));
        assert!(call.addresses.len() <= ADDRESSES, "more than there is room for");
    }
    if bytes.len() != whole.len() {
        assert_eq!(call(bytes), None, "a part of an answer is one");
    }
});
