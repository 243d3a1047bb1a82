//! Are packets read from captures of every kind, with their times?

use proptest::prelude::*;

use super::*;

/// Time, link, bytes, and whether it was cut off.
type Seen = (Option<u64>, u16, Vec<u8>, bool);

fn read(bytes: &[u8]) -> anyhow::Result<(Vec<Seen>, End)> {
    let mut packets = Vec::new();
    let end = each(bytes, |packet| {
        let Packet {
            time, link, is_cut, ..
        } = *packet;
        packets.push((time, link, packet.bytes.to_vec(), is_cut));
        Ok(())
    })?;
    Ok((packets, end))
}

fn word(value: u32, is_big: bool) -> [u8; 4] {
    if is_big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

fn words(values: &[u32], is_big: bool) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| word(*value, is_big))
        .collect()
}

/// A pcap file for Ethernet with a packet of which two bytes are missing.
fn pcap(magic: u32, fraction: u32, is_big: bool) -> Vec<u8> {
    let version = if is_big { 0x0002_0004 } else { 0x0004_0002 };
    let mut bytes = words(&[magic, version, 0, 0, 65_535, 1], is_big);
    bytes.extend(words(&[7, fraction, 3, 5], is_big));
    bytes.extend(b"abc");
    bytes
}

fn block(kind: u32, body: &[u8], is_big: bool) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = word(12 + body.len() as u32, is_big);
    [&word(kind, is_big)[..], &length, &body, &length].concat()
}

/// A pcapng file of one section, for an interface with this link and these options, and a packet with this stamp.
fn pcapng(link: u8, options: &[u8], stamp: u64, is_big: bool) -> Vec<u8> {
    let version = if is_big { 0x0001_0000 } else { 0x0000_0001 };
    let section = words(&[0x1a2b_3c4d, version, u32::MAX, u32::MAX], is_big);
    let link = if is_big {
        [0, link, 0, 0]
    } else {
        [link, 0, 0, 0]
    };
    let interface = [&link[..], &word(0, is_big), options].concat();
    let stamp = [(stamp >> 32) as u32, stamp as u32];
    let packet = words(&[0, stamp[0], stamp[1], 3, 3], is_big);
    [
        block(0x0a0d_0d0a, &section, is_big),
        block(1, &interface, is_big),
        block(6, &[&packet[..], b"abc"].concat(), is_big),
    ]
    .concat()
}

