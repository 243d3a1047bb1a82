//! Does a large exposition stay cheap?

use std::{sync::Arc, time::Instant};

use super::{format::Format, gzip::Gzip, own::OwnMetrics, text::Exposition};
use crate::model::{Destination, Direction, Identity, Kind, Protocol, Row, Snapshot, Totals};

/// A row for every destination of one of 50 apps, a third of them IPv6.
fn large(rows: u32) -> Arc<Snapshot> {
    let destination = |index: u32| {
        let (high, middle) = ((index % 97) as u16, (index % 31) as u16);
        let address = match index % 3 {
            0 => [0x2001, 0xdb8, high, middle, 0, 0, 0, index as u16].into(),
            _ => (0x0a00_0000 + index).to_be_bytes().into(),
        };
        Destination::Address { address, port: 443 }
    };
    let totals = |index: u32| {
        let bytes = u64::from(index) * 7_919;
        Totals {
            connections: 12,
            established: 12,
            open: 1,
            sent: bytes,
            received: bytes * 10,
            ..Totals::default()
        }
    };
    let row = |index: u32| Row {
        identity: index % 50,
        destination: destination(index),
        company: "",
        country: crate::model::Country::default(),
        direction: Direction::Out,
        protocol: Protocol::Tcp,
        sums: (&totals(index)).into(),
        open: totals(index).open,
    };
    let identity = |index: u32| Identity {
        app: format!("com.example.app{index}").into(),
        user: "0".into(),
        uid: index,
        kind: Kind::Android,
        version: "".into(),
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    Arc::new(Snapshot {
        identities: Arc::new((0..50).map(identity).collect()),
        rows: rows
            .chunks(1_024)
            .map(|block| Arc::new(block.to_vec()))
            .collect(),
        ..Snapshot::default()
    })
}

#[test]
fn chunks_stay_small_however_long_the_exposition() {
    let chunks: Vec<_> = Exposition::new(large(10_000), Vec::new(), Format::OpenMetrics)
        .map(|chunk| chunk.len())
        .collect();
    assert!(
        chunks.len() > 100 && chunks.iter().all(|length| *length < 68 * 1024),
        "{chunks:?}"
    );
}

#[test]
#[ignore = "a measurement; hint: cargo test --release -p tracer --lib expose::speed -- --ignored --nocapture"]
fn a_scrape_of_a_hundred_thousand_series_is_written_within_the_goal() {
    let snapshot = large(20_000);
    let measure = |name: &str, run: &dyn Fn() -> usize| {
        let mut times: Vec<_> = (0..11)
            .map(|_| {
                let began = Instant::now();
                (run(), began.elapsed())
            })
            .collect();
        times.sort_by_key(|(_, time)| *time);
        eprintln!(
            "{name}: {} bytes, median {:?}, best {:?}",
            times[5].0, times[5].1, times[0].1
        );
        times[5].1
    };
    let exposition = || Exposition::new(Arc::clone(&snapshot), Vec::new(), Format::OpenMetrics);
    let text = measure("100,000 series, text", &|| {
        exposition().map(|chunk| chunk.len()).sum()
    });
    measure("100,000 series, gzip", &|| {
        Gzip::new(exposition()).map(|chunk| chunk.len()).sum()
    });
    let own = OwnMetrics::default();
    measure("own metrics", &|| own.gather().len());
    assert!(
        text.as_millis() < 15,
        "slower than the goal: {text:?}; hint: is this a release build on an idle machine?"
    );
}
