//! What calls hand over that may say a name, where kprobes serve: the same bytes as [`super::name`] takes from packets.

use aya_ebpf::{macros::kprobe, programs::ProbeContext};
use tracer_common::{
    FlowKey,
    map::PROTOCOL_UDP,
    name::{LARGEST, STREAM_BYTES},
};

use super::{
    buffers::{BUFFERS, Data},
    flow::Datagram,
    name::{Segment, answers, are_wanted, is_dns, is_looked_at, is_of_interest, look, may_name},
};
use crate::{
    maps::FLOWS,
    memory::{forget, read},
    offsets::{
        MESSAGE_DATA, PACKET_DATA, PACKET_DATA_LENGTH, PACKET_LENGTH, SOCK_REMOTE_PORT,
        TCP_BYTES_ACKNOWLEDGED, TCP_SEND_END, TCP_SEND_UNACKNOWLEDGED, is_known,
    },
};

/// Times that numbers are read anew which changed meanwhile.
const TRIES: u64 = 3;

/// `int tcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size)`, in `struct proto` since ever.
#[kprobe]
pub fn stream_said(context: ProbeContext) -> u32 {
    if let (Some(sock), Some(message)) = (context.arg(0), context.arg(1)) {
        let _ = stream(sock, message);
    }
    0
}

#[inline(always)]
fn stream(sock: u64, message: u64) -> u32 {
    let acked: u64 = read(sock, &TCP_BYTES_ACKNOWLEDGED);
    // Most calls end here.
    if acked > u64::from(STREAM_BYTES) {
        return 0;
    }
    // Nothing more is looked for where it was found, and where it was not begun here.
    if !is_looked_at(sock) {
        return 0;
    }
    let offset = written(sock, acked);
    if offset >= STREAM_BYTES {
        return 0;
    }
    let port = u16::from_be(read(sock, &SOCK_REMOTE_PORT));
    let mut data = Data::of(message);
    let mut offset = offset;
    for index in 0..BUFFERS {
        forget(&mut offset);
        forget(&mut data);
        let Some((buffer, length)) = data.buffer(index) else {
            break;
        };
        // Behind the last buffer stands anything.
        data.length = data.length.wrapping_sub(length.into());
        let mut segment = Segment {
            at: 0,
            length,
            sequence: 0,
            port,
        };
        if length != 0 {
            forget(&mut segment);
            let _ = look(buffer as *mut _, sock, offset, &segment);
        }
        offset = offset.wrapping_add(length);
    }
    0
}

/// Bytes of the stream before the call, which does not have the socket to itself yet: an acknowledgement may come meanwhile, and counts what
/// it acknowledges before it takes that out of what is under way. So both are read until neither has changed.
#[inline(always)]
fn written(sock: u64, acked: u64) -> u32 {
    let mut acked = acked;
    let mut unacked: u32 = read(sock, &TCP_SEND_UNACKNOWLEDGED);
    let mut end: u32 = read(sock, &TCP_SEND_END);
    for _ in 0..TRIES {
        let acked_now: u64 = read(sock, &TCP_BYTES_ACKNOWLEDGED);
        let unacked_now: u32 = read(sock, &TCP_SEND_UNACKNOWLEDGED);
        if acked_now == acked && unacked_now == unacked {
            break;
        }
        (acked, unacked) = (acked_now, unacked_now);
        end = read(sock, &TCP_SEND_END);
    }
    // The SYN counts as a byte.
    (acked as u32)
        .wrapping_sub(1)
        .wrapping_add(end.wrapping_sub(unacked))
}

/// A call sends a datagram over an open flow. A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
pub fn datagram_said(key: &FlowKey, message: u64) -> u32 {
    if !are_wanted() || !is_known(&MESSAGE_DATA) {
        return 0;
    }
    let Some(flow) = FLOWS.get_ptr_mut(key) else {
        return 0;
    };
    if !is_of_interest(key, flow) {
        return 0;
    }
    // Who hands a datagram over in several buffers has a first one that says it all, or is not heard.
    let Some((buffer, length)) = Data::of(message).buffer(0) else {
        return 0;
    };
    let datagram = Datagram {
        flow: *key,
        bytes: length.into(),
        ..Datagram::default()
    };
    may_name(buffer as *mut _, &datagram, flow)
}

/// A datagram is queued for a socket, its UDP header gone.
#[inline(always)]
pub fn datagram_told(datagram: &Datagram, packet: u64) {
    if are_wanted() && datagram.flow.protocol == PROTOCOL_UDP && is_dns(datagram.flow.port) {
        let _ = told(datagram, packet);
    }
}

#[inline(never)]
fn told(datagram: &Datagram, packet: u64) -> u32 {
    let start: u64 = read(packet, &PACKET_DATA);
    let length: u32 = read(packet, &PACKET_LENGTH);
    // What does not lie there is in pages of its own.
    let elsewhere: u32 = if is_known(&PACKET_DATA_LENGTH) {
        read(packet, &PACKET_DATA_LENGTH)
    } else {
        0
    };
    let length = length.saturating_sub(elsewhere);
    let datagram = Datagram {
        bytes: u64::from(if length > LARGEST as u32 {
            LARGEST as u32
        } else {
            length
        }),
        ..*datagram
    };
    answers(start as *mut _, &datagram)
}
