//! What came past the device's own resolver is counted once, by its kind; and whoever made a lookup, or may have made one that nobody saw,
//! is not blamed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use crate::support::{
    Directory, Files, Helper, Metrics, Namespace, Tracer, ip, network::Network, run, truth,
};

/// Names and their addresses. That of the lists is the server's here.
const ANSWERS: [&str; 2] = [
    "asked.example=198.51.100.1",
    "httpdns.baidu.com=198.51.100.2",
];
const HOSTS: &str = "127.0.0.1 localhost\n198.51.100.5 hosts.example\n";
const SWITCH: &str = "hosts: files dns\npasswd: files\n";
const RESOLVER: &str = "nameserver 10.77.0.2\n";
/// What the servers are called.
const SERVERS: [&str; 5] = ["resolver", "sink", "datagrams", "busybox", "openssl"];
const KINDS: [&str; 4] = ["doh", "dot", "httpdns", "no_lookup"];

/// Servers of TLS and HTTP at every address, a name server, and a client's files.
struct Place {
    servers: Vec<Helper>,
    directory: Directory,
    _files: Files,
    network: Network,
}

impl Place {
    fn new(name: &str, switch: &str) -> Self {
        let (directory, network) = (Directory::new(name), Network::new());
        let server = &network.server;
        for at in 1..=7 {
            ip(&format!(
                "-n {} addr add 198.51.100.{at}/32 dev s0",
                server.0
            ));
        }
        let path = |name: &str| directory.0.join(name).display().to_string();
        let (key, certificate) = (path("key.pem"), path("certificate.pem"));
        let options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bypass.example";
        let mut made = Command::new("openssl");
        made.args(options.split(' '))
            .args(["-keyout", &key, "-out", &certificate]);
        // It draws what it is doing on its standard error.
        let made = made.output().expect("start openssl");
        assert!(made.status.success(), "no certificate");
        let mut names = server.command(&directory.app("resolver"));
        names.args(["serve-names", "--listen", "10.77.0.2:53"]);
        names.args(ANSWERS.iter().flat_map(|answer| ["--answer", answer]));
        let mut datagrams = server.command(&directory.app("datagrams"));
        datagrams
            .args(["serve-datagrams", "--until-stdin-closes", "--listen"])
            .args(["0.0.0.0:443", "0.0.0.0:853"]);
        let mut sink = server.command(&directory.app("sink"));
        sink.args(["serve", "--until-stdin-closes", "--listen", "0.0.0.0:8443"]);
        let mut servers = vec![
            Helper::start(&mut names, "ready"),
            Helper::start(&mut sink, "ready"),
            Helper::start(&mut datagrams, "ready"),
        ];
        let mut http = server.command(&copy(&directory, "busybox", "busybox"));
        http.args(["httpd", "-f", "-p", "80", "-h"])
            .arg(&directory.0);
        servers.push(Helper::spawn(&mut http));
        for port in ["443", "853"] {
            let mut tls = server.command(Path::new("openssl"));
            tls.args(["s_server", "-quiet", "-www", "-accept", port])
                .args(["-key", &key, "-cert", &certificate]);
            servers.push(Helper::spawn(&mut tls));
        }
        for port in [80, 443, 853] {
            wait_for_port(server, port);
        }
        let files = [
            ("resolv.conf", RESOLVER),
            ("hosts", HOSTS),
            ("nsswitch.conf", switch),
        ];
        Self {
            servers,
            _files: Files::new(&network.client, &files),
            directory,
            network,
        }
    }

    /// A program as an app of that name.
    fn program(&self, app: &str, program: &str) -> PathBuf {
        match program {
            "named" => self.directory.app(app),
            program => copy(&self.directory, program, app),
        }
    }

    /// Runs one to its end.
    fn play(&self, app: &str, program: &str, arguments: &str) {
        let program = self.program(app, program);
        run(self.network.client.command(&program).args(words(arguments)));
    }

    /// Starts one that lives until it is finished. What it says on its standard error is of no interest.
    fn hold(&self, app: &str, program: &str, arguments: &str) -> Helper {
        let mut command = self.network.client.command(Path::new("sh"));
        command
            .args(["-c", "exec \"$0\" \"$@\" 2> /dev/null"])
            .arg(self.program(app, program))
            .args(words(arguments));
        Helper::spawn(&mut command)
    }

