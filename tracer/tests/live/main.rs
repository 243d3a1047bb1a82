//! Live tests: a real tracer on this kernel, traffic whose truth is known, and what the tracer says of it.
//!
//! They need root, and run one at a time: each compares the whole machine's count with the tracer's. One binary, since to
//! build one for each file takes longer than to run most of them.

mod allocation;
mod android;
mod apps;
mod asked;
mod associations;
mod attempts;
mod beside;
mod bound;
mod busy;
mod bypass;
mod calibration;
mod carried;
mod churn;
mod contacts;
mod datagram;
mod exact;
mod fast_path;
mod filters;
mod frames;
mod gone;
mod hidden;
mod judged;
mod libraries;
mod listeners;
mod meeting;
mod multipath;
mod named;
mod namespaces;
mod naming;
mod nested;
mod older;
mod overload;
mod past;
mod places;
mod programs;
mod prometheus;
mod refusals;
mod returns;
mod scope;
mod service;
mod shapes;
mod silence;
mod sockets;
mod sources;
mod support;
mod traffic;
mod translated;
mod traps;
mod world;
mod zygote;
