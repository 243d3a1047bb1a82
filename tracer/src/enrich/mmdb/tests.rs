//! Is each schema read, is what is no database refused, and does what was opened stay the same?

use std::{fs, io::Write as _, thread, time::Duration};

use mmdb_writer::{IpVersion, Value};
use proptest::prelude::*;

use super::{
    made::{self, Temporary},
    *,
};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// What a database says of an address, read from a file.
fn said(bytes: &[u8], kind: Kind, of: &str) -> Option<(u32, String, Option<[u8; 2]>, bool)> {
    let file = Temporary::with(bytes);
    let database = Database::open(&file.0, kind).expect("a database");
    let record = database.find(address(of)).expect("a record")?;
    let operator = record.operator.to_owned();
    Some((record.asn, operator, record.country, record.anycast))
}

#[test]
fn each_schema_is_read() {
    let both = |v4: Value, v6: Value| {
        made::database(
            IpVersion::V6,
            &[("11.0.0.0", "11.0.0.255", v4), ("2a10::", "2a10::ffff", v6)],
        )
    };
    let check = |bytes: &[u8], kind, schema, expected| {
        let file = Temporary::with(bytes);
        let database = Database::open(&file.0, kind).expect("a database");
        assert_eq!(database.summary().schema, schema);
        assert_eq!(database.summary().built, made::BUILT);
        assert_eq!(whole(bytes, kind), Ok((database.summary().clone(), 2)));
        assert_eq!(said(bytes, kind, "11.0.0.7"), Some(expected));
        assert_eq!(said(bytes, kind, "11.0.1.0"), None);
    };
    let flat = both(
        made::network(13_335, "Cloudflare, Inc."),
        made::network(1, ""),
    );
    let expected = (13_335, "Cloudflare, Inc.".to_owned(), None, false);
    check(&flat, Kind::Network, Schema::Flat, expected);
    let flat = both(made::country("SG"), made::country("CN"));
    let expected = (0, String::new(), Some(*b"SG"), false);
    check(&flat, Kind::Country, Schema::Flat, expected);
    let nested = both(made::nested("NL", true), made::nested("DE", false));
    let expected = (0, String::new(), Some(*b"NL"), true);
    check(&nested, Kind::Country, Schema::Nested, expected);
    let ipinfo = both(
        made::ipinfo("AS15169", "Google LLC", "US"),
        made::ipinfo("AS1", "", "DE"),
    );
    let expected = (15_169, "Google LLC".to_owned(), Some(*b"US"), false);
    check(&ipinfo, Kind::Network, Schema::Ipinfo, expected.clone());
    check(&ipinfo, Kind::Country, Schema::Ipinfo, expected);
    assert_eq!(
        said(&nested, Kind::Country, "2a10::1").and_then(|(.., code, _)| code),
        Some(*b"DE")
    );
}

#[test]
fn a_field_of_another_kind_says_nothing() {
    let odd = Value::map([
        ("country_code", Value::U32(7)),
        ("country", Value::array([made::text("DE")])),
        ("autonomous_system_number", made::text("13335")),
        ("asn", made::text("13335")),
        ("traits", Value::Bytes(vec![1])),
        ("is_anycast", Value::Double(1.0)),
        ("size", Value::U128(u128::MAX)),
        ("many", Value::U64(u64::MAX)),
        ("few", Value::I32(-1)),
        ("part", Value::Float(0.5)),
    ]);
    let rows = [
        ("11.0.0.0", "11.0.0.255", odd),
        ("11.0.1.0", "11.0.1.255", made::country("usa")),
        ("11.0.2.0", "11.0.2.255", made::country("de")),
        ("11.0.3.0", "11.0.3.255", made::country("DE")),
        ("2a10::", "2a10::ffff", made::country("DE")),
    ];
    let bytes = made::database(IpVersion::V6, &rows);
    let code = |of| said(&bytes, Kind::Country, of).map(|(asn, _, code, cast)| (asn, code, cast));
    assert_eq!(code("11.0.0.1"), Some((0, None, false)));
    assert_eq!(code("11.0.1.1"), Some((0, None, false)));
    assert_eq!(code("11.0.2.1"), Some((0, None, false)));
    assert_eq!(code("11.0.3.1"), Some((0, Some(*b"DE"), false)));
}

