//! Who controls a name, and whose network an address is in?
//!
//! Both answers come from tables built into the binary (`data/`), and each carries its source and date. They are kept
//! apart: an owner never comes from the network, and what no source says is unknown. A name of a customer below a
//! shared platform has no owner here, only a platform.

mod address;
mod facts;
mod layout;
mod lookup;
mod owner;
mod table;

#[cfg(test)]
mod tests;

pub use address::{Operator, operator};
pub use facts::{ClaimFact, Confidence, Fact, NameFacts, OwnershipFact, State, facts};
pub use layout::{Relation, Source};
pub use owner::{Owner, Platform, owner};
pub use table::{Set, built, bytes, counts, sets};

/// The day of the embedded data.
pub const DATA_DATE: &str = table::DATE;
