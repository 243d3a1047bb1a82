//! Which type has a tracepoint or a function in the kernel's BTF, told to aya in BTF that has nothing else.
//!
//! aya looks for a name in a BTF that it has read, to give its number to the kernel. To read the kernel's own it builds all of
//! its types (10 to 100 ms, 20 MB), and the number is known already, see [`super::btf`].

use std::borrow::Cow;

use anyhow::{Context as _, ensure};
use aya::{Btf, Endianness};
use zerocopy::IntoBytes as _;

/// Kernels have some 150,000 types.
const MOST: u32 = 1 << 20;

const KIND_FORWARD: u32 = 7;
const KIND_TYPEDEF: u32 = 8;
const KIND_FUNCTION: u32 = 12;

/// To what a program is attached that the verifier knows by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Typed<'a> {
    Tracepoint(&'a str),
    Function(&'a str),
}

impl<'a> Typed<'a> {
    /// What its type is called; a tracepoint's since 5.5 (include/trace/bpf_probe.h).
    pub fn name(self) -> Cow<'a, str> {
        match self {
            Self::Tracepoint(name) => format!("btf_trace_{name}").into(),
            Self::Function(name) => name.into(),
        }
    }

    /// The kind of its type (`BTF_KIND_…`, include/uapi/linux/btf.h).
    pub fn kind(self) -> u32 {
        match self {
            Self::Tracepoint(_) => KIND_TYPEDEF,
            Self::Function(_) => KIND_FUNCTION,
        }
    }
}

/// BTF in which `number` is its type.
pub fn types(typed: Typed<'_>, number: u32) -> anyhow::Result<Btf> {
    ensure!(
        (1..MOST).contains(&number),
        "type {number} of {typed:?} is beyond what kernels have"
    );
    let strings = [b"\0", typed.name().as_bytes(), b"\0"].concat();
    // A name, a kind and a type that it refers to: those before it have neither name nor meaning.
    let mut types = [0, KIND_FORWARD << 24, 0].repeat(number as usize - 1);
    types.extend([1, typed.kind() << 24, 0]);
    let length = size_of_val(&*types) as u32;
    // A magic number, the version, no flags, and the header's own length; then offset and length of types and strings.
    let header = [0x0001_eb9f, 24, 0, length, length, strings.len() as u32];
    let bytes = [header.as_bytes(), types.as_bytes(), &strings].concat();
    Btf::parse(&bytes, Endianness::default()).context("BTF of one type")
}

#[cfg(test)]
mod tests {
    use super::{Typed, types};
    use aya_obj::btf::BtfKind;

    #[test]
    fn the_type_has_its_number() {
        for number in [1, 2, 131_072] {
            for (typed, name, kind) in [
                (
                    Typed::Tracepoint("net_dev_queue"),
                    "btf_trace_net_dev_queue",
                    BtfKind::Typedef,
                ),
                (Typed::Function("udp_sendmsg"), "udp_sendmsg", BtfKind::Func),
            ] {
                let types = types(typed, number).expect("a number that kernels have");
                let found = types.id_by_type_name_kind(name, kind);
                assert_eq!(found.expect("it is there"), number);
            }
        }
    }

    #[test]
    fn a_number_that_no_kernel_has_is_refused() {
        for number in [0, u32::MAX] {
            types(Typed::Tracepoint("net_dev_queue"), number).expect_err("no kernel has it");
        }
    }
}
