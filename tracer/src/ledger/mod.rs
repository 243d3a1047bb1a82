//! Exact totals by app and destination, bounded: beyond the bounds a contact is folded into `~other`, never dropped. What has
//! been silent longest is folded first.
//!
//! The kernel's counters are the truth for programs that live; of programs that are gone the ledger keeps the final
//! sum. A reading is `begin`, an `add` for each counter of the kernel, and `finish`.

mod contacts;
mod durations;
mod identities;
mod remembered;
mod rows;
mod silence;
mod table;

pub use contacts::Contacts;
pub use durations::DurationsByApp;
pub use identities::Identities;
pub use rows::Rows;
pub use table::Place;
