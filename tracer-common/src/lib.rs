//! The words that the kernel side and the user side share: fixed-width integers and byte arrays, nothing else.
//!
//! Every structure is `repr(C)`; zerocopy's derives refuse one with hidden padding, so what the kernel writes is what
//! user space reads. Integers are in the machine's byte order unless a field says otherwise. Kinds are integers here and
//! become enums where they are decoded.
#![no_std]

pub mod address;
pub mod connection;
pub mod counter;
pub mod fast;
pub mod map;
pub mod name;
pub mod offset;
pub mod outcome;
pub mod peek;
pub mod record;
mod seal;

pub use address::Address;
pub use fast::FastFlow;
pub use map::{
    Attempt, Call, Charge, Connection, Counts, DestinationKey, Flow, FlowKey, ListenedPort,
    Listener, Listeners, Older, ProcessFacts, ProcessKey, Sending, SocketFacts, Translation,
};
pub use name::NameEvent;
pub use record::Record;
