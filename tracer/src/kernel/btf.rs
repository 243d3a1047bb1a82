//! Where does the running kernel keep a field? Looked up in its BTF, once, keeping nothing of it.
//!
//! A walk over the bytes as they are: btfparse and aya's reader both build every type of the kernel (10 to 100 ms and 20
//! MB or more) to answer what is asked here, the offsets of some thirty members. The format is that of
//! Documentation/bpf/btf.rst. Outside bytes: every read is checked, every recursion bounded.

use anyhow::{Context as _, bail};
use tracer_common::offset::Field;

const MAGIC: u16 = 0xeb9f;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
/// Kinds of types that there are, and one that is none.
const KINDS: usize = 20;
/// Deepest nesting of anonymous structures and of modifiers that is followed. Kernels have at most four.
const DEPTH: u32 = 16;
/// Most members that are looked at to find one. Kernels' largest structure has some 300; a structure that holds itself
/// would be visited without end.
const VISITS: u32 = 100_000;

/// A kernel's type information.
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Position of each type in `types`; type ids begin at 1.
    positions: Vec<u32>,
    /// Ids of the types of each kind, in their order: of 150,000 types 10,000 are structures.
    kinds: [Vec<u32>; KINDS],
}

/// One type's header.
#[derive(Clone, Copy)]
struct Type<'a> {
    name: u32,
    kind: u32,
    /// Whether the upper eight bits of a member's offset are the width of a bit field.
    bit_fields: bool,
    /// Size or referred type, by kind.
    referred: u32,
    /// What follows the header: members, enumerators.
    rest: &'a [u8],
    count: u32,
}

