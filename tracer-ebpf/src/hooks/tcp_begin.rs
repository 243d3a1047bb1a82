//! A connection of TCP begins: here or from outside, as a contact or as a further subflow of one.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use tracer_common::{
    Connection, DestinationKey,
    map::{
        CONNECTION_ACCEPTED, CONNECTION_CARRIED, CONNECTION_CARRIER, CONNECTION_JOINED,
        CONNECTION_LATE, CONNECTION_NO_CONTACT, CONNECTION_PENDING, DIRECTION_IN, DIRECTION_OUT,
        HANDLE_NO_OWNER, PROTOCOL_TCP,
    },
};

use crate::{
    address::{Head, none},
    clock::{now, zero},
    counts::{NOT_THERE, key, open},
    hooks::{
        attempt, listener,
        multipath::{self, Subflow},
        tcp_close::{end_unseen, let_out_unfollowed},
    },
    maps::CONNECTIONS,
    memory::read,
    offsets::SOCK_PROTOCOL,
    process,
};

/// `SYN_SENT`: in the context of who connects.
///
/// A function of its own, as are those below: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
#[unsafe(export_name = "tcp_begin_begin")]
pub extern "C" fn begin(sock: u64) -> u32 {
    // SCTP, DCCP and MPTCP's own socket pass this tracepoint too.
    if read::<u16>(sock, &SOCK_PROTOCOL) != u16::from(PROTOCOL_TCP) {
        return 0;
    }
    let joins = || multipath::subflow(sock).is_some_and(|subflow| subflow.joined().is_some());
    let process = match attempt::strike_off(sock) {
        // Who it is was found out when the call began.
        Some(process) => process,
        // The kernel begins it, for a contact that has an owner.
        None if joins() => HANDLE_NO_OWNER,
        None => process::current(sock),
    };
    take_up(sock, process, now(), zero(), 0)
}

/// A listener makes a socket for a connection that comes. Nothing but whose it is is known of it yet.
#[inline(never)]
#[unsafe(export_name = "tcp_begin_arrive")]
pub extern "C" fn arrive(sock: u64) -> u32 {
    if read::<u16>(sock, &SOCK_PROTOCOL) != u16::from(PROTOCOL_TCP) {
        return 0;
    }
    let destination = DestinationKey {
        process: listener::owner_of_copy(sock),
        address: none(),
        port: 0,
        protocol: PROTOCOL_TCP,
        direction: DIRECTION_IN,
        overflow: 0,
    };
    let flags = CONNECTION_ACCEPTED | CONNECTION_PENDING;
    let now = now();
    if insert(sock, &destination, now, zero(), flags) != 0 && end_unseen(sock) != 0 {
        // Where there is no room, its handshake tells.
        let _ = insert(sock, &destination, now, zero(), flags);
    }
    0
}

/// The handshake of a connection is complete that a listener has made a socket for; or it is closed, and was a contact all the same
/// (`flags` says so: [`CONNECTION_LATE`]).
#[inline(never)]
#[unsafe(export_name = "tcp_begin_complete")]
pub extern "C" fn complete(sock: u64, flags: u32) -> u32 {
    let Some(connection) = CONNECTIONS.get_ptr_mut(&sock) else {
        return 0;
    };
    // SAFETY: a field of a live map value, which nobody else changes.
    let owner = unsafe { (*connection).destination.process };
    let owner = if owner == HANDLE_NO_OWNER {
        listener::owner_by_port(sock)
    } else {
        owner
    };
    let flags = flags | CONNECTION_ACCEPTED;
    let subflow = multipath::subflow(sock);
    // At its end what it joined may be over.
    let joins = |subflow: &Subflow| {
        subflow.joined().is_some() || flags & CONNECTION_LATE != 0 && subflow.is_counted_elsewhere()
    };
    if subflow.as_ref().is_some_and(joins) {
        let _ = CONNECTIONS.remove(&sock);
        let _ = join(sock, subflow.as_ref(), flags);
        return 0;
    }
    let mut destination = MaybeUninit::uninit();
    let _ = place(sock, owner, flags, &mut destination);
    // SAFETY: it was written.
    let destination = unsafe { destination.assume_init() };
    let flags = carry(sock, subflow.as_ref(), destination, flags);
    open(&destination);
    // SAFETY: fields of the same value. A reader that finds but a part of this finds that its seal is another's.
    unsafe {
        (*connection).destination = destination;
        (*connection).seal = destination.seal();
        (*connection).established_ns = now();
        (*connection).flags = flags as u16;
    }
    0
}

/// The handshake of a connection that came to this machine is complete, and no program saw the listener make its socket.
#[inline(never)]
#[unsafe(export_name = "tcp_begin_accept")]
pub extern "C" fn accept(sock: u64) -> u32 {
    if read::<u16>(sock, &SOCK_PROTOCOL) != u16::from(PROTOCOL_TCP) {
        return 0;
    }
    let now = now();
    take_up(
        sock,
        listener::owner_by_port(sock),
        now,
        now,
        CONNECTION_ACCEPTED,
    )
}

