//! Whose is what is accepted? Of the socket that listened, whatever its address and port are.

use std::{net::SocketAddr, path::Path};

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer, ip,
    network::Network,
    run,
    truth::{self, Counts},
};

const PORT: &str = "7070";

/// A server of the generator.
fn serve(host: &Namespace, directory: &Directory, app: &str, arguments: &str) -> Helper {
    let mut command = host.command(&directory.app(app));
    command.args(["serve", "--until-stdin-closes"]);
    Helper::start(command.args(arguments.split(' ')), "ready")
}

/// Ends a server and returns its truth.
fn end(server: Helper) -> Counts {
    let lines = server.finish();
    truth::told_by_server(&truth::parse(lines.iter().map(String::as_str)))
}

/// Connects `times` as `app`, with some payload each way.
fn connect(host: &Namespace, directory: &Directory, app: &str, to: &str, times: u64) {
    let mut command = host.command(&directory.app(app));
    command.args(["connect", "--mode", "echo", "--to", to]);
    command.args(["--times", &times.to_string()]);
    command.args(["--bytes-out", "301", "--bytes-in", "203"]);
    let told = truth::told(&truth::lines(command));
    assert_eq!(told[..2], [times, times]);
    assert_eq!(told[3], 203 * times);
}

/// When all of it is over, checks that each server has accepted what it says itself, and nobody anything else.
fn check(tracer: &Tracer, client: &str, times: u64, servers: Vec<(&str, Helper)>) {
    let names: Vec<&str> = servers.iter().map(|(name, _)| *name).collect();
    let metrics = tracer.wait_for("every contact has ended", |metrics| {
        truth::are_over(metrics, &[("app", client)], times) && accepted(metrics, &names) == times
    });
    let mut sum = [0; 4];
    for (name, server) in servers {
        let told = end(server);
        let accepted = [("app", name), ("direction", "in"), ("protocol", "tcp")];
        assert_eq!(truth::counted(&metrics, &accepted), told, "{name}");
        sum = [0, 1, 2, 3].map(|at| sum[at] + told[at]);
    }
    let begun = [("app", client), ("direction", "out"), ("protocol", "tcp")];
    let [connections, established, sent, received] = truth::counted(&metrics, &begun);
    assert_eq!([connections, established, received, sent], sum, "both ends");
    assert_eq!(nobodys(&metrics), 0, "accepted by nobody");
    metrics.assert_nothing_lost();
}

/// How many contacts these have accepted, all of which are over; 0 where one is not.
fn accepted(metrics: &Metrics, servers: &[&str]) -> u64 {
    let of = |server| [("app", server), ("direction", "in"), ("protocol", "tcp")];
    let are_over = servers
        .iter()
        .all(|server| truth::is_over(metrics, &of(server)));
    let all = servers
        .iter()
        .map(|server| truth::counted(metrics, &of(server))[0]);
    if are_over { all.sum() } else { 0 }
}

/// What was accepted here, and is nobody's.
fn nobodys(metrics: &Metrics) -> u64 {
    let place = [("app", ""), ("direction", "in"), ("port", PORT)];
    metrics.sum("tracer_connections_total", &place)
}

#[test]
fn two_programs_at_one_port_have_each_what_it_accepts() {
    let (directory, network) = (Directory::new("reuse"), Network::new());
    let tracer = Tracer::start(&[]);
    let host = &network.server;
    let arguments = format!("--reuse-port --listen 0.0.0.0:{PORT}");
    let servers = ["reuse-one", "reuse-two"]
        .map(|app| (app, serve(host, &directory, app, &arguments)))
        .into();
    connect(
        &network.client,
        &directory,
        "reuse-client",
        &format!("10.77.0.2:{PORT}"),
        60,
    );
    check(&tracer, "reuse-client", 60, servers);
}

#[test]
fn of_two_programs_at_one_port_the_chosen_one_has_it_all() {
    let (directory, network) = (Directory::new("chosen"), Network::new());
    let tracer = Tracer::start(&[]);
    let host = &network.server;
    let arguments = format!("--reuse-port --listen 0.0.0.0:{PORT}");
    let first = serve(host, &directory, "first", &arguments);
    let second = serve(
        host,
        &directory,
        "second",
        &format!("--chosen 1 {arguments}"),
    );
    let to = format!("10.77.0.2:{PORT}");
    connect(&network.client, &directory, "chosen-client", &to, 20);
    check(&tracer, "chosen-client", 20, vec![("second", second)]);
    assert_eq!(end(first), [0; 4], "it was not chosen");
    let metrics = tracer.metrics();
    assert_eq!(truth::counted(&metrics, &[("app", "first")]), [0; 4]);
}

#[test]
fn of_two_older_programs_at_one_port_one_may_end() {
    let (directory, network) = (Directory::new("older-reuse"), Network::new());
    let host = &network.server;
    let arguments = format!("--reuse-port --listen 0.0.0.0:{PORT}");
    let [gone, left] =
        ["older-gone", "older-left"].map(|app| serve(host, &directory, app, &arguments));
    let tracer = Tracer::start(&[]);
    let to = format!("10.77.0.2:{PORT}");
    connect(&network.client, &directory, "older-client", &to, 40);
    let metrics = tracer.wait_for("every contact has ended", |metrics| {
        truth::are_over(metrics, &[("app", "older-client")], 40)
            && accepted(metrics, &["older-gone", "older-left"]) == 40
    });
    let first = end(gone);
    let of = |app| [("app", app), ("direction", "in"), ("protocol", "tcp")];
    assert_eq!(truth::counted(&metrics, &of("older-gone")), first);
    connect(&network.client, &directory, "older-client", &to, 10);
    let metrics = tracer.wait_for("every contact has ended", |metrics| {
        truth::are_over(metrics, &[("app", "older-client")], 50)
            && accepted(metrics, &["older-gone", "older-left"]) == 50
    });
    assert_eq!(truth::counted(&metrics, &of("older-left")), end(left));
    assert_eq!(nobodys(&metrics), 0);
    metrics.assert_nothing_lost();
}

