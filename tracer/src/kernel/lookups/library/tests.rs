//! Is a library what it is, and are its functions where they are? Files as small as they can be.

use proptest::prelude::*;

use super::*;

/// An ELF file as small as one can be: a header, one segment of code, dynamic symbols and their names.
struct Made {
    is_narrow: bool,
    machine: u16,
    symbols: Vec<(&'static str, u64, u8)>,
    /// Address of the code, which begins the file.
    base: u64,
}

const X86_64: u16 = 62;
const I386: u16 = 3;
const AARCH64: u16 = 183;
const ARM: u16 = 40;
/// A function that anybody may call (`STB_GLOBAL`, `STT_FUNC`).
const FUNCTION: u8 = 0x12;
const CHOSEN_LATER: u8 = 0x1a;
const OBJECT: u8 = 0x11;

impl Made {
    fn new(symbols: &[(&'static str, u64)]) -> Self {
        let symbols = symbols.iter().map(|(name, at)| (*name, *at, FUNCTION));
        Self {
            is_narrow: false,
            machine: X86_64,
            symbols: symbols.collect(),
            base: 0x1000,
        }
    }

    /// A number that has the size of an address.
    fn word(&self, bytes: &mut Vec<u8>, value: u64) {
        if self.is_narrow {
            bytes.extend((value as u32).to_le_bytes());
        } else {
            bytes.extend(value.to_le_bytes());
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let (header, segment, section, symbol) = if self.is_narrow {
            (52_u64, 32_u64, 40_u64, 16_u64)
        } else {
            (64, 56, 64, 24)
        };
        let mut names = vec![0];
        let mut table = vec![0; symbol as usize];
        for (name, at, info) in &self.symbols {
            let place = names.len() as u32;
            names.extend(name.as_bytes());
            names.push(0);
            table.extend(place.to_le_bytes());
            if self.is_narrow {
                table.extend((*at as u32).to_le_bytes());
                table.extend(1_u32.to_le_bytes());
                table.extend([*info, 0, 1, 0]);
            } else {
                table.extend([*info, 0, 1, 0]);
                table.extend(at.to_le_bytes());
                table.extend(1_u64.to_le_bytes());
            }
        }
        let table_at = header + segment;
        let names_at = table_at + table.len() as u64;
        let sections_at = (names_at + names.len() as u64).next_multiple_of(8);
        let size = sections_at + 3 * section;

        let class = if self.is_narrow { 1 } else { 2 };
        let mut bytes = vec![0x7f, b'E', b'L', b'F', class, 1, 1, 0];
        bytes.extend([0; 8]);
        for number in [3, self.machine] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(1_u32.to_le_bytes());
        self.word(&mut bytes, 0);
        self.word(&mut bytes, header);
        self.word(&mut bytes, sections_at);
        bytes.extend(0_u32.to_le_bytes());
        for number in [header, segment, 1, section, 3, 2] {
            bytes.extend((number as u16).to_le_bytes());
        }
        // A segment that can be loaded, read and executed.
        bytes.extend(1_u32.to_le_bytes());
        if !self.is_narrow {
            bytes.extend(5_u32.to_le_bytes());
        }
        for number in [0, self.base, self.base, size, size] {
            self.word(&mut bytes, number);
        }
        if self.is_narrow {
            bytes.extend(5_u32.to_le_bytes());
        }
        self.word(&mut bytes, 0x1000);
        bytes.extend(table);
        bytes.extend(&names);
        bytes.resize(sections_at as usize, 0);
        bytes.extend(vec![0; section as usize]);
        // SHT_DYNSYM, whose names are in the next one, and SHT_STRTAB.
        for (kind, at, length, link, each) in [
            (11_u32, table_at, names_at - table_at, 2_u32, symbol),
            (3, names_at, names.len() as u64, 0, 0),
        ] {
            bytes.extend(0_u32.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            for number in [0, 0, at, length] {
                self.word(&mut bytes, number);
            }
            bytes.extend(link.to_le_bytes());
            bytes.extend(u32::from(kind == 11).to_le_bytes());
            self.word(&mut bytes, 8);
            self.word(&mut bytes, each);
        }
        bytes
    }
}

const GLIBC: &[(&str, u64)] = &[
    ("gnu_get_libc_version", 0x1008),
    ("getaddrinfo", 0x1010),
    ("gethostbyname", 0x1020),
    ("gethostbyname_r", 0x1030),
    ("gethostbyname_r", 0x1034),
    ("gethostbyname2_r", 0x1040),
    ("getaddrinfo_a", 0x1050),
];

/// What it is, whether its pointers have 32 bits, and its places.
type Expected<'a> = (Kind, bool, &'a [(u64, &'a str)]);

#[track_caller]
fn check(made: &Made, machine: &str, expected: Result<Expected, Unfit>) {
    let found = of_machine(&made.bytes(), machine);
    let found = found.as_ref().map(|library| {
        let places = library.places.iter();
        let places: Vec<_> = places.map(|place| (place.offset, place.program)).collect();
        (library.kind, library.is_narrow, places)
    });
    let expected = expected
        .as_ref()
        .map(|(kind, is_narrow, places)| (*kind, *is_narrow, places.to_vec()));
    assert_eq!(found, expected);
}

#[test]
fn each_version_of_a_function_has_a_place_and_those_around_others_have_none() {
    let places = [
        (0x10, "addresses_asked"),
        (0x30, "host_asked_reentrant"),
        (0x34, "host_asked_reentrant"),
        (0x40, "host_asked_reentrant_family"),
    ];
    check(
        &Made::new(GLIBC),
        "x86_64",
        Ok((Kind::Glibc, false, &places)),
    );
    let narrow = Made {
        is_narrow: true,
        machine: I386,
        ..Made::new(GLIBC)
    };
    check(&narrow, "x86_64", Ok((Kind::Glibc, true, &places)));
    let arm = Made {
        machine: AARCH64,
        ..Made::new(GLIBC)
    };
    check(&arm, "aarch64", Ok((Kind::Glibc, false, &places)));
}

#[test]
fn what_a_library_is_its_own_functions_say() {
    let musl = Made::new(&[
        ("__dls3", 0x1008),
        ("getaddrinfo", 0x1010),
        ("gethostbyname", 0x1020),
    ]);
    check(
        &musl,
        "x86_64",
        Ok((Kind::Musl, false, &[(0x10, "addresses_asked")])),
    );
    let bionic = Made::new(&[
        ("android_set_abort_message", 0x1008),
        ("getaddrinfo", 0x1010),
        ("android_getaddrinfofornetcontext", 0x1014),
        ("android_getaddrinfofornet", 0x1018),
        ("android_gethostbynamefornet", 0x1020),
    ]);
    let places = [
        (0x10, "addresses_asked_bionic"),
        (0x14, "addresses_asked_context"),
        (0x18, "addresses_asked_network"),
        (0x20, "host_asked"),
    ];
    check(&bionic, "x86_64", Ok((Kind::Bionic, false, &places)));
    // Nobody knows what these are handed.
    let unknown = Made::new(&[("getaddrinfo", 0x1010)]);
    check(&unknown, "x86_64", Err(Unfit::Unknown));
    let both = Made::new(&[
        ("__dls3", 0x1008),
        ("gnu_get_libc_version", 0x1008),
        ("getaddrinfo", 0x1010),
    ]);
    check(&both, "x86_64", Err(Unfit::Unknown));
    let without = Made::new(&[("gnu_get_libc_version", 0x1008)]);
    check(&without, "x86_64", Err(Unfit::Without));
}

#[test]
fn of_another_processor_nothing_is_probed() {
    let machine = |machine, is_narrow| Made {
        is_narrow,
        machine,
        ..Made::new(GLIBC)
    };
    // On arm64 the kernel probes no code of 32 bits, and nothing is known of x32.
    for (made, on) in [
        (machine(ARM, true), "aarch64"),
        (machine(X86_64, true), "x86_64"),
        (machine(X86_64, false), "aarch64"),
        (machine(AARCH64, false), "x86_64"),
        (machine(I386, true), "aarch64"),
    ] {
        check(&made, on, Err(Unfit::Processor));
    }
}

#[test]
fn only_the_beginning_of_code_is_a_place() {
    for (at, info, expected) in [
        // Behind the code, and before it.
        (0x9000, FUNCTION, Unfit::Malformed),
        (0x10, FUNCTION, Unfit::Malformed),
        (u64::MAX, FUNCTION, Unfit::Malformed),
        (0x1010, CHOSEN_LATER, Unfit::Without),
        (0x1010, OBJECT, Unfit::Without),
    ] {
        let mut made = Made::new(&[("gnu_get_libc_version", 0x1008)]);
        made.symbols.push(("getaddrinfo", at, info));
        check(&made, "x86_64", Err(expected));
    }
    // No instruction of arm64 begins there.
    let mut made = Made::new(&[("gnu_get_libc_version", 0x1008), ("getaddrinfo", 0x1012)]);
    made.machine = AARCH64;
    check(&made, "aarch64", Err(Unfit::Malformed));
}

#[test]
fn a_part_of_a_file_has_no_place_that_the_whole_has_not() {
    let whole = Made::new(GLIBC).bytes();
    let places = of_machine(&whole, "x86_64").expect("a library").places;
    for end in 0..whole.len() {
        let part = of_machine(&whole[..end], "x86_64").map(|library| library.places);
        assert!(part.is_err() || part == Ok(places.clone()), "{end} bytes");
    }
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert_eq!(library(&bytes), Err(Unfit::Malformed));
    }

    #[test]
    fn places_are_few_and_within_the_file(at in 0_usize..1_000, value: u8, is_narrow: bool) {
        let machine = if is_narrow { I386 } else { X86_64 };
        let made = Made { is_narrow, machine, ..Made::new(GLIBC) };
        let mut bytes = made.bytes();
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(library) = of_machine(&bytes, "x86_64") {
            prop_assert!((1..=PLACES).contains(&library.places.len()));
        }
    }
}
