//! What leaves inside another packet, or by a source route, counts for whom the call named; and what a tunnel carries counts once.

use std::{path::Path, process::Command};

use crate::{
    programs::ways,
    support::{Directory, Helper, Tracer, ip, network::Network, run, truth},
    translated::{Play, check, ended, led, play},
};

#[test]
fn what_a_route_carries_inside_counts_for_whom_the_call_named() {
    for hooks in ways() {
        let (directory, network) = (Directory::new(&format!("inside-{hooks}")), Network::new());
        let (client, server) = (&network.client.0, &network.server.0);
        ip(&format!("-n {server} -6 addr add fd97::1/128 dev lo"));
        ip(&format!("-n {server} addr add 10.97.0.1/32 dev lo"));
        // By SRv6 (RFC 8754): the datagram is inside another packet.
        ip(&format!(
            "-n {client} -6 route add fd97::/64 encap seg6 mode encap segs fd77::2 dev c0"
        ));
        for (host, settings) in [
            (&network.client, "net/ipv4/conf/*/accept_source_route"),
            (
                &network.server,
                "net/ipv6/conf/*/seg6_enabled net/ipv4/conf/*/accept_source_route",
            ),
        ] {
            let set = format!("cd /proc/sys; for name in {settings}; do echo 1 > $name; done");
            run(host.command(Path::new("sh")).args(["-c", &set]));
        }
        let mut command = network.server.command(&directory.app("server"));
        command.args(["serve-datagrams", "--until-stdin-closes", "--listen"]);
        let places = ["[fd97::1]:7031", "10.97.0.1:7025"];
        let helper = Helper::start(command.args(places), "ready");
        let tracer = Tracer::start(&["--hooks", hooks]);
        let (inside, around) = ("[fd97::1]:7031", "10.97.0.1:7025");
        let plays: [Play; 4] = [
            ("inside", inside, "--mode echo --sockets 3 --times 10"),
            (
                "inside-connected",
                inside,
                "--mode echo-connected --sockets 3 --times 10",
            ),
            (
                "around",
                around,
                "--mode echo --sockets 3 --times 10 --through 10.77.0.2",
            ),
            (
                "around-connected",
                around,
                "--mode echo-connected --sockets 3 --times 10 --through 10.77.0.2",
            ),
        ];
        for each in plays {
            let arguments = format!("datagrams --to {} {}", each.1, each.2);
            let told = truth::told(&play(&network, &directory, each.0, &arguments));
            check(&tracer, hooks, each, "udp", told);
            let led = led(&tracer, each.0);
            assert_eq!(led, vec![Default::default(); 3], "nothing is translated");
        }
        helper.finish();
        tracer.metrics().assert_nothing_lost();
    }
}

#[test]
fn what_a_tunnel_carries_below_is_counted_once_above() {
    for hooks in ways() {
        let (directory, network) = (Directory::new(&format!("tunnel-{hooks}")), Network::new());
        for (host, link, remote, address) in [
            (&network.client, "c0", "10.77.0.2", "10.61.0.1"),
            (&network.server, "s0", "10.77.0.1", "10.61.0.2"),
        ] {
            let host = &host.0;
            ip(&format!(
                "-n {host} link add above type vxlan id 7 remote {remote} dstport 4789 dev {link}"
            ));
            ip(&format!("-n {host} addr add {address}/24 dev above"));
            ip(&format!("-n {host} link set above up"));
        }
        let to = "10.61.0.2:7000";
        let mut command = network.server.command(&directory.app("server"));
        command.args(["serve-datagrams", "--until-stdin-closes", "--listen", to]);
        let server = Helper::start(&mut command, "ready");
        let tracer = Tracer::start(&["--hooks", hooks]);
        for (app, mode) in [("above", "echo"), ("above-connected", "echo-connected")] {
            let arguments = format!("datagrams --to {to} --mode {mode} --sockets 4 --times 20");
            let told = truth::told(&play(&network, &directory, app, &arguments));
            check(&tracer, hooks, (app, to, &arguments), "udp", told);
        }
        server.finish();
        let metrics = tracer.metrics();
        let below = [("port", "4789")];
        assert_eq!(truth::counted(&metrics, &below), [0; 4], "with {hooks}");
        metrics.assert_all_have_an_app();
        metrics.assert_nothing_lost();
    }
}

