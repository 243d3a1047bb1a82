//! Snapshot -> what a reader gets. Changes nothing.
//!
//! [`text::Exposition`] writes a snapshot as a stream of chunks; [`http`] hands them to whoever asks.

pub mod body;
pub mod durations;
pub mod format;
pub mod gzip;
pub mod http;
pub mod listener;
pub mod negotiate;
pub mod own;
pub mod room;
pub mod rows;
pub mod serve;
pub mod state;
pub mod text;
pub mod turns;
pub mod value;

#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
