//! Where does the world's traffic go? From a namespace of clients to one where every address has servers, and a name server has names.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{cases::Case, names::Names, servers};
use crate::support::{Directory, Files, Helper, Namespace, ip, run};

/// Link addresses, of those that anybody may give away.
const CARDS: [&str; 2] = ["02:00:00:00:00:11", "02:00:00:00:00:12"];
/// Addresses that are all the server's. The last are those of a NAT64.
const LOCAL: [&str; 5] = [
    "203.0.113.0/24",
    "198.18.0.0/24",
    "10.66.0.0/24",
    "2001:db8:51::/64",
    "64:ff9b::/96",
];
/// Where nothing answers, and where its router says that there is no way.
const LOST: [&str; 2] = ["198.51.100.0/24", "2001:db8:dead::/64"];
const SHUT: &str = "198.19.0.0/24";

/// `options`: what does not answer is asked again soon.
const RESOLVER: &str = "nameserver 192.0.2.53\noptions timeout:2 attempts:2\n";
const SWITCH: &str = "hosts: files dns\npasswd: files\ngroup: files\n";

/// A contact that a shell makes: `tcp` or `udp`, whom, and the port.
const DIAL: &str =
    "exec 3<>/dev/$1/$2/$3 && echo hello >&3 && read -r -t 2 -n 1 _ <&3 && exec 3>&-\n";

/// All of it, ended and removed with the value in this order.
pub struct Place {
    servers: Vec<Helper>,
    _files: [Files; 2],
    pub client: Namespace,
    pub server: Namespace,
    pub directory: Directory,
}

impl Place {
    /// A world with names for all of these.
    pub fn new(all: &[(Case, Names)]) -> Self {
        let (client, server) = (Namespace::new("wc"), Namespace::new("ws"));
        join(&client.0, &server.0);
        let hosts: String = all.iter().map(|(_, names)| names.hosts()).collect();
        let hosts = format!("127.0.0.1 localhost\n::1 localhost\n{hosts}");
        let files = [
            ("resolv.conf", RESOLVER),
            ("nsswitch.conf", SWITCH),
            ("hosts", &hosts),
        ];
        let mut place = Self {
            servers: Vec::new(),
            _files: [&client, &server].map(|namespace| Files::new(namespace, &files)),
            client,
            server,
            directory: Directory::new("world"),
        };
        let mut zone = "$TTL 60\nexample. SOA ns.example. root.example. 1 60 60 60 60\n\
                        example. NS ns.example.\nns.example. A 192.0.2.54\n"
            .to_owned();
        for (_, names) in all {
            zone.push_str(&names.zone());
        }
        place.write("zone", zone.as_bytes());
        place.write("apps.py", include_bytes!("apps.py"));
        place.write("servers.py", include_bytes!("servers.py"));
        place.write("dial.sh", DIAL.as_bytes());
        place.write("stub-resolv.conf", b"nameserver 127.0.0.53\n");
        fs::create_dir(place.path("nscd")).expect("a directory for the cache's socket");
        place.servers = servers::start(&place);
        place
    }

    pub fn path(&self, name: &str) -> String {
        self.directory.0.join(name).display().to_string()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("write a file of the world");
    }

    /// Whether a SYN of a client's carried data that the server took (TCP Fast Open).
    pub fn has_opened_fast(&self) -> bool {
        let counters = run(self
            .client
            .command(Path::new("cat"))
            .arg("/proc/net/netstat"));
        let mut lines = counters
            .lines()
            .filter_map(|line| line.strip_prefix("TcpExt: "));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let mut both = names.split(' ').zip(values.split(' '));
        both.any(|(name, value)| name == "TCPFastOpenActive" && value != "0")
    }

    /// A copy of a program under another name: another app.
    pub fn copy(&self, program: &Path, app: &str) -> PathBuf {
        let path = self.directory.0.join(app);
        if !path.exists() {
            // By another process: what this one has open for writing is inherited by whatever another thread starts at that moment, and
            // nobody may run it then (`ETXTBSY`).
            run(Command::new("cp").arg(program).arg(&path));
        }
        path
    }
}

/// Joins the two, and gives the second all those addresses.
fn join(client: &str, server: &str) {
    let [client_card, server_card] = CARDS;
    ip(&format!(
        "-n {client} link add c0 address {client_card} type veth peer name s0 address {server_card} netns {server}"
    ));
    let ends = [
        (client, "c0", &["192.0.2.1/24", "2001:db8:1::1/64"][..]),
        (
            server,
            "s0",
            &[
                "192.0.2.2/24",
                "192.0.2.53/24",
                "192.0.2.54/24",
                "192.0.2.66/24",
                "2001:db8:1::2/64",
                "2001:db8:1::53/64",
            ],
        ),
    ];
    for (namespace, link, addresses) in ends {
        for address in addresses {
            // Without duplicate address detection the address is good at once.
            let end = if address.contains(':') { " nodad" } else { "" };
            ip(&format!(
                "-n {namespace} addr add {address} dev {link}{end}"
            ));
        }
        ip(&format!("-n {namespace} link set {link} up"));
    }
    ip(&format!("-n {client} route add default via 192.0.2.2"));
    ip(&format!(
        "-n {client} -6 route add default via 2001:db8:1::2"
    ));
    for prefix in LOCAL {
        ip(&format!("-n {server} route add local {prefix} dev lo"));
    }
    for prefix in LOST {
        ip(&format!("-n {server} route add blackhole {prefix}"));
    }
    ip(&format!("-n {server} route add unreachable {SHUT}"));
    for (namespace, setting) in [
        // Else the router says nothing of where there is no way.
        (server, "net/ipv4/ip_forward=1"),
        // Whoever answers datagrams answers from the address that was asked.
        (server, "net/ipv6/ip_nonlocal_bind=1"),
        // TCP Fast Open, of clients and of servers.
        (client, "net/ipv4/tcp_fastopen=3"),
        (server, "net/ipv4/tcp_fastopen=3"),
    ] {
        let (name, value) = setting.split_once('=').expect("a setting");
        let script = format!("echo {value} > /proc/sys/{name}");
        run(Command::new("ip").args(["netns", "exec", namespace, "sh", "-c", &script]));
    }
}
