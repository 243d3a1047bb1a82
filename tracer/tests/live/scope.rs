//! A link-local address means another machine on each interface: contacts with it are told apart, and say which they are with.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::{
    programs::ways,
    support::{Directory, Helper, Namespace, Tracer, ip, run, truth},
};

const SERVER: &str = "fe80::b1";
/// The client's interfaces, the datagrams that it sends over each, and the connections.
const LINKS: [(&str, u64, u64); 2] = [("link0", 3, 2), ("link1", 5, 4)];
const BYTES: u64 = 100;

/// A client with a server at the end of each link, both of one address.
fn hosts() -> (Namespace, [Namespace; 2]) {
    let client = Namespace::new("tlc");
    let servers = [Namespace::new("tl0"), Namespace::new("tl1")];
    for ((link, ..), server) in LINKS.iter().zip(&servers) {
        let (client, server) = (&client.0, &server.0);
        ip(&format!(
            "-n {client} link add {link} type veth peer name to-client netns {server}"
        ));
        for (host, link, address) in [(client, *link, "fe80::a1"), (server, "to-client", SERVER)] {
            ip(&format!("-n {host} link set {link} addrgenmode none"));
            ip(&format!("-n {host} addr add {address}/64 dev {link} nodad"));
            ip(&format!("-n {host} link set {link} up"));
        }
    }
    (client, servers)
}

/// The index of an interface of the client.
fn index(client: &Namespace, link: &str) -> String {
    let path = format!("/sys/class/net/{link}/ifindex");
    let index = run(client.command(Path::new("cat")).arg(path));
    index.trim().to_owned()
}

/// Contacts and bytes sent by the API's `destination`.
fn by_destination(tracer: &Tracer, app: &str, protocol: &str) -> BTreeMap<String, (u64, u64)> {
    let page = tracer.contacts(&format!("app={app}&limit=100"));
    let mut sums = BTreeMap::new();
    for contact in page["contacts"].as_array().expect("a list") {
        if contact["protocol"] != protocol {
            continue;
        }
        let text = |field: &str| contact[field].as_str().unwrap_or("").to_owned();
        let destination = text("destination");
        let expected = format!("{}%{}", text("remote_address"), text("interface"));
        assert_eq!(destination, expected, "{contact}");
        assert!(contact["namespace"].is_u64(), "{contact}");
        let sum: &mut (u64, u64) = sums.entry(destination).or_default();
        sum.0 += 1;
        sum.1 += contact["sent_bytes"].as_u64().expect("a number");
    }
    sums
}

#[test]
fn one_link_local_address_on_two_interfaces_is_two_machines() {
    if !crate::support::types_are_known() {
        return;
    }
    for hooks in ways() {
        check(hooks);
    }
}

fn check(hooks: &str) {
    let (directory, (client, servers)) = (Directory::new(&format!("scope-{hooks}")), hosts());
    let tracer = Tracer::start(&["--hooks", hooks]);
    let (mut running, mut expected) = (Vec::new(), BTreeMap::new());
    for ((link, datagrams, connections), server) in LINKS.iter().zip(&servers) {
        let index = index(&client, link);
        let mut tcp = server.command(&directory.app(&format!("tcp-{link}")));
        tcp.args(["serve", "--until-stdin-closes", "--listen", "[::]:7018"]);
        let mut udp = server.command(&directory.app(&format!("udp-{link}")));
        udp.args([
            "serve-datagrams",
            "--until-stdin-closes",
            "--listen",
            "[::]:7018",
        ]);
        running.push(Helper::start(&mut tcp, "ready"));
        running.push(Helper::start(&mut udp, "ready"));
        let to = format!("[{SERVER}%{index}]:7018");
        // While they live, their interface has a name that can be asked for.
        for (app, mode) in [("unconnected", "echo"), ("connected", "echo-connected")] {
            let mut command = client.command(&directory.app(app));
            command.args(["datagrams", "--rounds", "--mode", mode, "--to", &to]);
            command.args([
                "--times",
                &datagrams.to_string(),
                "--bytes",
                &BYTES.to_string(),
            ]);
            let mut helper = Helper::start(&mut command, "ready");
            helper.say("");
            let _: Value = serde_json::from_str(&helper.line()).expect("a line of truth");
            running.push(helper);
        }
        let mut command = client.command(&directory.app("holder"));
        command.args(["hold", "--to", &to, "--times", &connections.to_string()]);
        running.push(Helper::start(&mut command, "holding"));
        expected.insert(format!("{SERVER}%{link}"), (*datagrams, *connections));
    }
    for app in ["unconnected", "connected"] {
        let datagrams = expected
            .iter()
            .map(|(to, (times, _))| (to.clone(), (1, times * BYTES)));
        assert_eq!(
            by_destination(&tracer, app, "udp"),
            datagrams.collect(),
            "{app} with {hooks}"
        );
        let metrics = tracer.metrics();
        let asked = [("app", app), ("destination", SERVER), ("port", "7018")];
        let sent: u64 = LINKS.iter().map(|link| link.1 * BYTES).sum();
        assert_eq!(truth::counted(&metrics, &asked), [2, 2, sent, sent]);
        assert_eq!(
            truth::counted(&metrics, &[("app", app)]),
            [2, 2, sent, sent]
        );
    }
    let connections = by_destination(&tracer, "holder", "tcp");
    let counts = connections.iter().map(|(to, sums)| (to.clone(), sums.0));
    let held = expected.iter().map(|(to, (_, held))| (to.clone(), *held));
    assert_eq!(
        counts.collect::<BTreeMap<_, _>>(),
        held.collect(),
        "with {hooks}"
    );
    for (link, _, connections) in LINKS {
        let accepted = by_destination(&tracer, &format!("tcp-{link}"), "tcp");
        let sums: Vec<_> = accepted.into_iter().map(|(to, sum)| (to, sum.0)).collect();
        assert_eq!(sums, [("fe80::a1%to-client".to_owned(), connections)]);
        let heard = by_destination(&tracer, &format!("udp-{link}"), "udp");
        let sums: Vec<_> = heard.into_iter().map(|(to, sum)| (to, sum.0)).collect();
        assert_eq!(sums, [("fe80::a1%to-client".to_owned(), 2)]);
    }
    // Who contacts goes first: a server waits for its connections.
    for helper in running.into_iter().rev() {
        helper.finish();
    }
    tracer.metrics().assert_nothing_lost();
}
