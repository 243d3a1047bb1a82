//! Exact totals by app and destination, bounded: beyond the bounds a contact is folded into `~other`, never dropped. What has
//! been silent longest is folded first.
//!
//! What has ended is added once, for good. What lives, and the kernel's own counters of what found no room, are read anew each time: a
//! reading is `begin`, an `add` for each of them, and `finish`.

mod beside;
mod bypasses;
mod contacts;
mod durations;
mod identities;
mod lookups;
mod remembered;
mod rows;
mod silence;
mod table;

pub use bypasses::BypassesByApp;
pub use contacts::Contacts;
pub use durations::DurationsByApp;
pub use identities::Identities;
pub use lookups::LookupsByApp;
pub use rows::Rows;
pub use table::{Place, subtract, sum};
