//! Which types have tracepoints and functions in the kernel's BTF, told to aya in BTF that has nothing else.
//!
//! aya looks for a name in a BTF that it has read, to give its number to the kernel. To read the kernel's own it builds all of
//! its types (10 to 100 ms, 20 MB), and the number is known already, see [`super::btf`].

use std::{borrow::Cow, collections::BTreeMap};

use anyhow::Context as _;
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

/// BTF in which each is the type of its number, and nobody that of a number that no kernel has.
pub fn types(numbers: &BTreeMap<Typed<'_>, u32>) -> anyhow::Result<Btf> {
    let known = || {
        numbers
            .iter()
            .filter(|(_, number)| (1..MOST).contains(*number))
    };
    let most = known().map(|(_, number)| *number).max().unwrap_or(0);
    let mut strings = vec![0];
    // A name, a kind and a type that it refers to: those between have neither name nor meaning.
    let mut types = vec![[0, KIND_FORWARD << 24, 0]; most as usize];
    for (typed, number) in known() {
        types[*number as usize - 1] = [strings.len() as u32, typed.kind() << 24, 0];
        strings.extend(typed.name().as_bytes());
        strings.push(0);
    }
    let length = size_of_val(&*types) as u32;
    // A magic number, the version, no flags, and the header's own length; then offset and length of types and strings.
    let header = [0x0001_eb9f, 24, 0, length, length, strings.len() as u32];
    let bytes = [header.as_bytes(), types.as_bytes(), &strings].concat();
    Btf::parse(&bytes, Endianness::default()).context("BTF of some types")
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Typed, types};
    use aya_obj::btf::BtfKind;

    const QUEUE: Typed = Typed::Tracepoint("net_dev_queue");
    const SEND: Typed = Typed::Function("udp_sendmsg");
    const PLACES: [(Typed, &str, BtfKind); 2] = [
        (QUEUE, "btf_trace_net_dev_queue", BtfKind::Typedef),
        (SEND, "udp_sendmsg", BtfKind::Func),
    ];

    #[test]
    fn each_type_has_its_number() {
        for numbers in [[1, 2], [2, 1], [131_072, 7], [9, 131_072]] {
            let all = types(&[(QUEUE, numbers[0]), (SEND, numbers[1])].into()).expect("BTF");
            for ((_, name, kind), number) in PLACES.into_iter().zip(numbers) {
                let found = all.id_by_type_name_kind(name, kind);
                assert_eq!(found.expect("it is there"), number);
            }
        }
    }

    #[test]
    fn what_has_a_number_that_no_kernel_has_is_not_there() {
        for number in [0, u32::MAX] {
            let all = types(&[(QUEUE, number), (SEND, 3)].into()).expect("BTF");
            let [queue, send] = PLACES.map(|(_, name, kind)| all.id_by_type_name_kind(name, kind));
            queue.expect_err("no kernel has it");
            assert_eq!(send.expect("it is there"), 3);
        }
        types(&BTreeMap::new()).expect("BTF without a type");
    }
}
