//! A file of packets -> packets, and what is in them up to TCP and UDP. Any bytes give an answer, and little is kept.

pub mod file;
pub mod ip;
pub mod link;
pub mod transport;
