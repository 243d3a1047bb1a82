//! The same addresses and ports at the same time in two network namespaces.

use std::{path::Path, process::Command};

use crate::support::{Directory, Helper, Namespace, Tracer, network::start, run};

#[test]
fn the_same_addresses_and_ports_in_two_namespaces_are_told_apart() {
    let directory = Directory::new("namespaces");
    let hosts = [Namespace::new("ta"), Namespace::new("tb")];
    let generator = directory.app("server");
    let servers: Vec<_> = hosts
        .iter()
        .map(|host| {
            let mut command = host.command(&generator);
            command.args([
                "serve",
                "--until-stdin-closes",
                "--listen",
                "127.0.0.1:7000",
            ]);
            Helper::start(&mut command, "ready")
        })
        .collect();
    let tracer = Tracer::start(&[]);
    // The same source port for each connection too, in both namespaces.
    for host in &hosts {
        let one_port = "echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range";
        run(host.command(Path::new("sh")).args(["-c", one_port]));
    }
    let running: Vec<_> = hosts
        .iter()
        .zip([("first", "1200"), ("second", "900")])
        .map(|(host, (app, times))| {
            let mut command: Command = host.command(&directory.app(app));
            command.args([
                "connect",
                "--to",
                "127.0.0.1:7000",
                "--mode",
                "reset",
                "--times",
                times,
            ]);
            start(command)
        })
        .collect();
    for child in running {
        assert!(
            child
                .wait_with_output()
                .expect("wait for the generator")
                .status
                .success()
        );
    }
    let metrics = tracer.metrics();
    assert_eq!(
        metrics.sum("tracer_connections_total", &[("app", "first")]),
        1200
    );
    assert_eq!(
        metrics.sum("tracer_connections_established_total", &[("app", "first")]),
        1200
    );
    assert_eq!(
        metrics.sum("tracer_connections_total", &[("app", "second")]),
        900
    );
    assert_eq!(
        metrics.sum("tracer_connections_established_total", &[("app", "second")]),
        900
    );
    for server in servers {
        server.finish();
    }
}
