//! Shapes of traffic that traffic tools are tried with, one app each. Each has its own test somewhere:
//!
//! | shape | where |
//! |---|---|
//! | bulk up, bulk down | `exact`: `upload`, `download` |
//! | full duplex, slow drip, many small exchanges, parallel burst | here |
//! | UDP up and down, over IPv4 and IPv6 | `datagram`: `sendto4`, `sendto6`, `gro`, `echo6` |
//! | flood of small datagrams, of ICMP | here |
//! | IPv6, v4 mapped into v6, loopback | `exact`: `plain6`, `mapped`, `local4`, `local6` |
//! | raw IP | `datagram`: `raw4`, `raw6`, `rawhdr4`, `rawhdr6` |
//! | processes that live for one connect | `overload`: `a_hundred_thousand_processes_…` |
//! | sendfile, splice, writev, `MSG_ZEROCOPY`, `io_uring` | `exact`: plays of these names |
//! | sendmmsg, recvmmsg, `UDP_SEGMENT`, `io_uring` | `datagram`: plays of these names |
//! | from a container | here; its name: `apps` |
//! | TCP Fast Open, MPTCP | `sockets` |

use std::path::Path;

use crate::support::{
    Directory, Helper, Tracer,
    group::{Group, naming},
    network::Network,
    truth,
};

/// An app, the protocol it is counted under, and what it does.
const PLAYS: &[[&str; 3]] = &[
    [
        "duplex4",
        "tcp",
        "connect --mode duplex --to 10.77.0.2:7000 --times 8 --bytes-out 1000003 --bytes-in 1500007",
    ],
    [
        "duplex6",
        "tcp",
        "connect --mode duplex --to [fd77::2]:7000 --times 8 --bytes-out 1500007 --bytes-in 1000003",
    ],
    [
        "drip",
        "tcp",
        "connect --mode drip --to 10.77.0.2:7000 --times 4 --threads 4 --bytes-out 301 --bytes-in 7",
    ],
    [
        "small",
        "tcp",
        "connect --mode echo --to 10.77.0.2:7000 --times 1000 --bytes-out 1 --bytes-in 1",
    ],
    [
        "burst",
        "tcp",
        "connect --mode echo --to [fd77::2]:7000 --times 200 --threads 200 --bytes-out 501 --bytes-in 1009",
    ],
    [
        "flood4",
        "udp",
        "datagrams --mode send-to --to 10.77.0.2:7001 --times 20000 --bytes 1",
    ],
    [
        "flood6",
        "udp",
        "datagrams --mode connected --to [fd77::2]:7001 --times 20000 --bytes 1",
    ],
    [
        "pingflood4",
        "icmp",
        "echo-requests --mode raw --to 10.77.0.2 --times 3000",
    ],
    [
        "pingflood6",
        "icmp",
        "echo-requests --mode raw --to fd77::2 --times 3000",
    ],
];

/// What a program in a container does, and the app that it then is.
const CONTAINED: &[[&str; 3]] = &[
    [
        "c0ffee001122",
        "tcp",
        "connect --mode echo --to 10.77.0.2:7000 --times 50 --bytes-out 3001 --bytes-in 2003",
    ],
    [
        "c0ffee001123",
        "udp",
        "datagrams --mode echo --to [fd77::2]:7001 --sockets 10 --times 50",
    ],
];

/// The rest of a container's id, of which the first 12 digits are its name.
const REST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123";

fn serve(network: &Network, program: &Path, what: &str, port: u16) -> Helper {
    let mut command = network.server.command(program);
    command.args([what, "--until-stdin-closes", "--listen"]);
    command.args([format!("10.77.0.2:{port}"), format!("[fd77::2]:{port}")]);
    Helper::start(&mut command, "ready")
}

#[test]
fn traffic_of_every_shape_is_counted_to_the_contact_and_to_the_byte() {
    let (directory, network) = (Directory::new("traffic"), Network::new());
    let program = directory.app("traffic-server");
    let servers = [("serve", 7000, "tcp"), ("serve-datagrams", 7001, "udp")]
        .map(|(what, port, protocol)| (serve(&network, &program, what, port), protocol));
    let tracer = Tracer::start(&[]);
    let mut told: Vec<_> = PLAYS
        .iter()
        .map(|[app, _, arguments]| {
            let mut command = network.client.command(&directory.app(app));
            command.args(arguments.split(' '));
            truth::told(&truth::lines(command))
        })
        .collect();
    for [app, _, arguments] in CONTAINED {
        let group = Group::new(&naming(), &format!("docker/{app}{REST}"));
        let mut command = network.client.command(&directory.app("contained"));
        command.args(arguments.split(' '));
        told.push(truth::told(&truth::lines(group.inside(&command))));
    }
    let plays = || PLAYS.iter().chain(CONTAINED);
    let server = |protocol| [("app", "traffic-server"), ("protocol", protocol)];
    let metrics = tracer.wait_for("every contact has ended", |metrics| {
        plays().all(|[app, ..]| truth::is_over(metrics, &[("app", app)]))
            && truth::is_over(metrics, &server("tcp"))
    });
    let differences: Vec<String> = plays()
        .zip(&told)
        .flat_map(|([app, protocol, _], told)| {
            let place = [("app", *app), ("protocol", *protocol), ("direction", "out")];
            let mut differences = truth::differences(&metrics, &place, *told);
            // And nothing of it anywhere else.
            differences.extend(truth::differences(&metrics, &[("app", app)], *told));
            differences
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    for (helper, protocol) in servers {
        let lines = helper.finish();
        let lines = truth::parse(lines.iter().map(String::as_str));
        assert_eq!(
            truth::sum(&lines, "dropped"),
            0,
            "{protocol}: nothing to compare with"
        );
        let [begun, answered] = if protocol == "tcp" {
            ["accepted"; 2]
        } else {
            ["contacts", "answered"]
        };
        let told = [begun, answered, "sent", "received"].map(|name| truth::sum(&lines, name));
        truth::check(&metrics, &server(protocol), told);
    }
    metrics.assert_nothing_lost();
}
