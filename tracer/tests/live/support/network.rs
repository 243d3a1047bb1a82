//! Two hosts and a router's bad ends: where every kind of failure can be had.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{Helper, Namespace, ip, run};

/// Link addresses, of those that anybody may give away.
const CLIENT_CARD: &str = "02:00:00:00:00:01";
const SERVER_CARD: &str = "02:00:00:00:00:02";

/// A client's namespace and a server's, joined by a veth pair. The server's drops what goes to 10.78.0.0/24 and
/// fd78::/64, and answers what goes to 10.79.0.0/24 and fd79::/64 with ICMP unreachable.
pub struct Network {
    pub client: Namespace,
    pub server: Namespace,
}

impl Network {
    pub fn new() -> Self {
        let network = Self {
            client: Namespace::new("tc"),
            server: Namespace::new("ts"),
        };
        let (client, server) = (&network.client.0, &network.server.0);
        ip(&format!(
            "-n {client} link add c0 address {CLIENT_CARD} type veth peer name s0 address {SERVER_CARD} netns {server}"
        ));
        for (name, link, v4, v6) in [
            (client, "c0", "10.77.0.1", "fd77::1"),
            (server, "s0", "10.77.0.2", "fd77::2"),
        ] {
            ip(&format!("-n {name} addr add {v4}/24 dev {link}"));
            // Without duplicate address detection the address is good at once.
            ip(&format!("-n {name} addr add {v6}/64 dev {link} nodad"));
            ip(&format!("-n {name} link set {link} up"));
        }
        // Known for good: raw sockets would receive what the kernels ask each other.
        for (name, link, card, v4, v6) in [
            (client, "c0", SERVER_CARD, "10.77.0.2", "fd77::2"),
            (server, "s0", CLIENT_CARD, "10.77.0.1", "fd77::1"),
        ] {
            for address in [v4, v6] {
                ip(&format!(
                    "-n {name} neigh replace {address} lladdr {card} dev {link} nud permanent"
                ));
            }
        }
        ip(&format!("-n {client} route add default via 10.77.0.2"));
        ip(&format!("-n {client} -6 route add default via fd77::2"));
        ip(&format!("-n {server} route add blackhole 10.78.0.0/24"));
        ip(&format!("-n {server} -6 route add blackhole fd78::/64"));
        ip(&format!("-n {server} route add unreachable 10.79.0.0/24"));
        ip(&format!("-n {server} -6 route add unreachable fd79::/64"));
        // The second pair: without it the router answers a few SYNs only and drops the rest.
        for setting in [
            "net.ipv4.ip_forward=1",
            "net.ipv6.conf.all.forwarding=1",
            "net.ipv4.icmp_ratelimit=0",
            "net.ipv4.icmp_msgs_per_sec=1000000",
            "net.ipv4.icmp_msgs_burst=1000000",
            "net.ipv6.icmp.ratelimit=0",
        ] {
            // Some of these are of the whole machine on some kernels, and then are not to be had in a namespace.
            let (name, value) = setting.split_once('=').expect("a setting");
            let path = format!("/proc/sys/{}", name.replace('.', "/"));
            run(network
                .server
                .command(Path::new("sh"))
                .args(["-c", &format!("echo {value} > {path} || true")]));
        }
        network
    }

    /// A server of the generator in the server's namespace, ready to be connected to.
    pub fn serve(&self, generator: &Path, addresses: &[&str]) -> Helper {
        let mut command = self.server.command(generator);
        command
            .args(["serve", "--until-stdin-closes", "--listen"])
            .args(addresses);
        Helper::start(&mut command, "ready")
    }
}

/// Starts a run of the generator whose truth is printed at its end.
pub fn start(mut command: Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("start the generator")
}
