//! Exact totals by app and destination, bounded: beyond the bounds a contact is folded into `~other`, never dropped.
//!
//! The kernel's counters are the truth for programs that live; of programs that are gone the ledger keeps the final
//! sum. A reading is `begin`, an `add` for each counter of the kernel, and `finish`.

mod durations;
mod identities;
mod rows;

pub use durations::DurationsByApp;
pub use identities::Identities;
pub use rows::{Place, Rows};
