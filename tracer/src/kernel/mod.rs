//! Load, attach, read: all that touches the kernel's BPF.

pub mod attach;
pub mod batch;
pub mod btf;
pub mod calibrate;
pub mod cgroup;
pub mod charges;
mod diag;
pub mod fast_flows;
pub mod globals;
mod helper;
pub mod holders;
pub mod hooks;
pub mod load;
pub mod lookups;
pub mod maps;
pub mod namespaces;
mod object;
pub mod older;
mod perf;
mod preallocated;
pub mod process;
mod prove;
mod queued;
pub mod release;
mod returns;
mod scheduling;
pub mod signal;
pub mod source;
pub mod tables;
mod trial;
pub mod typed;
#[cfg(test)]
mod verifiable;
mod verify;
pub mod waiting;