    fn end(self) {
        for mut server in self.servers {
            // Servers of others have no end of their own.
            let _ = server.child.kill();
            let _ = server.child.wait();
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

fn copy(directory: &Directory, program: &str, app: &str) -> PathBuf {
    let path = directory.0.join(app);
    if !path.exists() {
        let places = std::env::var_os("PATH").unwrap_or_default();
        let mut places = std::env::split_paths(&places).map(|place| place.join(program));
        let found = places.find(|place| place.is_file());
        let found =
            found.unwrap_or_else(|| panic!("{program} is missing; hint: cargo xtask setup"));
        fs::copy(found, &path).expect("copy a program");
    }
    path
}

fn wait_for_port(namespace: &Namespace, port: u16) {
    let listens = format!(":{port:04X} ");
    for _ in 0..500 {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
        if run(namespace.command(Path::new("cat")).args(tables)).contains(&listens) {
            return;
        }
        sleep(Duration::from_millis(20));
    }
    panic!("nobody listens at port {port}");
}

/// How many contacts of an app came past the resolver, by kind.
fn bypasses(metrics: &Metrics, app: &str) -> [u64; 4] {
    KINDS.map(|kind| {
        let labels = [("app", app), ("user", "root"), ("kind", kind)];
        metrics.sum("tracer_resolver_bypass_total", &labels)
    })
}

/// How many contacts of an app have a name by its own handshake.
fn said(metrics: &Metrics, app: &str, source: &str) -> u64 {
    let labels = [("app", app), ("name_source", source)];
    metrics.sum("tracer_connections_total", &labels)
}

#[test]
fn each_way_past_the_resolver_is_counted_once_and_nobody_else_is_blamed() {
    let place = Place::new("bypass", SWITCH);
    let hello = |name: &str, address: &str| format!("tls,name={name},to={address}:8443");
    // It began before the tracer, and speaks again once that is there.
    let old = hello("old.example", "198.51.100.7");
    let mut older = place.hold("older", "named", &format!("named --step {old} {old} {old}"));
    assert_eq!(older.line(), "done");
    let tracer = Tracer::start(&[]);

    // Those that say how they came by themselves may be gone by the time that they are looked at.
    place.play("asks", "curl", "-4 -sk -o /dev/null https://asked.example/");
    let hard =
        "--resolve dns.google:443:198.51.100.3 -sk -o /dev/null https://dns.google/dns-query";
    place.play("doh", "curl", hard);
    place.play("doh", "curl", hard);
    let api = "-4 -s -o /dev/null http://httpdns.baidu.com/d?dn=example.com";
    place.play("httpdns", "curl", api);
    let tls = place.hold(
        "dot",
        "openssl",
        "s_client -quiet -connect 198.51.100.4:853 -servername dns.google",
    );
    place.play(
        "doq",
        "named",
        "named quic,name=dns.example,to=198.51.100.4:853",
    );

    // Of the others it is known whether they need a lookup only while they live.
    let mut held = Vec::new();
    let wait = |app: &str, source: &str, contacts: u64| {
        tracer.wait_for(&format!("the name of {app}"), |metrics| {
            said(metrics, app, source) == contacts
        });
    };
    for count in 1..=3 {
        let arguments = "s_client -quiet -connect 198.51.100.3:443 -servername hard.example";
        let one = place.hold("hard-coded", "openssl", arguments);
        wait("hard-coded", "sni", count);
        // The server answers one after the other.
        drop(one);
    }
    let initial = "quic,name=hard.example,to=198.51.100.3:443";
    let mut quic = place.hold(
        "hard-quic",
        "named",
        &format!("named --step {initial} {initial}"),
    );
    assert_eq!(quic.line(), "done");
    wait("hard-quic", "quic", 1);
    held.push(quic);
    for (app, name, address) in [
        // Its name is in its file of names.
        ("hosts", "hosts.example", "hosts.example"),
        // Another app asked for the name, and one was told the address under another name.
        ("told", "asked.example", "198.51.100.3"),
        ("shared", "alias.example", "198.51.100.1"),
        ("near", "near.example", "10.77.0.2"),
    ] {
        let arguments = format!("s_client -quiet -connect {address}:443 -servername {name}");
        let one = place.hold(app, "openssl", &arguments);
        wait(app, "sni", 1);
        drop(one);
    }
    // Somebody is asked to lead it on before.
    let behind = "tls,name=behind.example,to=198.51.100.3:8443,after=300";
    let mut proxy = place.hold(
        "behind",
        "named",
        &format!("named --step {behind} {behind}"),
    );
    assert_eq!(proxy.line(), "done");
    wait("behind", "sni", 1);
    held.push(proxy);
    older.say("");
    assert_eq!(older.line(), "done");
    wait("older", "sni", 1);
    held.push(older);
    drop((tls, held));

    let expected = [
        ("asks", 2, [0, 0, 0, 0]),
        ("doh", 2, [2, 0, 0, 0]),
        ("httpdns", 2, [0, 0, 1, 0]),
        ("dot", 1, [0, 1, 0, 0]),
        ("doq", 1, [0, 1, 0, 0]),
        ("hard-coded", 3, [0, 0, 0, 3]),
        ("hard-quic", 1, [0, 0, 0, 1]),
        ("hosts", 1, [0, 0, 0, 0]),
        ("told", 1, [0, 0, 0, 0]),
        ("shared", 1, [0, 0, 0, 0]),
        ("near", 1, [0, 0, 0, 0]),
        ("behind", 1, [0, 0, 0, 0]),
        ("older", 1, [0, 0, 0, 0]),
    ];
    let metrics = tracer.wait_for("all contacts have ended", |metrics| {
        let mut apps = expected.iter();
        apps.all(|(app, contacts, _)| truth::are_over(metrics, &[("app", app)], *contacts))
    });
    for (app, contacts, kinds) in expected {
        let found = metrics.sum("tracer_connections_total", &[("app", app)]);
        let page = tracer.contacts(&format!("app={app}"));
        assert_eq!(
            (found, bypasses(&metrics, app)),
            (contacts, kinds),
            "{app}: {page}"
        );
        // Each contact says it by itself.
        let list = page["contacts"].as_array().expect("a list");
        let told = KINDS.map(|kind| {
            let is_one = |contact: &&serde_json::Value| contact["resolver_bypass"] == kind;
            list.iter().filter(is_one).count() as u64
        });
        assert_eq!(told, kinds, "{app}: {page}");
    }
    // Who was contacted came past nobody. Once for each contact, however often it is asked.
    for _ in 0..3 {
        let metrics = tracer.metrics();
        for (app, _, kinds) in expected {
            assert_eq!(bypasses(&metrics, app), kinds, "{app}");
        }
        for server in SERVERS {
            assert_eq!(bypasses(&metrics, server), [0; 4], "{server}");
        }
    }
    metrics.assert_nothing_lost();
    place.end();
}

#[test]
fn an_app_whose_lookups_could_not_be_seen_is_not_blamed() {
    const TIMES: u64 = 400;
    let place = Place::new("unseen", SWITCH);
    let tracer = Tracer::start(&["--map-capacity", "NAMES=65536"]);
    tracer.signal(libc::SIGSTOP);
    let fill = "tls,name=asked.example,to=198.51.100.3:8443";
    place.play("fills", "named", &format!("named --times {TIMES} {fill}"));
    // Its lookup finds no room.
    let steps = "named --step lookup,name=asked.example,to=10.77.0.2:53 \
                 tls,name=new.example,to=198.51.100.4:8443 plain,to=198.51.100.4:8443";
    let mut asks = place.hold("asks", "named", steps);
    assert_eq!(asks.line(), "done");
    tracer.signal(libc::SIGCONT);
    let metrics = tracer.wait_for("what filled the ring has ended", |metrics| {
        truth::are_over(metrics, &[("app", "fills"), ("direction", "out")], TIMES)
    });
    let lost = metrics.sum("tracer_lost_total", &[("reason", "names_full")]);
    assert!(lost > 0, "there was room for all");
    assert_eq!(metrics.sum("tracer_lookups_total", &[("app", "asks")]), 0);
    asks.say("");
    assert_eq!(asks.line(), "done");
    tracer.wait_for("its name", |metrics| said(metrics, "asks", "sni") == 1);

    // Whatever one that began since asks for is seen.
    let later = "tls,name=new.example,to=198.51.100.4:8443";
    let mut later = place.hold("later", "named", &format!("named --step {later} {later}"));
    assert_eq!(later.line(), "done");
    tracer.wait_for("its name", |metrics| said(metrics, "later", "sni") == 1);
    drop((asks, later));
    let metrics = tracer.metrics();
    assert_eq!(bypasses(&metrics, "asks"), [0; 4]);
    assert_eq!(bypasses(&metrics, "fills"), [0; 4]);
    assert_eq!(bypasses(&metrics, "later"), [0, 0, 0, 1]);
    place.end();

    // Names are asked for over a socket that nobody looks at.
    let place = Place::new("hidden", "hosts: files resolve [!UNAVAIL=return] dns\n");
    let tracer = Tracer::start(&[]);
    let arguments = "s_client -quiet -connect 198.51.100.3:443 -servername hard.example";
    let one = place.hold("hidden", "openssl", arguments);
    let metrics = tracer.wait_for("its name", |metrics| said(metrics, "hidden", "sni") == 1);
    assert_eq!(bypasses(&metrics, "hidden"), [0; 4]);
    drop(one);
    place.end();
}

#[test]
fn with_names_off_a_port_is_all_that_is_known() {
    let place = Place::new("nameless", SWITCH);
    let tracer = Tracer::start(&["--names", "off"]);
    let hard =
        "--resolve dns.google:443:198.51.100.3 -sk -o /dev/null https://dns.google/dns-query";
    place.play("doh", "curl", hard);
    place.play(
        "dot",
        "named",
        "named tls,name=dns.google,to=198.51.100.4:853",
    );
    let metrics = tracer.wait_for("both have ended", |metrics| {
        let mut apps = ["doh", "dot"].into_iter();
        apps.all(|app| truth::are_over(metrics, &[("app", app)], 1))
    });
    assert_eq!(bypasses(&metrics, "doh"), [0; 4]);
    assert_eq!(bypasses(&metrics, "dot"), [0, 1, 0, 0]);
    place.end();
}
