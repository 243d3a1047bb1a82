//! Numbers, addresses and names as the text formats write them.
//!
//! By hand, because a scrape writes hundreds of thousands of them and the machinery of `std::fmt` would be most of its cost.

use std::{
    io::Write,
    net::{IpAddr, Ipv6Addr},
};

/// Writes a number in decimal.
pub fn integer(out: &mut Vec<u8>, mut value: u64) {
    // The longest, `u64::MAX`, has 20 digits.
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Writes a number so that reading it gives the same one.
pub fn float(out: &mut Vec<u8>, value: f64) {
    if value == f64::INFINITY {
        out.extend_from_slice(b"+Inf");
    } else if value == f64::NEG_INFINITY {
        out.extend_from_slice(b"-Inf");
    } else {
        write!(out, "{value}").expect("memory takes every write");
    }
}

/// Writes a value of the label `le`. OpenMetrics demands the point in `1.0`; the older format allows it, and the same words
/// in both keep the series of a bucket the same when a scraper changes the format.
pub fn bound(out: &mut Vec<u8>, value: f64) {
    if value == f64::INFINITY {
        out.extend_from_slice(b"+Inf");
    } else {
        write!(out, "{value:?}").expect("memory takes every write");
    }
}

/// Writes the value of a label. Names of programs are chosen by whoever wrote them to disk, so they may hold anything.
pub fn escaped(out: &mut Vec<u8>, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            byte => out.push(byte),
        }
    }
}

/// Writes one sample: `name{label="value",…} value`.
pub fn sample(out: &mut Vec<u8>, name: &str, labels: &[(&str, &str)], value: u64) {
    out.extend_from_slice(name.as_bytes());
    if !labels.is_empty() {
        out.push(b'{');
        pairs(out, labels);
        out.push(b'}');
    }
    out.push(b' ');
    integer(out, value);
    out.push(b'\n');
}

/// Writes labels without the braces around them.
pub fn pairs(out: &mut Vec<u8>, labels: &[(&str, &str)]) {
    for (index, (label, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        escaped(out, value);
        out.push(b'"');
    }
}

/// Writes an address in canonical text (RFC 5952).
pub fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                integer(out, octet.into());
            }
        }
        IpAddr::V6(address) => segments(out, address),
    }
}

fn segments(out: &mut Vec<u8>, address: Ipv6Addr) {
    let segments = address.segments();
    let (start, length) = longest_zeros(segments);
    let mut index = 0;
    while index < segments.len() {
        if index == start && length > 1 {
            out.extend_from_slice(b"::");
            index += length;
            continue;
        }
        if index > 0 && !(length > 1 && index == start + length) {
            out.push(b':');
        }
        hexadecimal(out, segments[index]);
        index += 1;
    }
}

/// Start and length of the first longest run of zeros.
fn longest_zeros(segments: [u16; 8]) -> (usize, usize) {
    let (mut best, mut run) = ((0, 0), (0, 0));
    for (index, segment) in segments.into_iter().enumerate() {
        run = if segment == 0 {
            (run.0, run.1 + 1)
        } else {
            (index + 1, 0)
        };
        if run.1 > best.1 {
            best = run;
        }
    }
    best
}

fn hexadecimal(out: &mut Vec<u8>, value: u16) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let significant = 4 - (value | 1).leading_zeros() / 4;
    for digit in (0..significant).rev() {
        out.push(DIGITS[usize::from(value >> (4 * digit) & 0xf)]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers_are_written_as_std_writes_them() {
        for value in [0, 1, 9, 10, 99, 100, 12_345_678_901, u64::MAX] {
            assert_eq!(written(|out| integer(out, value)), value.to_string());
        }
        assert_eq!(written(|out| float(out, 1.0)), "1");
        assert_eq!(written(|out| float(out, f64::INFINITY)), "+Inf");
        assert_eq!(written(|out| bound(out, 1.0)), "1.0");
        assert_eq!(written(|out| bound(out, 0.000_1)), "0.0001");
        assert_eq!(written(|out| bound(out, 100_000.0)), "100000.0");
    }

    #[test]
    fn a_name_cannot_end_its_label() {
        assert_eq!(
            written(|out| escaped(out, "a\"} 1\n\\b é")),
            "a\\\"} 1\\n\\\\b é"
        );
    }

    #[test]
    fn a_mapped_address_is_written_as_the_ipv4_address_it_means() {
        let mapped = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(written(|out| address(out, mapped)), "192.0.2.1");
    }

    proptest! {
        #[test]
        fn addresses_are_written_as_std_writes_them(bits: u128, kept: u8, four: u32) {
            // Random bits hold no runs of zeros, so some of the eight segments are cleared.
            let mut segments = Ipv6Addr::from(bits).segments();
            for (index, segment) in segments.iter_mut().enumerate() {
                if kept >> index & 1 == 0 {
                    *segment = 0;
                }
            }
            for expected in [IpAddr::from(segments), IpAddr::from(four.to_be_bytes())] {
                prop_assert_eq!(written(|out| address(out, expected)), expected.to_canonical().to_string());
            }
        }
    }
}
