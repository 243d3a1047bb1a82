//! tracer on phones: how is it built for them, put there, started and looked after?
//!
//! The real adb client does the talking. [`device::Device`] is the one type that everything goes through.

pub mod adb;
mod bounded;
pub mod build;
mod choose;
mod command;
pub mod device;
mod elf;
pub mod facts;
pub mod forward;
pub mod logs;
mod module;
mod process;
pub mod push;
pub mod ready;
pub mod root;
pub mod start;
pub mod status;
pub mod stop;

pub use command::{Arguments, android, say};
