//! Sockets used in unusual ways: data in the SYN, handed to another process, to another namespace, inherited, multipath.

use std::path::PathBuf;

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer,
    network::Network,
    truth::{self, Counts},
};

const TIMES: u64 = 20;

/// A server of the generator in the server's namespace, with a further flag.
fn serve(network: &Network, directory: &Directory, arguments: &str) -> Helper {
    let mut command = network.server.command(&directory.app("server"));
    command.args(["serve", "--until-stdin-closes"]);
    Helper::start(command.args(arguments.split(' ')), "ready")
}

/// Ends a server and returns its truth.
fn end(server: Helper) -> Counts {
    let lines = server.finish();
    truth::told_by_server(&truth::parse(lines.iter().map(String::as_str)))
}

/// Waits until all contacts of some apps are over.
fn settled(tracer: &Tracer, apps: &[&str]) -> Metrics {
    tracer.wait_for("every contact has ended", |metrics| {
        apps.iter()
            .all(|app| truth::is_over(metrics, &[("app", app)]))
    })
}

#[test]
fn data_in_the_syn_is_counted_at_both_ends_and_so_is_the_request_for_the_cookie() {
    let (directory, network) = (Directory::new("fastopen"), Network::new());
    let addresses = ["10.77.0.2:7000", "[fd77::2]:7000"];
    let server = serve(
        &network,
        &directory,
        &format!("--fast-open --listen {}", addresses.join(" ")),
    );
    let tracer = Tracer::start(&[]);
    let apps = ["opener4", "opener6"];
    let mut truths = Vec::new();
    for (app, to) in apps.into_iter().zip(addresses) {
        let mut command = network.client.command(&directory.app(app));
        command.args(["connect", "--mode", "fast-open", "--to", to]);
        command.args(["--times", &TIMES.to_string()]);
        command.args(["--bytes-out", "3001", "--bytes-in", "2003"]);
        truths.push(truth::lines(command));
    }
    let metrics = settled(&tracer, &["opener4", "opener6", "server"]);
    for (app, told) in apps.into_iter().zip(&truths) {
        // The first one of each has no cookie yet.
        assert_eq!(truth::sum(told, "data_in_syn"), TIMES - 1, "{app}");
        let out = [("app", app), ("direction", "out"), ("protocol", "tcp")];
        assert_eq!(truth::counted(&metrics, &out), truth::told(told), "{app}");
        let anywhere = truth::counted(&metrics, &[("app", app)]);
        assert_eq!(anywhere, truth::told(told), "{app}");
    }
    assert_eq!(network.client.active_opens(), 2 * TIMES);
    let accepted = [("app", "server"), ("direction", "in"), ("port", "7000")];
    let accepted = truth::counted(&metrics, &accepted);
    assert_eq!(accepted[0], 2 * TIMES);
    assert_eq!(accepted, end(server));
    metrics.assert_nothing_lost();
}

/// Which of the two programs is the app of a socket's contacts.
#[derive(Clone, Copy)]
enum Owner {
    Opener,
    User,
}

/// As README.md says: a TCP connection stays with who connected, datagrams belong to who sends the first.
const PASSED: &[(&str, &str, Owner)] = &[
    ("tcp", "10.77.0.2:7000", Owner::Opener),
    ("tcp-unconnected", "[fd77::2]:7000", Owner::User),
    ("udp", "10.77.0.2:7001", Owner::User),
    ("udp-connected", "[fd77::2]:7001", Owner::User),
];

