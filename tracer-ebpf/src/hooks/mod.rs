//! One file for each thing observed.

pub mod arrived;
pub mod asked;
pub mod association;
pub mod attempt;
mod buffers;
pub mod call;
pub mod fast_path;
mod flow;
pub mod frame;
mod headers;
pub mod listener;
pub mod lookup;
pub mod multipath;
mod name;
pub mod owner;
pub mod packet;
pub mod past;
pub mod peek;
pub mod proxy;
pub mod said;
pub mod sample;
pub mod tcp_begin;
pub mod tcp_close;
pub mod tcp_life;
