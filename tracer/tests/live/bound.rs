//! What is bound to an interface, or to a VRF, says to which: an app's contacts with one address over two of them are told apart.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use crate::{
    programs::ways,
    support::{Directory, Helper, Namespace, Tracer, ip, truth, types_are_known},
};

const CLIENT: &str = "10.88.0.1";
const SERVER: &str = "10.88.0.2";
/// The client's links, the datagrams that it sends over each, and the connections that it begins and accepts.
const LINKS: [(&str, u64, u64); 2] = [("link0", 3, 2), ("link1", 5, 4)];
const VRFS: [&str; 2] = ["red", "blue"];
const BYTES: u64 = 100;

/// A client with a server at the end of each link: both have one address, as the client's ends of the links have.
struct Hosts {
    client: Namespace,
    servers: [Namespace; 2],
}

impl Hosts {
    /// Each link is in the VRF of its place; none where there are no names.
    fn new(vrfs: &[&str]) -> Self {
        let client = Namespace::new("tbc");
        let servers = [Namespace::new("tb0"), Namespace::new("tb1")];
        for (at, ((link, ..), server)) in LINKS.iter().zip(&servers).enumerate() {
            let (client, server) = (&client.0, &server.0);
            ip(&format!(
                "-n {client} link add {link} type veth peer name to-client netns {server}"
            ));
            if let Some(vrf) = vrfs.get(at) {
                let table = 100 + at;
                ip(&format!(
                    "-n {client} link add {vrf} type vrf table {table}"
                ));
                ip(&format!("-n {client} link set {vrf} up"));
                ip(&format!("-n {client} link set {link} master {vrf}"));
            }
            for (host, link, address) in [(client, *link, CLIENT), (server, "to-client", SERVER)] {
                ip(&format!("-n {host} addr add {address}/24 dev {link}"));
                ip(&format!("-n {host} link set {link} up"));
            }
        }
        Self { client, servers }
    }
}

/// Contacts and bytes sent by the API's `interface`. The destination is the bare address.
fn by_interface(tracer: &Tracer, app: &str, remote: &str) -> BTreeMap<String, (u64, u64)> {
    let page = tracer.contacts(&format!("app={app}&limit=100"));
    let mut sums = BTreeMap::new();
    for contact in page["contacts"].as_array().expect("a list") {
        assert_eq!(contact["destination"], remote, "{contact}");
        let interface = contact["interface"].as_str().unwrap_or("").to_owned();
        let sum: &mut (u64, u64) = sums.entry(interface).or_default();
        sum.0 += 1;
        sum.1 += contact["sent_bytes"].as_u64().expect("a number");
    }
    sums
}

#[test]
fn what_is_bound_to_an_interface_says_to_which() {
    if types_are_known() {
        ways().iter().for_each(|hooks| check(hooks, &[]));
    }
}

#[test]
fn what_is_bound_to_a_vrf_says_to_which() {
    if !types_are_known() {
        return;
    }
    let trial = Namespace::new("tbv");
    let mut add = Command::new("ip");
    add.args(["-n", &trial.0, "link", "add", "trial", "type", "vrf"]);
    let added = add.args(["table", "9"]).output().expect("start ip");
    if added.status.success() {
        ways().iter().for_each(|hooks| check(hooks, &VRFS));
    } else {
        eprintln!("skipped: this kernel has no VRF");
    }
}

fn check(hooks: &str, vrfs: &[&str]) {
    let name = format!("bound-{hooks}-{}", vrfs.len());
    let (directory, hosts) = (Directory::new(&name), Hosts::new(vrfs));
    let tracer = Tracer::start(&["--hooks", hooks]);
    let mut running = Vec::new();
    let mut expected: [BTreeMap<String, (u64, u64)>; 2] = Default::default();
    for (at, ((link, datagrams, connections), server)) in
        LINKS.iter().zip(&hosts.servers).enumerate()
    {
        let device = vrfs.get(at).unwrap_or(link);
        let mut start = |host: &Namespace, app: &str, arguments: &str, ready: &str| {
            let mut command = host.command(&directory.app(app));
            let mut helper = Helper::start(command.args(arguments.split(' ')), ready);
            if arguments.contains("--rounds") {
                helper.say("");
                let _: Value = serde_json::from_str(&helper.line()).expect("a line of truth");
            }
            running.push(helper);
        };
        let to_server = format!("{SERVER}:7018");
        let listen = format!("--until-stdin-closes --listen {to_server}");
        start(server, "tcp", &format!("serve {listen}"), "ready");
        start(server, "udp", &format!("serve-datagrams {listen}"), "ready");
        for (app, mode) in [("unconnected", "echo"), ("connected", "echo-connected")] {
            let arguments = format!(
                "datagrams --device {device} --rounds --mode {mode} --to {to_server} --times {datagrams} --bytes {BYTES}"
            );
            start(&hosts.client, app, &arguments, "ready");
        }
        let arguments = format!("hold --device {device} --to {to_server} --times {connections}");
        start(&hosts.client, "holder", &arguments, "holding");
        // The other way: both sockets listen at one address.
        let to_client = format!("{CLIENT}:7019");
        let arguments =
            format!("serve --device {device} --until-stdin-closes --listen {to_client}");
        start(&hosts.client, "listener", &arguments, "ready");
        let arguments = format!("hold --to {to_client} --times {connections}");
        start(server, "caller", &arguments, "holding");
        expected[0].insert((*device).to_owned(), (1, datagrams * BYTES));
        expected[1].insert((*device).to_owned(), (*connections, 0));
    }
    let of_datagrams = &expected[0];
    for app in ["unconnected", "connected"] {
        let found = by_interface(&tracer, app, SERVER);
        assert_eq!(found, *of_datagrams, "{app} with {name}");
        let metrics = tracer.metrics();
        let sent: u64 = of_datagrams.values().map(|sum| sum.1).sum();
        let all = [2, 2, sent, sent];
        assert_eq!(truth::counted(&metrics, &[("app", app)]), all, "{name}");
    }
    for app in ["holder", "listener"] {
        let found = by_interface(&tracer, app, SERVER);
        let counts = |sums: &BTreeMap<String, (u64, u64)>| -> Vec<_> {
            sums.iter().map(|(on, sum)| (on.clone(), sum.0)).collect()
        };
        assert_eq!(counts(&found), counts(&expected[1]), "{app} with {name}");
    }
    // Who is bound to none says none.
    let callers = by_interface(&tracer, "caller", CLIENT);
    let connections = LINKS.iter().map(|link| link.2).sum();
    let count: Vec<_> = callers
        .iter()
        .map(|(on, sum)| (on.as_str(), sum.0))
        .collect();
    assert_eq!(count, [("", connections)], "caller with {name}");
    // Who contacts goes first: a server waits for its connections.
    for helper in running.into_iter().rev() {
        helper.finish();
    }
    tracer.metrics().assert_nothing_lost();
}