/// Passes sockets of each kind to programs, in another network namespace where one is given.
fn check_passed(name: &str, elsewhere: Option<&Namespace>) {
    let (directory, network) = (Directory::new(name), Network::new());
    let server = serve(
        &network,
        &directory,
        "--listen 10.77.0.2:7000 [fd77::2]:7000",
    );
    let mut command = network.server.command(&directory.app("server"));
    command.args(["serve-datagrams", "--until-stdin-closes"]);
    command.args(["--listen", "10.77.0.2:7001", "[fd77::2]:7001"]);
    let datagrams = Helper::start(&mut command, "ready");
    let tracer = Tracer::start(&[]);
    let apps: Vec<[String; 2]> = PASSED
        .iter()
        .map(|(protocol, ..)| ["open", "use"].map(|what| format!("{what}-{protocol}")))
        .collect();
    let mut truths = Vec::new();
    for ((protocol, to, _), [opener, user]) in PASSED.iter().zip(&apps) {
        let user: PathBuf = directory.app(user);
        let mut command = network.client.command(&directory.app(opener));
        command.args(["pass", "--protocol", protocol, "--to", to]);
        command
            .args(["--times", &TIMES.to_string(), "--as"])
            .arg(user);
        if let Some(host) = elsewhere {
            command.args(["--namespace", &format!("/run/netns/{}", host.0)]);
        }
        truths.push(truth::lines(command));
    }
    let all: Vec<&str> = apps.iter().flatten().map(String::as_str).collect();
    let metrics = tracer.wait_for("every contact has ended", |metrics| {
        all.iter()
            .all(|app| truth::is_over(metrics, &[("app", app)]))
    });
    for (((_, to, owner), [opener, user]), told) in PASSED.iter().zip(&apps).zip(&truths) {
        let (owner, other) = match owner {
            Owner::Opener => (opener, user),
            Owner::User => (user, opener),
        };
        let told = truth::told(told);
        assert_eq!(told[..2], [TIMES, TIMES], "{owner}");
        let port = to.rsplit(':').next().expect("a port");
        let place = [
            ("app", owner.as_str()),
            ("port", port),
            ("direction", "out"),
        ];
        assert_eq!(truth::counted(&metrics, &place), told, "{owner}");
        let anywhere = truth::counted(&metrics, &[("app", owner)]);
        assert_eq!(anywhere, told, "{owner}");
        assert_eq!(
            truth::counted(&metrics, &[("app", other)]),
            [0; 4],
            "{other} is not whose contacts these are"
        );
    }
    // Each was made in the client's namespace, wherever it was used from.
    assert_eq!(network.client.active_opens(), 2 * TIMES);
    if let Some(host) = elsewhere {
        assert_eq!(host.active_opens(), 0);
    }
    end(server);
    datagrams.finish();
    metrics.assert_nothing_lost();
}

#[test]
fn a_socket_handed_to_another_process_counts_for_who_makes_the_contact() {
    check_passed("passed", None);
}

#[test]
fn a_socket_used_from_another_network_namespace_counts_once_and_for_the_same_app() {
    let elsewhere = Namespace::new("te");
    check_passed("elsewhere", Some(&elsewhere));
}

#[test]
fn what_an_inherited_socket_accepts_counts_for_who_listened() {
    let (directory, network) = (Directory::new("activated"), Network::new());
    let tracer = Tracer::start(&[]);
    let mut command = network.server.command(&directory.app("listener"));
    command.args(["activate", "--listen", "10.77.0.2:7000", "--as"]);
    let server = Helper::start(command.arg(directory.app("acceptor")), "ready");
    let mut command = network.client.command(&directory.app("visitor"));
    command.args(["connect", "--mode", "echo", "--to", "10.77.0.2:7000"]);
    command.args(["--bytes-out", "1009", "--bytes-in", "2003", "--times"]);
    let told = truth::lines({
        command.arg(TIMES.to_string());
        command
    });
    let metrics = settled(&tracer, &["visitor", "listener"]);
    assert_eq!(
        truth::counted(&metrics, &[("app", "visitor")]),
        truth::told(&told)
    );
    let accepted = [("app", "listener"), ("direction", "in"), ("port", "7000")];
    let accepted = truth::counted(&metrics, &accepted);
    assert_eq!(accepted[0], TIMES);
    assert_eq!(truth::counted(&metrics, &[("app", "listener")]), accepted);
    assert_eq!(truth::counted(&metrics, &[("app", "acceptor")]), [0; 4]);
    assert_eq!(accepted, end(server));
    metrics.assert_nothing_lost();
}