#[test]
fn programs_on_two_devices_have_each_what_comes_there() {
    let (directory, network) = (Directory::new("devices"), Network::new());
    let tracer = Tracer::start(&[]);
    let host = &network.server;
    let servers = [("device-far", "s0"), ("device-near", "lo")]
        .map(|(app, device)| {
            let arguments = format!("--device {device} --listen 0.0.0.0:{PORT}");
            (app, serve(host, &directory, app, &arguments))
        })
        .into();
    let to = format!("10.77.0.2:{PORT}");
    connect(&network.client, &directory, "device-client", &to, 7);
    connect(
        host,
        &directory,
        "device-client",
        &format!("127.0.0.1:{PORT}"),
        4,
    );
    check(&tracer, "device-client", 11, servers);
}

#[test]
fn who_listens_without_a_bind_accepts_what_comes_to_the_port_the_kernel_chose() {
    let (directory, network) = (Directory::new("unbound"), Network::new());
    let tracer = Tracer::start(&[]);
    let mut command = network.server.command(&directory.app("unbound"));
    command.args([
        "serve",
        "--until-stdin-closes",
        "--unbound",
        "--listen",
        "0.0.0.0:0",
    ]);
    let mut server = Helper::spawn(&mut command);
    let said = server.line();
    let place: SocketAddr = said
        .strip_prefix("listening ")
        .and_then(|place| place.parse().ok())
        .expect("the port");
    assert_eq!(server.line(), "ready");
    let to = format!("10.77.0.2:{}", place.port());
    connect(&network.client, &directory, "unbound-client", &to, 9);
    check(&tracer, "unbound-client", 9, vec![("unbound", server)]);
}

#[test]
fn who_is_refused_to_listen_takes_over_nothing() {
    let (directory, network) = (Directory::new("refused"), Network::new());
    let tracer = Tracer::start(&[]);
    let host = &network.server;
    let at = format!("--listen 0.0.0.0:{PORT}");
    // Both are bound before either listens, which the kernel allows with SO_REUSEADDR.
    let mut refused = serve(host, &directory, "refused", &format!("--refused {at}"));
    let server = serve(host, &directory, "granted", &at);
    refused.say("listen");
    refused.finish();
    connect(
        &network.client,
        &directory,
        "refused-client",
        &format!("10.77.0.2:{PORT}"),
        6,
    );
    check(&tracer, "refused-client", 6, vec![("granted", server)]);
}

/// What is for 10.66.0.1, which is nowhere, is led to a proxy.
const TO_PROXY: &str = "table ip lead { chain in { type filter hook prerouting priority -150; \
    ip daddr 10.66.0.1 tcp dport 7070 tproxy to 127.0.0.1:9000 meta mark set 1 accept; }; }";

#[test]
fn what_is_led_to_a_proxy_is_the_proxys_whoever_listens_at_that_port() {
    let (directory, network) = (Directory::new("proxy"), Network::new());
    let tracer = Tracer::start(&[]);
    let host = &network.server;
    ip(&format!("-n {} rule add fwmark 1 lookup 100", host.0));
    ip(&format!(
        "-n {} route add local 0.0.0.0/0 dev lo table 100",
        host.0
    ));
    run(host.command(Path::new("nft")).arg(TO_PROXY));
    let bystander = serve(
        host,
        &directory,
        "bystander",
        &format!("--listen 0.0.0.0:{PORT}"),
    );
    let proxy = serve(
        host,
        &directory,
        "proxy",
        "--transparent --listen 127.0.0.1:9000",
    );
    let client = &network.client;
    connect(
        client,
        &directory,
        "led-client",
        &format!("10.66.0.1:{PORT}"),
        5,
    );
    check(&tracer, "led-client", 5, vec![("proxy", proxy)]);
    connect(
        client,
        &directory,
        "direct-client",
        &format!("10.77.0.2:{PORT}"),
        3,
    );
    check(&tracer, "direct-client", 3, vec![("bystander", bystander)]);
}

#[test]
fn what_waited_to_be_accepted_is_its_listeners() {
    let (directory, network) = (Directory::new("waiting"), Network::new());
    let host = &network.server;
    let mut server = serve(
        host,
        &directory,
        "waiting",
        &format!("--wait --listen 0.0.0.0:{PORT}"),
    );
    // Another one, of somebody else, in whose queue there is nothing.
    let other = serve(host, &directory, "idle", "--listen 0.0.0.0:7071");
    let mut command = network.client.command(&directory.app("waiting-client"));
    command.args(["hold", "--times", "5", "--to", &format!("10.77.0.2:{PORT}")]);
    let client = Helper::start(&mut command, "holding");
    let tracer = Tracer::start(&[]);
    server.say("accept");
    let metrics = tracer.metrics();
    let open = |app, direction| {
        metrics.sum(
            "tracer_connections_open",
            &[("app", app), ("direction", direction), ("protocol", "tcp")],
        )
    };
    assert_eq!(open("waiting", "in"), 5);
    assert_eq!(open("idle", "in"), 0);
    assert_eq!(open("waiting-client", "out"), 5);
    assert_eq!(
        metrics.sum(
            "tracer_connections_open",
            &[("app", ""), ("direction", "in"), ("port", PORT)]
        ),
        0
    );
    drop((client, server, other));
}
