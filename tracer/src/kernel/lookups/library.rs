//! Which C library is a file, and where in it do its functions begin that ask for a name?

use std::collections::BTreeSet;

use object::{
    Architecture, File, Object as _, ObjectSegment as _, ObjectSymbol as _, SegmentFlags,
    SymbolFlags,
    elf::{PF_X, STT_FUNC},
};

/// Dynamic symbols that are looked at: glibc has 3,100.
const SYMBOLS: usize = 65_536;
/// Places that are probed in one library: bionic has nine functions, and glibc for i386 two versions of some.
const PLACES: usize = 16;

/// A C library whose functions are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Glibc,
    Musl,
    Bionic,
}

impl Kind {
    pub fn label(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
            Self::Bionic => "bionic",
        }
    }
}

/// Where a function begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Bytes into the file.
    pub offset: u64,
    /// The kernel side's program for it.
    pub program: &'static str,
}

/// A library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    pub kind: Kind,
    /// Whether its pointers have 32 bits.
    pub is_narrow: bool,
    pub places: Vec<Place>,
}

/// Why a file is not probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is no such file, or a part of it is missing.
    Malformed,
    /// It is for another processor, or in a mode in which the kernel probes nothing (on arm64, 32 bits).
    Processor,
    /// It is no library that is known, so nobody knows what its functions are handed.
    Unknown,
    /// It has none of the functions.
    Without,
}

impl Unfit {
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "not readable as a library",
            Self::Processor => "for a mode of the processor in which the kernel probes nothing",
            Self::Unknown => "neither glibc nor musl nor bionic",
            Self::Without => "without functions that ask for a name",
        }
    }
}

/// The functions, with the kernel side's programs for them. Not those that call another one of them for all they do: to take a probe away
/// costs the kernel up to 0.1 s. In glibc `gethostbyname` and `gethostbyname2` call those with `_r`, in musl all four end in the last.
fn functions(kind: Kind) -> &'static [(&'static str, &'static str)] {
    const REENTRANT: (&str, &str) = ("gethostbyname_r", "host_asked_reentrant");
    const OF_FAMILY: (&str, &str) = ("gethostbyname2_r", "host_asked_reentrant_family");
    match kind {
        Kind::Glibc => &[("getaddrinfo", "addresses_asked"), REENTRANT, OF_FAMILY],
        Kind::Musl => &[("getaddrinfo", "addresses_asked"), OF_FAMILY],
        // Which of them call each other depends on the release, and on what the compiler made of it.
        Kind::Bionic => &[
            ("getaddrinfo", "addresses_asked_bionic"),
            (
                "android_getaddrinfofornetcontext",
                "addresses_asked_context",
            ),
            ("android_getaddrinfofornet", "addresses_asked_network"),
            ("gethostbyname", "host_asked"),
            ("gethostbyname2", "host_asked"),
            ("android_gethostbynamefornet", "host_asked"),
            ("android_gethostbynamefornetcontext", "host_asked"),
            REENTRANT,
            OF_FAMILY,
        ],
    }
}

/// A function that one library alone has: it has stood in each release of it that is in use, and no other has it.
const MARKS: &[(&str, Kind)] = &[
    ("gnu_get_libc_version", Kind::Glibc),
    ("__dls3", Kind::Musl),
    ("android_getaddrinfofornet", Kind::Bionic),
    ("android_set_abort_message", Kind::Bionic),
];

/// What a file is. Any bytes have an answer.
pub fn library(bytes: &[u8]) -> Result<Library, Unfit> {
    of_machine(bytes, std::env::consts::ARCH)
}

fn of_machine(bytes: &[u8], machine: &str) -> Result<Library, Unfit> {
    let file = File::parse(bytes).map_err(|_| Unfit::Malformed)?;
    let is_narrow = match (file.architecture(), machine) {
        (Architecture::X86_64, "x86_64") | (Architecture::Aarch64, "aarch64") => false,
        (Architecture::I386, "x86_64") => true,
        _ => return Err(Unfit::Processor),
    };
    let marks = defined(&file).filter_map(|(name, _)| MARKS.iter().find(|mark| mark.0 == name));
    let kinds: BTreeSet<Kind> = marks.map(|(_, kind)| *kind).collect();
    let kind = kinds.first().filter(|_| kinds.len() == 1);
    let kind = *kind.ok_or(Unfit::Unknown)?;
    let mut places = BTreeSet::new();
    for (name, address) in defined(&file) {
        let function = functions(kind).iter().find(|function| function.0 == name);
        let Some((_, program)) = function else {
            continue;
        };
        let offset = offset(&file, address).ok_or(Unfit::Malformed)?;
        // Instructions of arm64 begin at multiples of four.
        if machine == "aarch64" && offset % 4 != 0 {
            return Err(Unfit::Malformed);
        }
        if places.len() < PLACES {
            places.insert(Place { offset, program });
        }
    }
    if places.is_empty() {
        return Err(Unfit::Without);
    }
    Ok(Library {
        kind,
        is_narrow,
        places: places.into_iter().collect(),
    })
}

/// Functions that a file defines: names and addresses. What is chosen when the library is loaded (`STT_GNU_IFUNC`) has no place that is known.
fn defined<'file>(file: &'file File<'_>) -> impl Iterator<Item = (&'file str, u64)> {
    file.dynamic_symbols().take(SYMBOLS).filter_map(|symbol| {
        let SymbolFlags::Elf { st_info, .. } = symbol.flags() else {
            return None;
        };
        let is_function = symbol.is_definition() && st_info & 0xf == STT_FUNC;
        let name = symbol.name().ok().filter(|_| is_function)?;
        Some((name, symbol.address()))
    })
}

/// Where in the file the code is that is mapped to `address`.
fn offset(file: &File, address: u64) -> Option<u64> {
    file.segments().find_map(|segment| {
        let SegmentFlags::Elf { p_flags } = segment.flags() else {
            return None;
        };
        let (start, size) = segment.file_range();
        let within = address.checked_sub(segment.address())?;
        let is_code = p_flags & PF_X != 0 && within < size;
        is_code.then(|| start.checked_add(within)).flatten()
    })
}

#[cfg(test)]
#[path = "library/tests.rs"]
mod tests;
