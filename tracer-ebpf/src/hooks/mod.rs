//! One file for each thing observed.

pub mod sample;
pub mod tcp_life;
