//! What do associations do that the hooks of the control group watch, and what passes meanwhile?

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    LISTEN, PLAYS, counted,
    packets::{Passed, Watch},
    play, serve,
};
use crate::support::{Directory, Metrics, Namespace, Tracer, network::Network, patience, run};

/// What happened while the hooks of the control group watched: what each app says, what passed, and what the tracer says.
pub struct Watched {
    pub truths: Vec<Value>,
    passed: Passed,
    pub metrics: Metrics,
}

impl Watched {
    pub fn new(style: &str) -> Self {
        let (directory, network) = (Directory::new("sctp"), Network::new());
        let tracer = Tracer::start(&["--hooks", "cgroup"]);
        let watch = Watch::start(&network.client);
        let server = serve(&network.server, &directory, style);
        let truths = PLAYS
            .iter()
            .map(|(app, to, arguments)| play(&network.client, &directory, app, to, arguments))
            .collect();
        wait_for_ends(&network);
        let metrics = tracer.metrics();
        drop(server);
        Self {
            truths,
            passed: watch.finish(),
            metrics,
        }
    }

    /// What was sent to an address, and what came from there.
    pub fn both_ways(&self, address: &str) -> [u64; 2] {
        let address: SocketAddr = address.parse().expect("an address");
        let mut both = [0, 0];
        for ((from, to), bytes) in &self.passed {
            both[0] += if *to == address { *bytes } else { 0 };
            both[1] += if *from == address { *bytes } else { 0 };
        }
        both
    }

    /// How many addresses and ports packets came from to an address. Of associations one after the other two may have one port,
    /// which is one contact to whom is sent packets.
    fn remotes(&self, address: &str) -> u64 {
        let address: SocketAddr = address.parse().expect("an address");
        let all = self.passed.keys().filter(|(_, to)| *to == address);
        all.count() as u64
    }

    /// Connections, established, sent, received, refused, by port: as the server's end has them.
    pub fn accepted(&self) -> BTreeMap<String, [u64; 5]> {
        let plays = PLAYS.iter().zip(&self.truths);
        let listening = plays.filter(|((_, to, _), _)| LISTEN.contains(to));
        let accepted = listening.map(|((_, to, _), truth)| {
            let [received, sent] = self.both_ways(to);
            let port = truth["port"].to_string();
            let came = self.remotes(to);
            (port, [came, came, sent, received, 0])
        });
        accepted.collect()
    }

    /// The same as the tracer says of these labels.
    pub fn found(&self, labels: &[(&str, &str)]) -> BTreeMap<String, [u64; 5]> {
        let ports = self.accepted().into_keys();
        ports
            .map(|port| {
                let labels = [labels, &[("port", port.as_str())]].concat();
                let found = counted(&self.metrics, &labels);
                (port, found)
            })
            .collect()
    }
}

/// Waits until the kernel has no association any more: no packet passes from then on.
pub fn wait_for_ends(network: &Network) {
    let deadline = Instant::now() + patience(10);
    let ask = |host: &Namespace| {
        run(host
            .command(Path::new("cat"))
            .arg("/proc/self/net/sctp/assocs"))
    };
    // Besides the heading of each.
    let count = || {
        ask(&network.client)
            .lines()
            .chain(ask(&network.server).lines())
            .count()
            - 2
    };
    while count() > 0 {
        assert!(Instant::now() < deadline, "an association does not end");
        sleep(Duration::from_millis(100));
    }
}
