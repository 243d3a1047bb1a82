//! Which name did each contact go to, and how is that known? Bytes that passed become names: pure functions, and a memory with bounds.

mod address;
pub mod answered;
pub mod dns;
mod heard;
pub mod hello;
pub mod host;
mod lookups;
mod messages;
mod names;
pub mod progress;
pub mod proxy;
mod questions;
pub mod quic;
mod reader;
mod remembered;
mod requests;
pub mod stream;
mod within;

pub use address::is_public;
pub use names::{Contact, Names};
pub use remembered::Trace;
pub use requests::Request;
