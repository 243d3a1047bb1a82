//! What leaves inside another packet, or by a source route, counts for whom the call named; and what a tunnel carries counts once.

use std::path::Path;

use crate::{
    programs::ways,
    support::{Directory, Helper, Tracer, ip, network::Network, run, truth},
    translated::{Play, check, led, play},
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
