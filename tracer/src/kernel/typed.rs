//! Which type has a tracepoint in the kernel's BTF, told to aya in BTF that has nothing else.
//!
//! aya looks for a name in a BTF that it has read, to give its number to the kernel. To read the kernel's own it builds all of
//! its types (10 to 100 ms, 20 MB), and the number is known already, see [`super::btf`].

use anyhow::{Context as _, ensure};
use aya::{Btf, Endianness};
use zerocopy::IntoBytes as _;

/// Kernels have some 150,000 types.
const MOST: u32 = 1 << 20;

const KIND_FORWARD: u32 = 7;
const KIND_TYPEDEF: u32 = 8;

/// What the type of a tracepoint is called (include/trace/bpf_probe.h, since 5.5).
pub fn name_of(tracepoint: &str) -> String {
    format!("btf_trace_{tracepoint}")
}

/// BTF in which `number` is the type of `tracepoint`.
pub fn types(tracepoint: &str, number: u32) -> anyhow::Result<Btf> {
    ensure!(
        (1..MOST).contains(&number),
        "type {number} of {tracepoint} is beyond what kernels have"
    );
    let strings = [b"\0", name_of(tracepoint).as_bytes(), b"\0"].concat();
    // A name, a kind and a type that it refers to: those before it have neither name nor meaning.
    let mut types = [0, KIND_FORWARD << 24, 0].repeat(number as usize - 1);
    types.extend([1, KIND_TYPEDEF << 24, 0]);
    let length = size_of_val(&*types) as u32;
    // A magic number, the version, no flags, and the header's own length; then offset and length of types and strings.
    let header = [0x0001_eb9f, 24, 0, length, length, strings.len() as u32];
    let bytes = [header.as_bytes(), types.as_bytes(), &strings].concat();
    Btf::parse(&bytes, Endianness::default()).context("BTF of one type")
}

#[cfg(test)]
mod tests {
    use super::types;
    use aya_obj::btf::BtfKind;

    #[test]
    fn the_type_has_its_number() {
        for number in [1, 2, 131_072] {
            let types = types("net_dev_queue", number).expect("a number that kernels have");
            let found = types.id_by_type_name_kind("btf_trace_net_dev_queue", BtfKind::Typedef);
            assert_eq!(found.expect("it is there"), number);
        }
    }

    #[test]
    fn a_number_that_no_kernel_has_is_refused() {
        for number in [0, u32::MAX] {
            types("net_dev_queue", number).expect_err("no kernel has it");
        }
    }
}
