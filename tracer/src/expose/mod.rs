//! Snapshot -> what a reader gets. Changes nothing.
//!
//! [`text::Exposition`] writes a snapshot as a stream of chunks; [`http`] hands them to whoever asks.
//! [`page`] writes a page of its contacts as JSON.

pub mod body;
pub mod contact;
pub mod contacts;
mod destinations;
pub mod durations;
pub mod format;
pub mod found;
pub mod gzip;
pub mod http;
pub mod listener;
mod names;
pub mod negotiate;
pub mod own;
pub mod page;
pub mod query;
pub mod room;
pub mod rows;
pub mod serve;
pub mod state;
pub mod text;
pub mod time;
pub mod turns;
pub mod value;

#[cfg(test)]
mod openapi;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