impl<'a> Btf<'a> {
    /// Takes BTF as `/sys/kernel/btf/vmlinux` has it. Integers are in the machine's byte order.
    pub fn new(bytes: &'a [u8]) -> anyhow::Result<Self> {
        let magic = bytes.get(..2).context("BTF without a header")?;
        if magic != MAGIC.to_ne_bytes() {
            bail!("BTF with a foreign magic number");
        }
        let header = number(bytes, 4)?;
        let section = |at: usize| -> anyhow::Result<&'a [u8]> {
            let start = header
                .checked_add(number(bytes, at)?)
                .context("BTF section out of bounds")? as usize;
            let length = number(bytes, at + 4)? as usize;
            bytes
                .get(start..)
                .and_then(|rest| rest.get(..length))
                .context("BTF section out of bounds")
        };
        let (types, strings) = (section(8)?, section(16)?);
        let (mut positions, mut kinds) = (vec![0], [const { Vec::new() }; KINDS]);
        let mut position = 0;
        while position < types.len() {
            let info = number(types, position + 4)?;
            let length = 12 + trailing(info)?;
            if let Some(ids) = kinds.get_mut(kind(info) as usize) {
                ids.push(positions.len() as u32);
            }
            positions.push(position as u32);
            position += length;
        }
        Ok(Self {
            types,
            strings,
            positions,
            kinds,
        })
    }

    /// Byte offset of a field.
    pub fn offset(&self, field: &Field) -> anyhow::Result<u32> {
        self.bits(field.structure, field.member)
            .map(|bits| bits / 8)
            .with_context(|| {
                format!(
                    "struct {} has no member {} in this kernel's BTF",
                    field.structure, field.member
                )
            })
    }

    /// Value of an enumerator, of an enumeration without a name where that is empty; `None` where this kernel has none of that name.
    pub fn enumerator(&self, enumeration: &str, name: &str) -> Option<i32> {
        self.all(KIND_ENUM, enumeration).find_map(|(_, found)| {
            found
                .rest
                .chunks_exact(8)
                .find(|entry| number(entry, 0).is_ok_and(|at| self.is_named(at, name)))
                .and_then(|entry| number(entry, 4).ok())
                .map(u32::cast_signed)
        })
    }

    /// Number of the type of a kind (`BTF_KIND_…`, include/uapi/linux/btf.h) that has this name.
    pub fn number(&self, kind: u32, name: &str) -> Option<u32> {
        self.all(kind, name).next().map(|(id, _)| id)
    }

    /// Number of the bit at which a member begins in its byte: for a bit field.
    pub fn bit(&self, structure: &str, member: &str) -> Option<u32> {
        self.bits(structure, member).map(|bits| bits % 8)
    }

    /// Offset of a member in bits.
    fn bits(&self, structure: &str, member: &str) -> Option<u32> {
        self.all(KIND_STRUCT, structure)
            .find_map(|(_, found)| self.path(found, member))
    }

    /// Those of a kind and a name, with their ids.
    fn all<'b>(&'b self, kind: u32, name: &'b str) -> impl Iterator<Item = (u32, Type<'a>)> + 'b {
        let ids = self.kinds.get(kind as usize).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.get(*id)?)))
            .filter(move |(_, found)| self.is_named(found.name, name))
    }

    fn get(&self, id: u32) -> Option<Type<'a>> {
        let position = *self.positions.get(id as usize)? as usize;
        let info = number(self.types, position + 4).ok()?;
        let rest = self
            .types
            .get(position + 12..)?
            .get(..trailing(info).ok()?)?;
        Some(Type {
            name: number(self.types, position).ok()?,
            kind: kind(info),
            bit_fields: info >> 31 == 1,
            referred: number(self.types, position + 8).ok()?,
            rest,
            count: info & 0xffff,
        })
    }

    /// Follows a path of members, `a.b`, each perhaps under one of several names, `a|b`. Gives bits.
    fn path(&self, mut structure: Type<'a>, path: &str) -> Option<u32> {
        let mut offset = 0;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let (at, id) = self.member(structure, name, DEPTH, &mut { VISITS })?;
            offset = u32::checked_add(offset, at)?;
            if names.peek().is_some() {
                structure = self.plain(id)?;
            }
        }
        Some(offset)
    }

    /// Offset in bits and type of a member, also of one inside an anonymous structure or union.
    fn member(
        &self,
        structure: Type<'a>,
        names: &str,
        depth: u32,
        visits: &mut u32,
    ) -> Option<(u32, u32)> {
        if !matches!(structure.kind, KIND_STRUCT | KIND_UNION) || depth == 0 {
            return None;
        }
        structure
            .rest
            .chunks_exact(12)
            .take(structure.count as usize)
            .find_map(|member| {
                *visits = visits.checked_sub(1)?;
                let name = number(member, 0).ok()?;
                let id = number(member, 4).ok()?;
                let bits = number(member, 8).ok()?;
                let bits = if structure.bit_fields {
                    bits & 0x00ff_ffff
                } else {
                    bits
                };
                if name == 0 || self.is_named(name, "") {
                    let (inside, id) = self.member(self.plain(id)?, names, depth - 1, visits)?;
                    return Some((bits.checked_add(inside)?, id));
                }
                names
                    .split('|')
                    .any(|wanted| self.is_named(name, wanted))
                    .then_some((bits, id))
            })
    }

    /// The type behind `typedef`, `const`, `volatile`, `restrict` and type tags.
    fn plain(&self, mut id: u32) -> Option<Type<'a>> {
        for _ in 0..DEPTH {
            let found = self.get(id)?;
            if !matches!(found.kind, 8..=11 | 18) {
                return Some(found);
            }
            id = found.referred;
        }
        None
    }

    fn is_named(&self, at: u32, name: &str) -> bool {
        self.strings
            .get(at as usize..)
            .and_then(|rest| rest.get(..=name.len()))
            .is_some_and(|found| &found[..name.len()] == name.as_bytes() && found[name.len()] == 0)
    }
}

fn number(bytes: &[u8], at: usize) -> anyhow::Result<u32> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map(|found| u32::from_ne_bytes(*found))
        .context("BTF ends in the middle of a number")
}

