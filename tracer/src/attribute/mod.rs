//! Program -> app: pure functions over what the kernel side wrote down and what a few files say.
//!
//! [`Attribution`] is the only one that remembers; it decides which rules hold, [`linux`] or [`android`].

pub mod aid;
pub mod android;
pub mod attribution;
pub mod bounded;
pub mod cgroup;
pub mod container;
pub mod container_names;
pub mod desktop;
pub mod elders;
pub mod escape;
pub mod history;
pub mod holder;
pub mod linux;
pub mod notice;
pub mod packages;
pub mod proc;
pub mod resolution;
pub mod runtime;
pub mod scout;
pub mod service;
pub mod users;
pub mod watched;

#[cfg(test)]
mod tree;

pub use self::{
    android::is_unspecialised,
    attribution::{Attribution, List},
    elders::Elders,
    holder::SocketUser,
    notice::Notice,
    proc::{command_of, program_of},
    resolution::Resolution,
    watched::since_boot_ns,
};
