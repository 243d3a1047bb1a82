//! Which name did each contact go to, and how is that known? Bytes that passed become names: pure functions, and a memory with bounds.

mod address;
pub mod dns;
mod heard;
pub mod hello;
pub mod host;
mod lookups;
mod names;
pub mod progress;
mod questions;
pub mod quic;
mod reader;
pub mod stream;

pub use names::{Contact, Names, Request};