fn kind(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

/// Bytes that follow a type's header, by kind.
fn trailing(info: u32) -> anyhow::Result<usize> {
    let count = (info & 0xffff) as usize;
    Ok(match kind(info) {
        1 | 14 | 17 => 4,
        3 => 12,
        KIND_STRUCT | KIND_UNION | 15 | 19 => 12 * count,
        KIND_ENUM | 13 => 8 * count,
        2 | 7..=12 | 16 | 18 => 0,
        unknown => bail!("BTF kind {unknown} is newer than this tracer"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIND_TYPEDEF: u32 = 8;

    /// `struct outer { int a; struct { struct inner b; }; }`, `struct inner { int x; int y; }`, `enum which { five = 5 }`,
    /// `typedef int number`.
    fn sample() -> Vec<u8> {
        let strings = b"\0outer\0a\0inner\0b\0x\0y\0int\0which\0five\0number\0";
        let at = |name: &str| {
            let needle = [b"\0", name.as_bytes(), b"\0"].concat();
            strings
                .windows(needle.len())
                .position(|window| window == needle)
                .expect("a name of the sample") as u32
                + 1
        };
        let info = |kind: u32, count: u32| (kind << 24) | count;
        let types: Vec<u32> = [
            vec![at("int"), info(1, 0), 4, 32],
            vec![at("inner"), info(4, 2), 8, at("x"), 1, 0, at("y"), 1, 32],
            vec![0, info(4, 1), 8, at("b"), 2, 0],
            vec![at("outer"), info(4, 2), 12, at("a"), 1, 0, 0, 3, 32],
            vec![at("which"), info(6, 1), 4, at("five"), 5],
            vec![at("number"), info(8, 0), 1],
        ]
        .concat();
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        for field in [
            24,
            0,
            types.len() as u32 * 4,
            types.len() as u32 * 4,
            strings.len() as u32,
        ] {
            bytes.extend(field.to_ne_bytes());
        }
        bytes.extend(types.iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(strings);
        bytes
    }

    fn check(bytes: &[u8], structure: &'static str, member: &'static str) -> Option<u32> {
        Btf::new(bytes)
            .ok()?
            .offset(&Field {
                global: "",
                structure,
                member,
                optional: false,
            })
            .ok()
    }

    #[test]
    fn a_member_is_found_through_anonymous_structures_and_paths() {
        let bytes = sample();
        assert_eq!(check(&bytes, "outer", "a"), Some(0));
        assert_eq!(check(&bytes, "outer", "b.y"), Some(8));
        assert_eq!(check(&bytes, "inner", "z|y"), Some(4));
        assert_eq!(check(&bytes, "outer", "c"), None);
        assert_eq!(check(&bytes, "nobody", "a"), None);
        assert_eq!(
            Btf::new(&bytes)
                .expect("a sound sample")
                .enumerator("which", "five"),
            Some(5)
        );
    }

    #[test]
    fn a_type_of_a_kind_has_its_number() {
        let bytes = sample();
        let btf = Btf::new(&bytes).expect("a sound sample");
        assert_eq!(btf.number(KIND_TYPEDEF, "number"), Some(6));
        // A structure's name, and nobody's.
        assert_eq!(btf.number(KIND_TYPEDEF, "outer"), None);
        assert_eq!(btf.number(KIND_TYPEDEF, "nobody"), None);
    }

    #[test]
    fn every_prefix_is_refused_or_answered_without_a_panic() {
        let bytes = sample();
        for end in 0..bytes.len() {
            let _ = check(&bytes[..end], "outer", "b.y");
        }
    }

    #[test]
    fn this_kernel_has_every_field() {
        let bytes = std::fs::read("/sys/kernel/btf/vmlinux")
            .expect("BTF; hint: this test needs a kernel with BTF");
        let btf = Btf::new(&bytes).expect("this kernel's BTF");
        for field in tracer_common::offset::FIELDS {
            btf.offset(field).expect("a field");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..256), at in 0_usize..256, value in any::<u8>()) {
            let _ = check(&bytes, "outer", "b.y");
            bytes = sample();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = check(&bytes, "outer", "b.y");
        }
    }
}
