//! In whose published ranges does an address lie?

use std::net::IpAddr;

use super::layout::{EMPTY, Range, Source};
use super::table::{self, Set};

/// Whose network an address is in, by what operators publish themselves. It says nothing of who controls a name there.
#[derive(Clone, Copy)]
pub struct Operator {
    /// Whose network it is.
    pub network: &'static str,
    /// Who publishes a narrower range inside that network as theirs.
    pub user: Option<&'static str>,
    /// Who that is among the entities.
    pub entity: Option<u16>,
    /// The data set that says so, and the same as a source.
    pub set: &'static Set,
    pub source: &'static Source,
}

/// `None` where no embedded range has the address: most operators publish none.
#[must_use]
pub fn operator(address: IpAddr) -> Option<Operator> {
    let (network, user) = match address.to_canonical() {
        IpAddr::V4(address) => find(&table::V4, address.to_bits()),
        IpAddr::V6(address) => find(&table::V6, address.to_bits()),
    }?;
    let (at, set) = (0..)
        .zip(&table::SETS)
        .find(|(_, set)| set.name == "ipranges")?;
    let name = |number: u8| table::OPERATORS[usize::from(number)];
    Some(Operator {
        network: name(network),
        entity: Some(table::OPERATOR_ENTITIES[usize::from(network)])
            .filter(|entity| *entity != EMPTY),
        user: (user != network).then(|| name(user)),
        set,
        // The sets are the first of the sources.
        source: table::source(at),
    })
}

fn find<Address: Ord + Copy>(ranges: &[Range<Address>], address: Address) -> Option<(u8, u8)> {
    let after = ranges.partition_point(|range| range.first <= address);
    let range = ranges[..after].last()?;
    (address <= range.last).then_some((range.network, range.user))
}
