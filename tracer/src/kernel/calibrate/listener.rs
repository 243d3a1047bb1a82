//! Where does the socket that a listener makes lead to it?
//!
//! It begins as a copy of the listener. The head of an empty list leads to itself, so the copy's leads to the listener, as long as it is
//! not set up; which heads are when, is each kernel's own. Whichever is left will do.

use super::{Offsets, objects::Objects, search::Places};

const NAME: &str = "TCP_SENT_LIST";

/// Leaves it unknown where no head is left.
pub fn measure(objects: &Objects, offsets: &mut Offsets) {
    let mut places = Places::default();
    for stream in &objects.streams {
        let bytes = &stream.copied.bytes;
        places.keep(NAME, 8, bytes, |rest| {
            let at = (bytes.len() - rest.len()) as u64;
            rest.starts_with(&stream.listener_sock.wrapping_add(at).to_ne_bytes())
        });
    }
    if let Some(at) = places.left(NAME).first() {
        offsets.put(NAME, *at);
    }
}
