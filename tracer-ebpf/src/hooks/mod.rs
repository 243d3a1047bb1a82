//! One file for each thing observed.
//!
//! A function of its own that takes numbers alone has a name in the object (`export_name`, of its file and its own). So it is global, and
//! the kernel verifies it once in each program, for all numbers that there are (since 5.6). One without is verified anew for each way that
//! leads there. Pointers to memory may be handed over only from 5.12 on. Every function takes 32 bytes of the stack or more, of which all
//! that call each other have 512 together.

pub mod arrived;
pub mod asked;
pub mod association;
pub mod attempt;
mod buffers;
pub mod call;
pub mod fast_path;
mod flow;
pub mod frame;
mod handed;
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
