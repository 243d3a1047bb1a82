//! Tables of addresses that the tests make: real trees, of both families or of one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, UNIX_EPOCH};

use mmdb_writer::{Value, Writer};
use sha2::{Digest as _, Sha256};

/// The older of two days on which a table was built, and the newer, in seconds since 1970.
pub const OLD: u64 = 1_795_000_000;
pub const NEW: u64 = 1_795_100_000;

/// Networks of each family.
const NETWORKS: u32 = 1500;

/// What a record of a network of this number says, by what the table is.
pub fn network(number: u32) -> Value {
    Value::map([
        ("autonomous_system_number", Value::from(64_512 + number)),
        (
            "autonomous_system_organization",
            Value::from(format!("Operator {number} of an example")),
        ),
    ])
}

pub fn country(number: u32) -> Value {
    let letter = |place: u32| char::from(b'A' + (number / place % 26) as u8);
    let code: String = [letter(26), letter(1)].iter().collect();
    Value::map([("country_code", Value::from(code))])
}

/// As MaxMind lays countries out.
pub fn nested(number: u32) -> Value {
    let code = Value::map([(
        "iso_code",
        if number.is_multiple_of(2) { "DE" } else { "FR" },
    )]);
    Value::map([("country", code)])
}

/// A table of both families.
pub fn table(record: fn(u32) -> Value, built: u64) -> Vec<u8> {
    of_families(record, built, true, true)
}

/// A table of the families that are asked for.
pub fn of_families(record: fn(u32) -> Value, built: u64, older: bool, newer: bool) -> Vec<u8> {
    let mut writer = Writer::builder("Example-Table")
        .build_epoch(UNIX_EPOCH + Duration::from_secs(built))
        .build();
    let mut insert = |first: IpAddr, last: IpAddr, value: &Value| {
        writer.insert_range(first, last, value).expect("a range");
    };
    for number in 0..NETWORKS {
        let value = record(number);
        if older {
            let first = u32::from(Ipv4Addr::new(11, 0, 0, 0)) + (number << 8);
            let [first, last] = [first, first + 255].map(|bits| Ipv4Addr::from(bits).into());
            insert(first, last, &value);
        }
        if newer {
            let first = (0x2a00_u128 << 112) + (u128::from(number) << 80);
            let last = first + (1 << 80) - 1;
            let [first, last] = [first, last].map(|bits| Ipv6Addr::from(bits).into());
            insert(first, last, &value);
        }
    }
    writer.to_bytes().expect("a table")
}

/// Its SHA-256.
pub fn sum(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
