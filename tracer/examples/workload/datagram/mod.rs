//! UDP: a client whose sockets behave in one given way, and the server that answers it.

mod arguments;
mod batch;
mod client;
mod cork;
mod exchange;
mod failing;
mod offload;
mod request;
mod server;
mod unread;
mod uring;

pub use arguments::{Datagrams, ServeDatagrams};
pub use client::run;
pub use failing::reason;
pub use request::{ECHO, SINK, of as payload};
pub use server::run as serve;
