//! Frames that programs make themselves, past the IP stack, compared with the generator's own truth.

use crate::support::{
    Directory, Metrics, Tracer, ip,
    network::{Network, start},
};
use serde_json::Value;

/// One app: its name, whom its frames say they are for, and what it does.
struct Play {
    app: &'static str,
    destination: &'static str,
    port: &'static str,
    arguments: &'static str,
}

const fn play(
    app: &'static str,
    [destination, port]: [&'static str; 2],
    arguments: &'static str,
) -> Play {
    Play {
        app,
        destination,
        port,
        arguments,
    }
}

const IPV4: [&str; 2] = ["10.77.0.2", "7000"];
const IPV6: [&str; 2] = ["fd77::2", "7000"];
/// What is not IP says of no address whom it is for.
const UNKNOWN: [&str; 2] = ["", ""];

const PLAYS: &[Play] = &[
    play("raw4", IPV4, "--mode raw --times 200 --bytes 100"),
    play("raw6", IPV6, "--mode raw --times 200 --bytes 1400"),
    play("dgram4", IPV4, "--mode dgram --times 200 --bytes 1"),
    play("dgram6", IPV6, "--mode dgram --times 200 --bytes 700"),
    play("ring4", IPV4, "--mode ring --times 200 --bytes 333"),
    play("ring6", IPV6, "--mode ring --times 200 --bytes 1000"),
    play("arp", UNKNOWN, "--mode arp --times 50"),
    play("unknown", UNKNOWN, "--mode unknown --times 50 --bytes 80"),
];

/// Past the device's queue: seen only where the kernel has kprobes.
const DIRECT: &[Play] = &[
    play("bypass4", IPV4, "--mode bypass --times 200 --bytes 100"),
    play("bypass6", IPV6, "--mode bypass --times 200 --bytes 1100"),
];

/// Connections, bytes sent: as the generator says, and as the tracer does.
fn compare(metrics: &Metrics, play: &Play, truth: &Value) {
    let labels = [
        ("app", play.app),
        ("direction", "out"),
        ("protocol", "raw"),
        ("destination", play.destination),
        ("port", play.port),
    ];
    let app = [("app", play.app)];
    for (family, value) in [
        ("tracer_connections_total", &truth["connections"]),
        ("tracer_sent_bytes_total", &truth["sent"]),
    ] {
        let value = value.as_u64().expect("a count");
        assert_eq!(
            (metrics.sum(family, &labels), metrics.sum(family, &app)),
            (value, value),
            "{}: {family} there, and anywhere",
            play.app
        );
    }
    assert_eq!(metrics.sum("tracer_received_bytes_total", &app), 0);
}

fn send(directory: &Directory, network: &Network, interface: &str, play: &Play) -> Value {
    let to = if play.destination == IPV6[0] {
        "[fd77::2]:7000"
    } else {
        "10.77.0.2:7000"
    };
    let mut command = network.client.command(&directory.app(play.app));
    command
        .args(["packets", "--interface", interface, "--to", to])
        .args(["--to-mac", "02:00:00:00:00:02"])
        .args(play.arguments.split(' '));
    let output = start(command).wait_with_output().expect("wait for it");
    assert!(output.status.success(), "{}: {}", play.app, output.status);
    serde_json::from_slice(&output.stdout).expect("a line of truth")
}

#[test]
fn frames_of_every_kind_are_counted_with_the_destination_they_carry() {
    if !crate::support::types_are_known() {
        return;
    }
    let (directory, network) = (Directory::new("frames"), Network::new());
    let tracer = Tracer::start(&[]);
    for play in PLAYS {
        let truth = send(&directory, &network, "c0", play);
        compare(&tracer.metrics(), play, &truth);
    }
    let direct = [("signal", "frames_direct")];
    let sees_direct = tracer.metrics().sum("tracer_hook_attached", &direct) == 1;
    for play in DIRECT {
        let truth = send(&directory, &network, "c0", play);
        if sees_direct {
            compare(&tracer.metrics(), play, &truth);
        }
    }
    tracer.metrics().assert_nothing_lost();
}

#[test]
fn a_frame_that_passes_two_devices_is_counted_once() {
    if !crate::support::types_are_known() {
        return;
    }
    let (directory, network) = (Directory::new("frames-stacked"), Network::new());
    ip(&format!(
        "-n {} link add link c0 name upper type macvlan mode bridge",
        network.client.0
    ));
    ip(&format!("-n {} link set upper up", network.client.0));
    let tracer = Tracer::start(&[]);
    for play in PLAYS {
        let truth = send(&directory, &network, "upper", play);
        compare(&tracer.metrics(), play, &truth);
    }
}