#[test]
fn a_file_that_does_not_answer_what_is_asked_is_refused_and_why() {
    let check = |bytes: &[u8], kind, because: &str| {
        let file = Temporary::with(bytes);
        let opened = Database::open(&file.0, kind).map(|_| ());
        let error = opened.expect_err("it cannot be used");
        assert!(error.contains(because), "{error}");
        let checked = check(&file.0, kind).expect_err("it cannot be used");
        assert!(checked.contains(because), "{checked}");
    };
    check(b"", Kind::Network, "it is empty");
    check(
        b"<html>not found</html>",
        Kind::Network,
        "no whole database",
    );
    let whole = made::networks();
    check(
        &whole[..whole.len() / 2],
        Kind::Network,
        "no whole database",
    );
    check(&whole, Kind::Country, "it says no country");
    check(&made::countries(), Kind::Network, "it says no network");
    let v4 = ("11.0.0.0", "11.0.0.255", made::country("DE"));
    let v6 = ("2a10::", "2a10::ffff", made::country("DE"));
    let only = |version, row: &(_, _, Value)| made::database(version, std::slice::from_ref(row));
    check(
        &only(IpVersion::V4, &v4),
        Kind::Country,
        "IPv4 addresses only",
    );
    check(
        &only(IpVersion::V6, &v4),
        Kind::Country,
        "IPv4 addresses only",
    );
    check(
        &only(IpVersion::V6, &v6),
        Kind::Country,
        "IPv6 addresses only",
    );
    check(
        &only(IpVersion::V6, &("11.0.0.0", "11.0.0.1", made::text("DE"))),
        Kind::Country,
        "",
    );
    let folder = std::env::temp_dir();
    let error = Database::open(&folder, Kind::Country).map(|_| ());
    assert_eq!(error, Err("it is no file".to_owned()));
}

#[test]
fn what_was_opened_stays_the_same_whatever_happens_to_the_file() {
    let before = made::countries();
    let code = |database: &Database| {
        let found = database.find(address("11.0.0.7")).expect("a record");
        found.and_then(|record| record.country)
    };
    // Cut short, written over, and replaced by another one.
    for change in 0..3 {
        let file = Temporary::with(&before);
        let database = Database::open(&file.0, Kind::Country).expect("a database");
        assert_eq!(code(&database), Some(*b"CN"));
        assert!(!database.keep().expect("nobody wants to write"));
        let path = file.0.clone();
        let writer = thread::spawn(move || match change {
            0 => fs::File::create(path).map(drop),
            1 => fs::OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut file| file.write_all(&[0; 4096])),
            _ => {
                let new = path.with_extension("new");
                fs::write(&new, b"another").and_then(|()| fs::rename(new, path))
            }
        });
        let mut kept = false;
        while !writer.is_finished() {
            kept |= database.keep().expect("a copy");
            thread::sleep(Duration::from_millis(1));
        }
        writer.join().expect("no panic").expect("it may write");
        // One that was replaced is still there under no name.
        assert_eq!(kept, change != 2);
        assert_eq!(code(&database), Some(*b"CN"));
        assert!(!database.keep().expect("once is enough"));
    }
}

#[test]
fn a_file_that_somebody_writes_to_already_is_copied() {
    let file = Temporary::with(&made::countries());
    let writer = fs::OpenOptions::new()
        .write(true)
        .open(&file.0)
        .expect("open it");
    let database = Database::open(&file.0, Kind::Country).expect("a database");
    writer.set_len(0).expect("cut it short");
    let found = database.find(address("11.0.0.7")).expect("a record");
    assert_eq!(found.and_then(|record| record.country), Some(*b"CN"));
}

#[test]
fn what_is_too_large_to_be_opened_is_not_taken_for_whole() {
    let file = Temporary::with(b"");
    let sparse = fs::File::options().write(true).open(&file.0).expect("open");
    sparse.set_len((1 << 30) + 1).expect("make it large");
    drop(sparse);
    let checked = check(&file.0, Kind::Network).expect_err("it cannot be used");
    assert!(checked.contains("larger than 1 GiB"), "{checked}");
}

#[test]
fn a_tree_whose_nodes_are_below_many_is_refused_at_once() {
    const DEPTH: usize = 40;
    let mut bytes = made::networks();
    let reader = Reader::from_source(&bytes[..]).expect("a database");
    let (size, nodes) = (reader.metadata().record_size, reader.metadata().node_count);
    assert_eq!(size, 24);
    // Each node has the next one on both sides, the last nothing: 2 to the power of 40 empty leaves.
    for node in 0..DEPTH {
        let next = if node + 1 < DEPTH {
            node as u32 + 1
        } else {
            nodes
        };
        let next = &next.to_be_bytes()[1..];
        bytes[6 * node..6 * node + 6].copy_from_slice(&[next, next].concat());
    }
    let error = whole(&bytes, Kind::Network).expect_err("it is no tree");
    assert!(error.contains("more leaves than nodes"), "{error}");
    let file = Temporary::with(&bytes);
    let opened = Database::open(&file.0, Kind::Network).map(|_| ());
    assert_eq!(opened, Err(error));
}

proptest! {
    #[test]
    fn every_beginning_of_a_file_gives_an_answer(length in 0_usize..4096) {
        for bytes in [made::networks(), made::countries()] {
            let length = length.min(bytes.len() - 1);
            prop_assert!(whole(&bytes[..length], Kind::Network).is_err());
        }
    }

    #[test]
    fn a_damaged_file_gives_an_answer(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8), of: u128) {
        let mut bytes = made::networks();
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let _ = whole(&bytes, Kind::Network);
        let file = Temporary::with(&bytes);
        if let Ok(database) = Database::open(&file.0, Kind::Network) {
            for address in [IpAddr::from(of.to_be_bytes()), address("11.0.0.1"), address("2a10::1")] {
                let _ = database.find(address);
            }
        }
    }
}
