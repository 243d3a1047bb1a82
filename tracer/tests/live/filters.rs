//! A datagram has arrived when its socket takes it: what the socket's own filter refuses did not.

use std::fs;

use crate::{
    programs::ways,
    support::{Directory, Helper, Tracer, network::Network, truth},
};

const PLACE: &str = "10.77.0.2:7007";
/// What the server's filter lets through.
const AT_MOST: &str = "100";

/// Each app, its sockets, what each sends, and how long that is.
const PLAYS: [(&str, &str, &str, &str); 3] = [
    ("filter-short", "5", "4", "100"),
    ("filter-long", "3", "2", "101"),
    ("filter-more", "2", "3", "50"),
];

#[test]
fn what_a_sockets_own_filter_refuses_did_not_arrive() {
    for hooks in ways() {
        if hooks == "tracing" || tells_why_it_drops() {
            check(hooks);
        }
    }
}

pub fn tells_why_it_drops() -> bool {
    let types = fs::read("/sys/kernel/btf/vmlinux").unwrap_or_default();
    let reason = b"SKB_DROP_REASON_SOCKET_FILTER";
    let tells = types.windows(reason.len()).any(|part| part == reason);
    if !tells {
        eprintln!("at the control group: this kernel does not tell why it drops a packet");
    }
    tells
}

fn check(hooks: &str) {
    let (directory, network) = (Directory::new(&format!("filter-{hooks}")), Network::new());
    let tracer = Tracer::start(&["--hooks", hooks]);
    let mut command = network.server.command(&directory.app("filter-server"));
    command.args(["serve-datagrams", "--until-stdin-closes"]);
    command.args(["--at-most", AT_MOST, "--listen", PLACE]);
    let server = Helper::start(&mut command, "ready");
    // All of them first: what has ended is over two seconds later.
    let all = PLAYS.map(|(app, sockets, times, bytes)| {
        let mut command = network.client.command(&directory.app(app));
        command.args(["datagrams", "--mode", "send-to", "--to", PLACE]);
        command.args(["--sockets", sockets, "--times", times, "--bytes", bytes]);
        (app, truth::lines(command))
    });
    for (app, told) in all {
        let metrics = tracer.wait_for("every contact has ended", |metrics| {
            truth::are_over(metrics, &[("app", app)], truth::told(&told)[0])
        });
        let begun = [("app", app), ("direction", "out"), ("protocol", "udp")];
        assert_eq!(
            truth::counted(&metrics, &begun),
            truth::told(&told),
            "{app}"
        );
    }
    let lines = server.finish();
    let told = truth::parse(lines.iter().map(String::as_str));
    // Seven remotes were heard, 26 datagrams; six were refused.
    assert_eq!(truth::sum(&told, "contacts"), 7);
    assert_eq!(truth::sum(&told, "received"), 5 * 4 * 100 + 2 * 3 * 50);
    let accepted = [("app", "filter-server"), ("direction", "in")];
    let metrics = tracer.wait_for("the server's contacts have ended", |metrics| {
        truth::are_over(metrics, &accepted, 7)
    });
    assert_eq!(
        truth::counted(&metrics, &accepted),
        [7, 0, 0, truth::sum(&told, "received")]
    );
    metrics.assert_nothing_lost();
}
