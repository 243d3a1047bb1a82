//! Databases for tests, by a library that is not the reader's.

use std::{
    fs,
    net::IpAddr,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use mmdb_writer::{IpVersion, Value, Writer};

/// 2026-11-20.
pub const BUILT: u64 = 1_795_132_800;

/// A file of one test's own, which goes with the value: tests of one process run at the same time.
pub struct Temporary(pub PathBuf);

impl Temporary {
    pub fn with(bytes: &[u8]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tracer-mmdb-{}-{number}", process::id()));
        fs::write(&path, bytes).expect("write a file");
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A database with these ranges of addresses, each with a record.
pub fn database(version: IpVersion, rows: &[(&str, &str, Value)]) -> Vec<u8> {
    let mut writer = Writer::builder("Test-DB")
        .ip_version(version)
        .build_epoch(UNIX_EPOCH + Duration::from_secs(BUILT))
        .build();
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    for (first, last, value) in rows {
        writer
            .insert_range(address(first), address(last), value)
            .expect("a range");
    }
    writer.to_bytes().expect("a database")
}

pub fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A record as ip-location-db has it of a network.
pub fn network(number: u32, name: &str) -> Value {
    Value::map([
        ("autonomous_system_number", Value::U32(number)),
        ("autonomous_system_organization", text(name)),
    ])
}

/// A record as ip-location-db has it of a country.
pub fn country(code: &str) -> Value {
    Value::map([("country_code", text(code))])
}

/// A record as MaxMind has it of a country.
pub fn nested(code: &str, anycast: bool) -> Value {
    let names = Value::map([("en", text("Somewhere"))]);
    let country = Value::map([
        ("geoname_id", Value::U32(7)),
        ("iso_code", text(code)),
        ("names", names),
    ]);
    let traits = Value::map([("is_anycast", Value::Bool(anycast))]);
    Value::map([("country", country), ("traits", traits)])
}

/// A record as IPinfo Lite has it.
pub fn ipinfo(number: &str, name: &str, code: &str) -> Value {
    Value::map([
        ("asn", text(number)),
        ("as_name", text(name)),
        ("as_domain", text("example.com")),
        ("country", text("Somewhere")),
        ("country_code", text(code)),
        ("continent", text("Nowhere")),
    ])
}

/// Networks of both families.
pub fn networks() -> Vec<u8> {
    database(
        IpVersion::V6,
        &[
            (
                "11.0.0.0",
                "11.0.255.255",
                network(137_718, "Volcano Engine Technology"),
            ),
            ("11.1.0.0", "11.1.0.255", network(64_496, "Nobody's")),
            (
                "104.16.0.0",
                "104.16.255.255",
                network(13_335, "Cloudflare, Inc."),
            ),
            ("2a10::", "2a10::ffff", network(13_335, "Cloudflare, Inc.")),
        ],
    )
}

/// Countries of both families.
pub fn countries() -> Vec<u8> {
    database(
        IpVersion::V6,
        &[
            ("11.0.0.0", "11.0.255.255", country("CN")),
            ("11.1.0.0", "11.1.0.255", country("SG")),
            ("104.16.0.0", "104.16.255.255", country("US")),
            ("10.0.0.0", "10.255.255.255", country("ZZ")),
            ("2a10::", "2a10::ffff", country("US")),
        ],
    )
}
