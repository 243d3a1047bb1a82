//! The headers of a packet: whom it is from or for, and where the protocol's own header begins.

use core::ffi::c_void;

use aya_ebpf::programs::SkBuffContext;
use tracer_common::Address;

use crate::memory::forget;

// Protocol numbers of IANA that are no end of a row of headers.
const IPV4_INSIDE: u8 = 4;
const IPV6_INSIDE: u8 = 41;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// The first byte of a header of IPv4 of five words.
pub const IPV4_WITHOUT_OPTIONS: u8 = (4 << 4) | 5;
pub const IPV4_HEADER: usize = 20;
pub const IPV6_HEADER: usize = 40;
/// Most extension headers of IPv6 that are looked behind: the protocol has no more kinds that a host sends.
const EXTENSIONS: usize = 4;

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Out,
    In,
}

/// What the headers say.
#[derive(Clone, Copy, Default)]
pub struct Packet {
    pub remote: Address,
    pub protocol: u8,
    /// Where the header of that protocol begins.
    pub payload: usize,
    /// The first word there, where it was at hand: the ports, if the protocol has them.
    ports: u32,
    /// 0 where it was not. No `Option`: what is not there would be stored all the same, which the verifier refuses.
    at_hand: u32,
}

impl Packet {
    #[inline(always)]
    pub fn carries_another(&self) -> bool {
        matches!(self.protocol, IPV4_INSIDE | IPV6_INSIDE)
    }
}

/// The headers wherever they are, also those of a packet inside, where it may be one. 0 where there are none. A function of its own, as
/// is [`super::flow::end`].
#[inline(never)]
pub fn look_further(context: *mut c_void, way: Way, may_carry: bool, packet: &mut Packet) -> u32 {
    let context = SkBuffContext::new(context.cast());
    let Some(mut found) = far(&context, way, 0) else {
        return 0;
    };
    if may_carry && found.carries_another() {
        let Some(inside) = far(&context, way, found.payload) else {
            return 0;
        };
        found = inside;
    }
    *packet = found;
    forget(packet);
    1
}

/// The headers as they mostly are: in one piece, without options, and more behind them.
#[inline(always)]
pub fn near(context: &SkBuffContext, way: Way) -> Option<Packet> {
    let skb = context.skb.skb;
    // SAFETY: fields of the context; the kernel makes pointers of them.
    let (start, end) = unsafe { ((*skb).data as usize, (*skb).data_end as usize) };
    if start + IPV4_HEADER + size_of::<u32>() > end {
        return None;
    }
    let (bytes, words) = (start as *const u8, start as *const u32);
    // SAFETY: within the bounds that were just compared, or are before the second read. An IP header is aligned as words
    // are, or the machine reads words wherever they lie: the kernel's own code does the same.
    unsafe {
        let first = *bytes;
        if first == IPV4_WITHOUT_OPTIONS {
            return Some(Packet {
                remote: Address::mapped(*words.add(if way == Way::Out { 4 } else { 3 })),
                protocol: *bytes.add(9),
                payload: IPV4_HEADER,
                ports: *words.add(5),
                at_hand: 1,
            });
        }
        if first >> 4 != 6 || start + IPV6_HEADER + size_of::<u32>() > end {
            return None;
        }
        let at = if way == Way::Out { 6 } else { 2 };
        let protocol = *bytes.add(6);
        (!is_extension(protocol)).then(|| Packet {
            remote: Address::of_words([
                *words.add(at),
                *words.add(at + 1),
                *words.add(at + 2),
                *words.add(at + 3),
            ]),
            protocol,
            payload: IPV6_HEADER,
            ports: *words.add(10),
            at_hand: 1,
        })
    }
}

/// The headers wherever they are, the first of them `at` so many bytes into the packet.
#[inline(always)]
fn far(context: &SkBuffContext, way: Way, at: usize) -> Option<Packet> {
    let first: [u8; IPV4_HEADER] = context.load(at).ok()?;
    match first[0] >> 4 {
        4 => Some(Packet {
            remote: Address::mapped(
                context
                    .load(at + if way == Way::Out { 16 } else { 12 })
                    .ok()?,
            ),
            protocol: first[9],
            payload: at + usize::from(first[0] & 15) * 4,
            ports: 0,
            at_hand: 0,
        }),
        6 => {
            let remote = context
                .load(at + if way == Way::Out { 24 } else { 8 })
                .ok()?;
            let (protocol, payload) = behind_extensions(context, at + IPV6_HEADER, first[6])?;
            Some(Packet {
                remote: Address::of_words(remote),
                protocol,
                payload,
                ports: 0,
                at_hand: 0,
            })
        }
        _ => None,
    }
}

fn is_extension(header: u8) -> bool {
    matches!(
        header,
        HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS
    )
}

/// The protocol behind the extension headers of IPv6 (RFC 8200, section 4), of which the first begins `at`, and where its header
/// begins.
#[inline(always)]
fn behind_extensions(context: &SkBuffContext, mut at: usize, mut next: u8) -> Option<(u8, usize)> {
    for _ in 0..EXTENSIONS {
        if !is_extension(next) {
            break;
        }
        let header: [u8; 2] = context.load(at).ok()?;
        at += if next == FRAGMENT {
            8
        } else {
            (usize::from(header[1]) + 1) * 8
        };
        next = header[0];
    }
    Some((next, at))
}

/// Its source and destination port, in the machine's byte order.
#[inline(always)]
pub fn ports(context: &SkBuffContext, packet: &Packet) -> Option<(u16, u16)> {
    let word = if packet.at_hand == 0 {
        context.load(packet.payload).ok()?
    } else {
        packet.ports
    };
    let both = u32::from_be(word);
    Some(((both >> 16) as u16, both as u16))
}