/// Has what passes between both ends encrypted (ESP in transport mode, RFC 4303). `false` where the kernel knows no such thing.
fn encrypt(network: &Network) -> bool {
    const KEY: &str = "0x000102030405060708090a0b0c0d0e0f10111213";
    let (client, server) = (&network.client.0, &network.server.0);
    for [one, other] in [["10.77.0.1", "10.77.0.2"], ["fd77::1", "fd77::2"]] {
        for host in [client, server] {
            for [from, to, number] in [[one, other, "0x100"], [other, one, "0x101"]] {
                let ends = format!("src {from} dst {to}");
                let mut command = Command::new("ip");
                command.args(["-n", host, "xfrm", "state", "add"]);
                command.args(ends.split(' '));
                command.args(["proto", "esp", "spi", number, "mode", "transport"]);
                command.args(["aead", "rfc4106(gcm(aes))", KEY, "128"]);
                let output = command.output().expect("start ip");
                if !output.status.success() {
                    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
                    return false;
                }
                let is_out = (host == client) == (from == one);
                let way = if is_out { "out" } else { "in" };
                ip(&format!(
                    "-n {host} xfrm policy add {ends} dir {way} tmpl {ends} proto esp mode transport"
                ));
            }
        }
    }
    true
}

#[test]
fn what_ipsec_encrypts_counts_for_whom_the_call_named() {
    const TIMES: u64 = 20;
    const SOCKETS: u64 = 4;
    for hooks in ways() {
        let (directory, network) = (Directory::new(&format!("ipsec-{hooks}")), Network::new());
        if !encrypt(&network) {
            eprintln!("skipped: this kernel has no ESP");
            return;
        }
        let places = ["10.77.0.2:7041", "[fd77::2]:7042"];
        let mut command = network.server.command(&directory.app("server"));
        command.args(["serve-datagrams", "--until-stdin-closes", "--listen"]);
        let server = Helper::start(command.args(places), "ready");
        let mut command = network.server.command(&directory.app("tcp-server"));
        command.args(["serve", "--until-stdin-closes", "--listen"]);
        let tcp_server = Helper::start(command.args(places), "ready");
        let tracer = Tracer::start(&["--hooks", hooks]);
        let mut datagrams = 0;
        for (at, to) in places.into_iter().enumerate() {
            for mode in ["echo", "echo-connected"] {
                let app = format!("{mode}-{at}");
                let arguments = format!(
                    "datagrams --to {to} --mode {mode} --sockets {SOCKETS} --times {TIMES}"
                );
                let told = truth::told(&play(&network, &directory, &app, &arguments));
                let found = truth::counted(
                    &ended(&tracer, &app, told[0]),
                    &[
                        ("app", &app),
                        ("destination", address(to)),
                        ("protocol", "udp"),
                    ],
                );
                datagrams += SOCKETS * TIMES;
                let [contacts, answered, sent, received] = told;
                // At the cgroup it is encrypted by the time that it is seen.
                let sent = if hooks == "cgroup" { 0 } else { sent };
                assert_eq!(
                    found,
                    [contacts, answered, sent, received],
                    "{app} with {hooks}"
                );
            }
            // TCP's sockets have the numbers.
            let app = format!("tcp-{at}");
            let arguments = format!("connect --to {to} --mode echo --times 5");
            let told = truth::told(&play(&network, &directory, &app, &arguments));
            let found = truth::counted(
                &ended(&tracer, &app, told[0]),
                &[
                    ("app", &app),
                    ("destination", address(to)),
                    ("protocol", "tcp"),
                ],
            );
            assert_eq!(found, told, "{app} with {hooks}");
        }
        server.finish();
        tcp_server.finish();
        let metrics = tracer.metrics();
        let hidden = [("stage", "kernel"), ("reason", "payload_hidden")];
        let hidden = metrics.sum("tracer_lost_total", &hidden);
        // The answers as well.
        let expected = if hooks == "cgroup" { 2 * datagrams } else { 0 };
        assert_eq!(hidden, expected, "datagrams that nobody could look into");
        metrics.assert_all_have_an_app();
    }
}

/// The address of a place.
fn address(place: &str) -> &str {
    let (address, _) = place.rsplit_once(':').expect("an address and a port");
    address.trim_matches(['[', ']'])
}