/// It is closed, and no program saw it come. If somebody listens at its port it was accepted; by whom is not known any more, since it
/// has given back what it had of its listener.
#[inline(never)]
#[unsafe(export_name = "tcp_begin_accept_unseen")]
pub extern "C" fn accept_unseen(sock: u64) -> u32 {
    let is_contact = multipath::subflow(sock).is_none_or(|subflow| !subflow.is_counted_elsewhere());
    if is_contact && listener::is_listened(sock) {
        let (now, flags) = (now(), CONNECTION_ACCEPTED | CONNECTION_LATE);
        return take_up(sock, HANDLE_NO_OWNER, now, now, flags);
    }
    0
}

/// Follows a connection as a contact of `owner`, or as a subflow of one. `established_ns` is 0 where its handshake is not complete.
#[inline(never)]
#[unsafe(export_name = "tcp_begin_take_up")]
pub extern "C" fn take_up(
    sock: u64,
    owner: u64,
    began_ns: u64,
    established_ns: u64,
    flags: u32,
) -> u32 {
    let subflow = multipath::subflow(sock);
    if join(sock, subflow.as_ref(), flags) {
        return 0;
    }
    let mut destination = MaybeUninit::uninit();
    let _ = place(sock, owner, flags, &mut destination);
    // SAFETY: it was written.
    let destination = unsafe { destination.assume_init() };
    let flags = carry(sock, subflow.as_ref(), destination, flags);
    follow(sock, &destination, began_ns, established_ns, flags)
}

/// Where a connection is counted.
///
/// A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
fn place(sock: u64, owner: u64, flags: u32, into: &mut MaybeUninit<DestinationKey>) -> u32 {
    let head = Head::of(sock);
    let (address, port) = head.remote();
    into.write(if flags & CONNECTION_ACCEPTED == 0 {
        key(owner, (address, port), PROTOCOL_TCP, DIRECTION_OUT)
    } else {
        key(owner, (address, head.local().1), PROTOCOL_TCP, DIRECTION_IN)
    });
    0
}

/// Follows a subflow that joins a contact. `false` where it is a contact of its own.
#[inline(always)]
fn join(sock: u64, subflow: Option<&Subflow>, flags: u32) -> bool {
    let Some(destination) = subflow.and_then(Subflow::joined) else {
        return false;
    };
    if !multipath::counts_bytes() {
        let _ = follow(sock, &destination, now(), zero(), CONNECTION_JOINED | flags);
    }
    true
}

/// Follows the connection of MPTCP whose first subflow is a contact. Returns the flags of that subflow, which are `flags` and more.
#[inline(always)]
fn carry(sock: u64, subflow: Option<&Subflow>, destination: DestinationKey, flags: u32) -> u32 {
    let Some(subflow) = subflow else {
        return flags;
    };
    // Seen for the first time at its end: nobody would end its connection again, and its own bytes count.
    if flags & CONNECTION_LATE != 0 && subflow.is_over() {
        return flags;
    }
    // A subflow that is seen late is seen so again at its end.
    subflow.begin(&destination);
    if !multipath::counts_bytes() || subflow.connection == sock {
        return flags;
    }
    let _ = follow(
        subflow.connection,
        &destination,
        now(),
        zero(),
        CONNECTION_CARRIER,
    );
    flags | CONNECTION_CARRIED
}

/// Keeps what is known of a new connection until its end. `established_ns` is 0 for an attempt.
#[inline(never)]
fn follow(
    sock: u64,
    destination: &DestinationKey,
    began_ns: u64,
    established_ns: u64,
    flags: u32,
) -> u32 {
    if flags & CONNECTION_NO_CONTACT == 0 {
        open(destination);
    }
    if insert(sock, destination, began_ns, established_ns, flags) == 0 {
        return 0;
    }
    // The end of the socket that was there before was missed, or there is no room.
    if end_unseen(sock) != 0 && insert(sock, destination, began_ns, established_ns, flags) == 0 {
        return 0;
    }
    let_out_unfollowed(sock, destination, began_ns, established_ns, flags)
}

/// 0 where it has found a place.
#[inline(never)]
fn insert(
    sock: u64,
    destination: &DestinationKey,
    began_ns: u64,
    established_ns: u64,
    flags: u32,
) -> u32 {
    let connection = connection(destination, began_ns, established_ns, flags);
    u32::from(CONNECTIONS.insert(&sock, &connection, NOT_THERE).is_err())
}

/// The thread that began a connection: the running one, unless that came from outside or is looked at late.
#[inline(always)]
fn thread(flags: u32) -> u32 {
    if flags & (CONNECTION_ACCEPTED | CONNECTION_LATE) == 0 {
        bpf_get_current_pid_tgid() as u32
    } else {
        0
    }
}

/// What is known of one at its beginning.
#[inline(always)]
pub fn connection(
    destination: &DestinationKey,
    began_ns: u64,
    established_ns: u64,
    flags: u32,
) -> Connection {
    let zero = zero();
    Connection {
        destination: *destination,
        began_ns,
        established_ns,
        sampled_ns: zero,
        sent: zero,
        received: zero,
        cookie: zero,
        local: none(),
        local_port: zero as u16,
        remote_port: zero as u16,
        namespace: zero as u32,
        interface: zero as u32,
        error: zero as i16,
        flags: flags as u16,
        name_from: zero as u16,
        name_next: zero as u16,
        name_to: zero as u16,
        name_state: zero as u16,
        thread: thread(flags),
        // A reader never takes a place that is not known yet for one.
        seal: if flags & CONNECTION_PENDING == 0 {
            destination.seal()
        } else {
            !destination.seal()
        },
        name_head: zero,
    }
}
