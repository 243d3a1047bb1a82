//! Is what the kernel hides from programs of BPF told from what they see?

use std::net::TcpListener;

use crate::support::hidden::Hidden;

/// Changes of a socket that listens, listens no longer, and is gone, as far as they are taken for hidden.
fn check(counted: u32, expected: usize) {
    let hidden = Hidden::of(std::process::id(), counted).expect("watch this process");
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let port = listener.local_addr().expect("where it listens").port();
    drop(listener);
    let changes = hidden.changes();
    // Sockets of others may change in softirq on top of this process.
    let own = changes.iter().filter(|change| change[0] == port);
    assert_eq!(own.count(), expected, "{changes:?}");
}

#[test]
fn what_programs_see_is_not_hidden_and_what_they_do_not_see_is() {
    check(std::process::id(), 0);
    // Nothing runs on top of the second process, a thread of the kernel, but what interrupts it.
    check(2, 3);
}
