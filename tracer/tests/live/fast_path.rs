//! Datagrams of flows that last, which the kernel side counts in slots that user space shares.

use std::thread;

use crate::support::{Directory, Metrics, Namespace, Tracer, network::start};
use aya::maps::{Array, Map, MapData};
use serde_json::Value;
use tracer_common::fast::FastFlows;

/// Bytes sent and received that the kernel side holds in the slots of the fast path.
fn on_the_fast_path() -> (u64, u64) {
    // aya takes the map's value by the stack, more than once.
    const STACK: usize = 64 * size_of::<FastFlows>();
    let reader = thread::Builder::new()
        .stack_size(STACK)
        .spawn(read_fast_path);
    reader
        .expect("start a thread")
        .join()
        .expect("read the slots")
}

fn read_fast_path() -> (u64, u64) {
    let mut all = (0, 0);
    for map in aya::maps::loaded_maps() {
        let map = map.expect("a map of the kernel's");
        if map.name_as_str() != Some("FAST_FLOWS") {
            continue;
        }
        let map = MapData::from_id(map.id()).expect("open the map");
        let map: Array<_, FastFlows> = Map::Array(map).try_into().expect("an array");
        for slot in map.get(&0, 0).expect("the slots") {
            all.0 += slot.sent;
            all.1 += slot.received;
        }
    }
    all
}

#[test]
fn a_flow_that_lasts_is_counted_to_the_byte_in_its_slot() {
    check("127.0.0.1", 1000);
}

#[test]
fn one_over_ipv6_is_counted_to_the_byte_in_its_slot() {
    // No burst: over IPv6 the kernel tells of a full queue since 6.5 only.
    check("::1", 0);
}

/// From one socket at the address to another, which has no room for all of a burst.
fn check(address: &str, burst: u64) {
    const TIMES: u64 = 2000;
    const AGE: u64 = 5;
    let (directory, host) = (Directory::new("fast"), Namespace::new("tw"));
    let tracer = Tracer::start(&["--hooks", "cgroup"]);
    let mut command = host.command(&directory.app("lasting"));
    command
        .args("--deadline 120 loopback --protocol udp --bytes 100".split(' '))
        .args(["--address", address])
        .args(["--times", &TIMES.to_string()])
        .args(["--age", &AGE.to_string()])
        .args(["--burst", &burst.to_string()]);
    let lasting = start(command);
    let fast = |metrics: &Metrics| metrics.sum("tracer_map_entries", &[("map", "fast_flows")]);
    // One of the sender's, one of the taker's.
    tracer.wait_for("both flows on the fast path", |metrics| fast(metrics) == 2);
    let output = lasting.wait_with_output().expect("the workload's output");
    let told: Value = serde_json::from_slice(&output.stdout).expect("what the workload says");
    let kept = told["kept"].as_u64().expect("how many were kept");
    assert!(burst == 0 || kept < burst, "the queue had no room for all");
    // Still there: a flow is over two seconds after its socket. Only what passed before it was there was counted elsewhere.
    let (sent, received) = on_the_fast_path();
    let early = (1 + AGE) * 100;
    let since = |all: u64| all * 100..=all * 100 + early;
    assert!(since(TIMES + burst).contains(&sent), "{sent} bytes sent");
    assert!(
        since(TIMES + kept).contains(&received),
        "{received} bytes received"
    );
    let metrics = tracer.wait_for("no flow on the fast path", |metrics| fast(metrics) == 0);
    let begun = [
        ("app", "lasting"),
        ("direction", "out"),
        ("protocol", "udp"),
    ];
    let accepted = [("app", "lasting"), ("direction", "in"), ("protocol", "udp")];
    let before = 1 + AGE + TIMES;
    for (labels, sent, received) in [(begun, before + burst, 0), (accepted, 0, before + kept)] {
        let sum = |family| metrics.sum(family, &labels);
        assert_eq!(sum("tracer_connections_total"), 1, "{labels:?}");
        assert_eq!(sum("tracer_connections_open"), 0, "{labels:?}");
        assert_eq!(sum("tracer_sent_bytes_total"), sent * 100, "{labels:?}");
        assert_eq!(
            sum("tracer_received_bytes_total"),
            received * 100,
            "{labels:?}"
        );
    }
    metrics.assert_nothing_lost();
}
