//! What calls hand over that may say a name, where kprobes serve: the same bytes as [`super::name`] takes from packets.

use aya_ebpf::{macros::kprobe, programs::ProbeContext};
use tracer_common::{
    FlowKey,
    map::PROTOCOL_UDP,
    name::{LARGEST, STREAM_BYTES},
};

use super::{
    flow::Datagram,
    name::{Segment, answers, are_wanted, is_dns, is_of_interest, look, may_name},
};
use crate::{
    address::remote,
    maps::FLOWS,
    memory::{forget, read},
    offsets::{
        DATA_IN_ONE, DATA_IN_SEVERAL, DATA_KIND, DATA_KIND_BITS, DATA_LENGTH, DATA_PLACE,
        DATA_SKIPPED, MESSAGE_DATA, PACKET_DATA, PACKET_DATA_LENGTH, PACKET_LENGTH,
        TCP_BYTES_ACKNOWLEDGED, TCP_SEND_END, TCP_SEND_UNACKNOWLEDGED, is_known,
    },
};

/// Buffers of one call that are looked at.
const BUFFERS: u64 = 4;

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
    let end: u32 = read(sock, &TCP_SEND_END);
    let unacked: u32 = read(sock, &TCP_SEND_UNACKNOWLEDGED);
    // The SYN counts as a byte.
    let offset = (acked as u32)
        .wrapping_sub(1)
        .wrapping_add(end.wrapping_sub(unacked));
    if offset >= STREAM_BYTES {
        return 0;
    }
    let port = remote(sock).1;
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

/// What a call hands over.
#[derive(Clone, Copy)]
struct Data {
    kind: u64,
    /// Address of the buffer, or of a list of such.
    place: u64,
    /// Bytes of the first buffer that have been taken.
    skipped: u64,
    /// Of all buffers that have not been looked at.
    length: u64,
}

impl Data {
    #[inline(always)]
    fn of(message: u64) -> Self {
        let data = message.wrapping_add(u64::from(MESSAGE_DATA.load()));
        Self {
            kind: u64::from(read::<u8>(data, &DATA_KIND)) & u64::from(DATA_KIND_BITS.load()),
            place: read(data, &DATA_PLACE),
            skipped: read(data, &DATA_SKIPPED),
            length: read(data, &DATA_LENGTH),
        }
    }

    /// Address and length of one of its buffers; none of what is no memory of the program.
    #[inline(always)]
    fn buffer(&self, index: u64) -> Option<(u64, u32)> {
        if self.length == 0 {
            return None;
        }
        if self.kind == u64::from(DATA_IN_ONE.load()) {
            let place = untagged(self.place).wrapping_add(self.skipped);
            return (index == 0).then(|| (place, bounded(self.length)));
        }
        if self.kind != u64::from(DATA_IN_SEVERAL.load()) {
            return None;
        }
        // `struct iovec`: address and length, copied into the kernel's memory.
        let [place, length]: [u64; 2] = crate::memory::read_at(self.place.wrapping_add(16 * index));
        let skipped = if index == 0 { self.skipped } else { 0 };
        let length = length.wrapping_sub(skipped);
        let length = if length > self.length {
            self.length
        } else {
            length
        };
        Some((untagged(place).wrapping_add(skipped), bounded(length)))
    }
}

/// Programs on arm64 may keep a tag in the upper byte of a pointer, which the kernel ignores and the helper does not.
#[inline(always)]
fn untagged(pointer: u64) -> u64 {
    pointer & 0x00ff_ffff_ffff_ffff
}

#[inline(always)]
fn bounded(length: u64) -> u32 {
    if length > 1 << 20 {
        1 << 20
    } else {
        length as u32
    }
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