fn option(code: u8, value: &[u8], is_big: bool) -> Vec<u8> {
    let mut bytes = if is_big {
        vec![0, code, 0, value.len() as u8]
    } else {
        vec![code, 0, value.len() as u8, 0]
    };
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn check(bytes: &[u8], time: Option<u64>, link: u16, is_cut: bool) {
    let (packets, end) = read(bytes).expect("a capture");
    assert_eq!(packets, [(time, link, b"abc".to_vec(), is_cut)]);
    assert_eq!(end, End::Whole);
}

#[test]
fn a_pcap_file_is_read_in_both_byte_orders_and_resolutions() {
    for is_big in [false, true] {
        check(&pcap(0xa1b2_c3d4, 5, is_big), Some(7_000_005_000), 1, true);
        check(&pcap(0xa1b2_3c4d, 5, is_big), Some(7_000_000_005), 1, true);
    }
}

#[test]
fn a_pcapng_file_is_read_in_both_byte_orders_and_any_resolution() {
    for is_big in [false, true] {
        let stamped = |options: &[u8], stamp, time| {
            check(&pcapng(101, options, stamp, is_big), time, 101, false);
        };
        stamped(&[], 7_000_005, Some(7_000_005_000));
        let resolution = |value| option(9, &[value], is_big);
        stamped(&resolution(9), 7_000_000_005, Some(7_000_000_005));
        stamped(&resolution(12), 7_000_000_005_000, Some(7_000_000_005));
        stamped(&resolution(0), 7, Some(7_000_000_000));
        stamped(&resolution(0x81), 15, Some(7_500_000_000));
        stamped(&resolution(0x7f), 15, None);
        let offset = |seconds: i64| {
            let bytes = if is_big {
                seconds.to_be_bytes()
            } else {
                seconds.to_le_bytes()
            };
            option(14, &bytes, is_big)
        };
        stamped(&offset(3), 4_000_000, Some(7_000_000_000));
        stamped(&offset(-3), 4_000_000, Some(1_000_000_000));
        stamped(&offset(-5), 4_000_000, None);
        stamped(&[], u64::MAX, None);
    }
}

#[test]
fn a_section_may_follow_in_the_other_byte_order() {
    let both = [pcapng(1, &[], 1, false), pcapng(113, &[], 2, true)].concat();
    let (packets, _) = read(&both).expect("a capture");
    let read: Vec<_> = packets.iter().map(|packet| (packet.0, packet.1)).collect();
    assert_eq!(read, [(Some(1_000), 1), (Some(2_000), 113)]);
}

#[test]
fn a_simple_packet_has_no_time() {
    let mut bytes = pcapng(1, &[], 1, false);
    bytes.extend(block(3, b"\x04\0\0\0data", false));
    let (packets, _) = read(&bytes).expect("a capture");
    assert_eq!(packets[1], (None, 1, b"data".to_vec(), false));
}

#[test]
fn a_capture_that_was_cut_off_has_what_is_there() {
    let whole = pcap(0xa1b2_c3d4, 5, false);
    let more = [&whole[..], &whole[24..]].concat();
    for end in whole.len() + 1..more.len() {
        let (packets, ended) = read(&more[..end]).expect("a capture");
        assert_eq!((packets.len(), ended), (1, End::CutOff), "{end}");
    }
}

#[test]
fn what_is_no_capture_is_refused_with_a_hint() {
    for bytes in [&b""[..], b"no capture", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0]] {
        let error = read(bytes).expect_err("no capture").to_string();
        assert!(error.contains("\nhint: "), "{error}");
    }
}

#[test]
fn a_block_that_ends_in_itself_is_refused() {
    for is_big in [false, true] {
        // That which tells of processes is 0x80000001; of the others the library refuses it.
        for kind in [0x8000_0001, 1, 6, 0x0bad, 0x0a0d_0d0a] {
            let mut bytes = pcapng(1, &[], 1, is_big);
            bytes.extend(words(&[kind, 8, 8, 8, 8, 8, 8, 8], is_big));
            let error = read(&bytes).expect_err("no block").to_string();
            assert!(error.contains("it is no capture"), "{error}");
        }
    }
}

/// Fails when these bytes have been read.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.read(buffer)
    }
}

#[test]
fn why_reading_failed_is_told() {
    let whole = pcap(0xa1b2_c3d4, 5, false);
    let mut large = whole.clone();
    large.extend(words(&[7, 5, 2_000_000, 2_000_000], false));
    large.resize(10 * BUFFER, 0);
    for bytes in [&b""[..], &whole, &large] {
        let error = each(Failing(bytes), |_| Ok(())).expect_err("a failure");
        assert_eq!(error.to_string(), "the disk is gone");
    }
}

#[test]
fn a_block_is_read_that_is_larger_than_the_buffer() {
    let mut bytes = pcapng(1, &[], 1, false);
    bytes.extend(block(0x0bad, &vec![0; 3 * BUFFER], false));
    bytes.extend(&pcapng(1, &[], 2, false)[..]);
    assert_eq!(read(&bytes).expect("a capture").0.len(), 2);
    let mut bytes = pcap(0xa1b2_c3d4, 5, false);
    bytes.extend(words(&[7, 5, u32::MAX, u32::MAX], false));
    bytes.resize(LARGEST_BLOCK + 100, 0);
    let error = read(&bytes).expect_err("too large").to_string();
    assert!(error.contains("a block of more than"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(
        is_new: bool, is_big: bool, damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), end: prop::sample::Index
    ) {
        let mut bytes = if is_new { pcapng(1, &option(9, &[6], is_big), 9, is_big) } else { pcap(0xa1b2_c3d4, 9, is_big) };
        for (at, value) in damages {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(1 + end.index(bytes.len()));
        let _ = read(&bytes);
    }
}
