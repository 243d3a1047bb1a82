//! Published ranges: every address of a file is its operator's, and no other address is anybody's.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::*;

#[test]
fn each_published_range_is_its_operators_from_its_first_address_to_its_last() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/ip");
    let mut within: BTreeMap<String, usize> = BTreeMap::new();
    let mut ranges = 0;
    for file in fs::read_dir(folder).expect("data/ip") {
        let path = file.expect("an entry").path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a name")
            .to_owned();
        let stem = stem.split('-').next().expect("an operator").to_owned();
        for line in fs::read_to_string(&path).expect("a file").lines() {
            // For documentation and for measuring: a list has them by mistake.
            if [
                "192.0.2.",
                "198.51.100.",
                "203.0.113.",
                "2001:2::",
                "2001:10::",
                "2001:db8::",
            ]
            .iter()
            .any(|special| line.starts_with(special))
            {
                continue;
            }
            let (first, last) = ends(line);
            ranges += 1;
            for address in [first, last] {
                let found = operator(address)
                    .unwrap_or_else(|| panic!("{stem}: {address} of {line} is nobody's"));
                let names = [Some(found.network), found.user];
                let own = |name: &str| {
                    name.eq_ignore_ascii_case(&stem) || (name == "Meta" && stem == "facebook")
                };
                if names.into_iter().flatten().any(own) {
                    if let Some(user) = found.user {
                        *within
                            .entry(format!("{user} inside {}", found.network))
                            .or_default() += 1;
                    }
                } else {
                    *within
                        .entry(format!("{stem} hidden in {names:?}"))
                        .or_default() += 1;
                }
            }
        }
    }
    println!("{ranges} prefixes; ends of ranges inside others: {within:?}");
    assert!(
        within.keys().all(|key| !key.contains("hidden")),
        "{within:?}"
    );
}

fn ends(prefix: &str) -> (IpAddr, IpAddr) {
    let (address, length) = prefix.split_once('/').expect("a prefix");
    let length: u32 = length.parse().expect("a length");
    match address.parse().expect("an address") {
        IpAddr::V4(first) => {
            let last = first.to_bits() | u32::MAX.checked_shr(length).unwrap_or(0);
            (IpAddr::V4(first), IpAddr::V4(Ipv4Addr::from_bits(last)))
        }
        IpAddr::V6(first) => {
            let last = first.to_bits() | u128::MAX.checked_shr(length).unwrap_or(0);
            (IpAddr::V6(first), IpAddr::V6(Ipv6Addr::from_bits(last)))
        }
    }
}

#[test]
fn an_address_that_nobody_publishes_is_nobodys() {
    for address in [
        "192.0.2.1",
        "0.0.0.0",
        "255.255.255.255",
        "::",
        "2001:db8::1",
        "127.0.0.1",
    ] {
        let address: IpAddr = address.parse().expect("an address");
        assert!(operator(address).is_none(), "{address}");
    }
}

#[test]
fn a_mapped_address_is_the_one_it_maps() {
    let network =
        |text: &str| operator(text.parse().expect("an address")).map(|operator| operator.network);
    assert_eq!(network("8.8.8.8"), Some("Google"));
    assert_eq!(network("::ffff:8.8.8.8"), Some("Google"));
}
