//! `tracer`: which app of this machine contacted whom, how often, and how much it sent.
//!
//! The modules stand in the order in which a contact travels; only `pipeline` knows them all.

pub mod attribute;
pub mod capture;
pub mod command;
mod day;
mod decode;
pub mod enrich;
pub mod expose;
pub mod kernel;
pub mod ledger;
pub mod model;
pub mod name;
mod pipeline;
