//! Connections of MPTCP: one contact each, however many subflows carry it.

use std::{fs, path::Path};

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer, ip,
    network::{Network, start},
    run,
};
use serde_json::Value;

const TIMES: u64 = 10;

fn generate(directory: &Directory, network: &Network, app: &str, arguments: &str) -> Value {
    let mut command = network.client.command(&directory.app(app));
    let times = TIMES.to_string();
    command
        .args(["multipath", "--times", &times])
        .args(arguments.split(' '));
    let output = start(command).wait_with_output().expect("wait for it");
    assert!(output.status.success(), "{app}: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("a line of truth")
}

/// One of the kernel's own counters of MPTCP.
fn joins(namespace: &Namespace, name: &str) -> u64 {
    let text = run(namespace.command(Path::new("cat")).arg("/proc/net/netstat"));
    let mut lines = text.lines().filter(|line| line.starts_with("MPTcpExt:"));
    let names = lines.next().expect("a line of names").split(' ');
    let values = lines.next().expect("a line of values").split(' ');
    let (_, value) = names
        .zip(values)
        .find(|(found, _)| *found == name)
        .expect("the counter");
    value.parse().expect("a number")
}

// include/uapi/linux/mptcp.h
const SOL_MPTCP: libc::c_int = 284;
const MPTCP_INFO: libc::c_int = 1;
/// Where `mptcpi_bytes_received` ends in `struct mptcp_info`.
const WITH_BYTES: libc::socklen_t = 72;

/// Whether this kernel's MPTCP counts bytes itself: its answer about a socket has room for them (6.5). Before, what it sends again
/// over another subflow counts there too, and only contacts can be compared.
fn bytes_are_exact() -> bool {
    // SAFETY: no memory is involved.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP) };
    assert!(socket >= 0, "a socket of MPTCP");
    let mut info = [0_u8; 256];
    let mut length = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes; the descriptor is closed once, and nobody else's.
    let answer = unsafe {
        let answer = libc::getsockopt(
            socket,
            SOL_MPTCP,
            MPTCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        );
        libc::close(socket);
        answer
    };
    answer == 0 && length >= WITH_BYTES
}

/// Connections, established, sent and received: as one end counts them.
fn counted(metrics: &Metrics, app: &str, direction: &str) -> [u64; 4] {
    let labels = [("app", app), ("direction", direction), ("protocol", "tcp")];
    [
        "tracer_connections_total",
        "tracer_connections_established_total",
        "tracer_sent_bytes_total",
        "tracer_received_bytes_total",
    ]
    .map(|family| match family {
        "tracer_sent_bytes_total" | "tracer_received_bytes_total" if !bytes_are_exact() => 0,
        _ => metrics.sum(family, &labels),
    })
}

#[test]
fn subflows_are_no_further_contacts_and_their_bytes_are_the_contacts() {
    if !crate::support::types_are_known() {
        return;
    }
    if !fs::exists("/proc/sys/net/mptcp/enabled").expect("ask for a file") {
        eprintln!("skipped: this kernel has no MPTCP");
        return;
    }
    let (directory, network) = (Directory::new("multipath"), Network::new());
    let (client, server) = (&network.client.0, &network.server.0);
    // A second way from here to there for each connection.
    ip(&format!("-n {client} addr add 10.77.0.3/24 dev c0"));
    for name in [client, server] {
        ip(&format!(
            "-n {name} mptcp limits set subflow 2 add_addr_accepted 2"
        ));
    }
    ip(&format!(
        "-n {client} mptcp endpoint add 10.77.0.3 dev c0 subflow"
    ));
    let mut command = network.server.command(&directory.app("server"));
    command.args([
        "serve",
        "--multipath",
        "--until-stdin-closes",
        "--listen",
        "10.77.0.2:7000",
        "[fd77::2]:7000",
    ]);
    let serving = Helper::start(&mut command, "ready");
    let tracer = Tracer::start(&[]);
    // A server that is none of MPTCP's: those that connect fall back to plain TCP.
    let plain = network.serve(&directory.app("plain"), &["10.77.0.2:7002"]);
    let plays = [
        (
            "two-ways",
            "--to 10.77.0.2:7000 --subflows 1 --bytes-out 300007 --bytes-in 200003",
        ),
        // The server's last packet of MPTCP comes before its subflows have ended.
        (
            "spoken-to",
            "--to 10.77.0.2:7000 --subflows 1 --bytes-out 7 --bytes-in 20003 --speak-first",
        ),
        (
            "one-way",
            "--to [fd77::2]:7000 --bytes-out 30007 --bytes-in 20003",
        ),
        (
            "fallback",
            "--to 10.77.0.2:7002 --bytes-out 30007 --bytes-in 20003",
        ),
    ];
    let truths = plays.map(|(app, arguments)| generate(&directory, &network, app, arguments));
    assert_eq!(joins(&network.client, "MPJoinSynAckRx"), 2 * TIMES);
    let metrics = tracer.wait_for("every connection has ended", |metrics| {
        let open = |port| metrics.sum("tracer_connections_open", &[("port", port)]);
        open("7000") + open("7002") == 0
    });
    let mut total = [0; 4];
    for ((app, _), truth) in plays.iter().zip(&truths) {
        let truth = ["connections", "established", "sent", "received"].map(|name| match name {
            "sent" | "received" if !bytes_are_exact() => Some(0),
            _ => truth[name].as_u64(),
        });
        let found = counted(&metrics, app, "out");
        assert_eq!(found.map(Some), truth, "{app}");
        for (total, found) in total.iter_mut().zip(found) {
            *total += found;
        }
    }
    // The other end saw the same, the other way round.
    let [connections, established, sent, received] = total;
    let accepted = ["server", "plain"].map(|app| counted(&metrics, app, "in"));
    assert_eq!(
        [0, 1, 2, 3].map(|at| accepted[0][at] + accepted[1][at]),
        [connections, established, received, sent]
    );
    // Nobody else was charged with the subflows: the kernel makes them in a thread of its own.
    for direction in ["out", "in"] {
        let contacts = |port| {
            let labels = [("port", port), ("direction", direction)];
            metrics.sum("tracer_connections_total", &labels)
        };
        assert_eq!(
            contacts("7000") + contacts("7002"),
            connections,
            "{direction}"
        );
    }
    metrics.assert_all_have_an_app();
    metrics.assert_nothing_lost();
    drop((serving, plain));
}
