//! What do look-ups cost? Printed, not judged: machines differ.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use super::*;

const LOOKUPS: u32 = 1_000_000;

#[test]
fn a_million_look_ups_of_names_and_addresses_are_timed() {
    let names: Vec<String> = (0..table::NAME_STARTS.len() - 1)
        .map(|number| match number % 4 {
            0 => table::name(number).to_owned(),
            1 => format!("www.{}", table::name(number)),
            2 => format!("a1.api.{}", table::name(number)),
            _ => format!("host{number}.example{number}.org"),
        })
        .collect();
    let begun = Instant::now();
    // In steps that visit all names in no order that the table lies in.
    for at in 0..LOOKUPS as usize {
        black_box(owner(&names[at * 7919 % names.len()]));
    }
    let name = begun.elapsed() / LOOKUPS;
    let begun = Instant::now();
    for at in 0..LOOKUPS {
        black_box(operator(IpAddr::V4(Ipv4Addr::from_bits(
            at.wrapping_mul(2_654_435_761),
        ))));
    }
    let address = begun.elapsed() / LOOKUPS;
    let databases = places::databases();
    let begun = Instant::now();
    for at in 0..LOOKUPS {
        // In one of the ranges that the database has: 11.0.0.0/16 and, of an operator whose addresses are at many places, 104.16.0.0/16.
        let range = if at % 2 == 0 {
            0x0b00_0000
        } else {
            0x6810_0000
        };
        let address = IpAddr::V4(Ipv4Addr::from_bits(
            range | (at.wrapping_mul(40_503) & 0xffff),
        ));
        black_box(databases.country(address));
    }
    println!(
        "a name {name:?}, an address in published ranges {address:?}, its country {:?}",
        begun.elapsed() / LOOKUPS
    );
}
