//! In whose published ranges does an address lie?

use std::net::IpAddr;

use super::layout::Range;
use super::table::{self, Set};

/// Whose network an address is in, by what operators publish themselves. It says nothing of who controls a name there.
#[derive(Clone, Copy)]
pub struct Operator {
    /// Whose network it is.
    pub network: &'static str,
    /// Who publishes a narrower range inside that network as theirs.
    pub user: Option<&'static str>,
    /// The data set that says so.
    pub set: &'static Set,
}

/// `None` where no embedded range has the address: most operators publish none.
#[must_use]
pub fn operator(address: IpAddr) -> Option<Operator> {
    let (network, user) = match address.to_canonical() {
        IpAddr::V4(address) => find(&table::V4, address.to_bits()),
        IpAddr::V6(address) => find(&table::V6, address.to_bits()),
    }?;
    let set = table::SETS.iter().find(|set| set.name == "ipranges")?;
    let name = |number: u8| table::OPERATORS[usize::from(number)];
    Some(Operator {
        network: name(network),
        user: (user != network).then(|| name(user)),
        set,
    })
}

fn find<Address: Ord + Copy>(ranges: &[Range<Address>], address: Address) -> Option<(u8, u8)> {
    let after = ranges.partition_point(|range| range.first <= address);
    let range = ranges[..after].last()?;
    (address <= range.last).then_some((range.network, range.user))
}
