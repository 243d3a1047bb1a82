//! Bytes that an app sent, or was answered -> names: pure functions, which keep no more than they are asked to.

pub mod dns;
pub mod hello;
pub mod host;
pub mod progress;
pub mod quic;
mod reader;
pub mod stream;
