//! One file for each thing observed.

pub mod attempt;
pub mod call;
pub mod flow;
pub mod listener;
pub mod owner;
pub mod packet;
pub mod peek;
pub mod sample;
pub mod tcp_life;
