//! Who controls a name, is a resolver there, and whose network is an address in?
//!
//! All answers come from tables built into the binary (`data/`), and each carries its source and date. They are kept
//! apart: an owner never comes from the network, and what no source says is unknown. A name of a customer below a
//! shared platform has no owner here, only a platform.

mod address;
mod facts;
mod layout;
mod lookup;
pub mod mmdb;
mod owner;
mod place;
mod resolver;
mod table;

#[cfg(test)]
mod tests;

pub use facts::{
    ClaimFact, Confidence, Fact, NameFacts, OwnershipFact, ResolverFact, State, facts, parents,
};
pub use layout::{Relation, ResolverKind, Source};
pub use owner::{Owner, Platform, owner, role, top};
pub use place::{Anycast, COUNTRY_CONFIDENCE, Databases, From, Located, Network};
pub use resolver::resolver;
pub use table::{Set, built, bytes, counts, sets};

/// The day of the embedded data.
pub const DATA_DATE: &str = table::DATE;
