//! Apps as Android makes them: forked and never executed, named later, served by daemons that act for them, installed and
//! removed while the tracer runs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Directory, Helper, Metrics, Tracer, example, mount::mount_own, run};

/// Where `netd` pins whom it charges.
const CHARGES: &str = "/sys/fs/bpf/netd_shared/map_netd_cookie_tag_map";

/// What is there at the start. `com.android.providers.downloads` shares its uid.
const LIST: &str = "\
    com.foo 10123 0 /data/user/0/com.foo default none 0 71 1 @null\n\
    com.share.one 10060 0 /data/user/0/com.share.one default none 0 11 1 @null\n\
    com.share.two 10060 0 /data/user/0/com.share.two default none 0 12 1 @null\n\
    com.android.providers.downloads 10050 0 /data/user/0/d platform none 0 34 1 @system\n\
    com.android.providers.media 10050 0 /data/user/0/m platform none 0 34 1 @system\n";

/// App, user, address, contacts, bytes sent and received over all of them.
type Row = (&'static str, &'static str, &'static str, u64, u64, u64);

/// What happens, and for whom it is to count.
const PLAY: &[(&str, &[Row])] = &[
    (
        "app 10123 com.foo tcp 127.9.0.1:7443 5 100 200 native 127.9.0.2:7443 3 50 70 udp 127.9.0.3:7053 4 40 120",
        &[
            ("com.foo", "0", "127.9.0.1", 5, 500, 1000),
            ("com.foo", "0", "127.9.0.2", 3, 150, 210),
            ("com.foo", "0", "127.9.0.3", 4, 160, 480),
        ],
    ),
    (
        "app 1010123 com.foo:push tcp 127.9.0.4:7443 2 10 0",
        &[("com.foo", "10", "127.9.0.4", 2, 20, 0)],
    ),
    (
        "app 10060 com.share.two:remote tcp 127.9.0.5:7443 2 10 0",
        &[("com.share.two", "0", "127.9.0.5", 2, 20, 0)],
    ),
    // Its first contact was made while it was still called after the zygote.
    (
        "early 10060 com.share.one tcp 127.9.0.6:7443 3 10 0",
        &[("com.share.one", "0", "127.9.0.6", 3, 30, 0)],
    ),
    // One daemon for several apps in turns: each has its own. Packages on one uid it does not tell apart, and nor do we.
    (
        "lookups 127.9.0.53:7053 2 10123 1010123 10060",
        &[
            ("com.foo", "0", "127.9.0.53", 2, 80, 240),
            ("com.foo", "10", "127.9.0.53", 2, 80, 240),
            ("shared:a60", "0", "127.9.0.53", 2, 80, 240),
        ],
    ),
    // Nothing is sent, so nobody is contacted.
    ("sort 127.9.0.54:7053 3 10123 10060", &[]),
    (
        "download 10050 android.process.media 10123 tcp 127.9.0.7:7443 4 50 5000",
        &[("com.foo", "0", "127.9.0.7", 4, 200, 20_000)],
    ),
    // Within a second its uid is somebody else's.
    (
        "app 10123 com.foo tcp 127.9.0.8:7443 3 10 0",
        &[("com.foo", "0", "127.9.0.8", 3, 30, 0)],
    ),
    ("uninstall com.foo", &[]),
    ("install com.bar 10123 5", &[]),
    (
        "app 10123 com.bar tcp 127.9.0.8:7443 2 10 0",
        &[("com.bar", "0", "127.9.0.8", 2, 20, 0)],
    ),
    ("install com.bar 10123 6", &[]),
    (
        "app 10123 com.bar:late refused 127.9.0.9:7999 2 0 0",
        &[("com.bar", "0", "127.9.0.9", 2, 0, 0)],
    ),
];

/// The same daemons as before act for the same uid, which is another's now.
const LATER: &[(&str, &[Row])] = &[
    (
        "lookups 127.9.0.53:7053 3 10123 1010123",
        &[
            ("com.bar", "0", "127.9.0.53", 3, 120, 360),
            ("com.bar", "10", "127.9.0.53", 3, 120, 360),
        ],
    ),
    (
        "download 10050 android.process.media 10123 tcp 127.9.0.7:7443 2 50 5000",
        &[("com.bar", "0", "127.9.0.7", 2, 100, 10_000)],
    ),
    // And it is still there after everything that was the other's is over.
    ("wait 3", &[]),
    (
        "lookups 127.9.0.53:7053 1 10060",
        &[("shared:a60", "0", "127.9.0.53", 1, 40, 120)],
    ),
    (
        "lookups 127.9.0.54:7053 2 10123",
        &[("com.bar", "0", "127.9.0.54", 2, 80, 240)],
    ),
];

/// Where the unified hierarchy is.
fn unified() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let mut lines = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let line = lines.find(|fields| fields[2] == "cgroup2");
    PathBuf::from(line.expect("a unified hierarchy")[1])
}

/// Has the zygote do what the lines say, and returns how many contacts it made for each.
fn tell(socket: &Path, directory: &Directory, lines: &[&str]) -> Vec<u64> {
    let file = directory.0.join("lines");
    fs::write(&file, lines.join("\n")).expect("write the lines");
    let answers = run(Command::new(example("phone"))
        .arg("tell")
        .arg(socket)
        .arg(file));
    let number = |line: &str| {
        line.strip_prefix("ok")
            .map(|rest| rest.trim().parse().unwrap_or(0))
    };
    answers.lines().filter_map(number).collect()
}

/// Has it do all of that, and checks that it did.
fn play(socket: &Path, directory: &Directory, lines: &[(&str, &[Row])]) {
    let texts: Vec<&str> = lines.iter().map(|(line, _)| *line).collect();
    let made = tell(socket, directory, &texts);
    assert_eq!(made.len(), lines.len());
    for ((line, expected), made) in lines.iter().zip(made) {
        let contacts: u64 = expected.iter().map(|row| row.3).sum();
        assert_eq!(made, contacts, "{line}");
    }
}

fn counted(metrics: &Metrics, app: &str, user: &str, address: &str) -> [u64; 3] {
    let labels = [
        ("app", app),
        ("user", user),
        ("destination", address),
        ("direction", "out"),
    ];
    [
        metrics.sum("tracer_connections_total", &labels),
        metrics.sum("tracer_sent_bytes_total", &labels),
        metrics.sum("tracer_received_bytes_total", &labels),
    ]
}

#[test]
fn a_contact_is_its_apps_however_android_makes_it() {
    mount_own(c"bpf", c"/sys/fs/bpf");
    let directory = Directory::new("zygote");
    let list = directory.0.join("packages.list");
    fs::write(&list, LIST).expect("write the list");
    let phone = example("phone");
    let _internet = Helper::start(
        Command::new(&phone).args(
            "internet --tcp 7443 --udp 127.9.0.3:7053,127.9.0.53:7053,127.9.0.54:7053".split(' '),
        ),
        "ready",
    );
    let socket = directory.0.join("zygote");
    let _zygote = Helper::start(
        Command::new(&phone)
            .arg("zygote")
            .args(["--room", &"x".repeat(200)])
            .arg("--socket")
            .arg(&socket)
            .arg("--packages-list")
            .arg(&list)
            .args(["--charges", CHARGES])
            .arg("--cgroup")
            .arg(unified()),
        "ready",
    );
    let tracer = Tracer::start(&["--packages-list", list.to_str().expect("a path in UTF-8")]);

    play(&socket, &directory, PLAY);
    // A device takes longer from the installation of an app to its first contact than the tracer to notice it.
    tracer.metrics();
    play(&socket, &directory, LATER);

    let metrics = tracer.metrics();
    let mut truth = BTreeMap::new();
    for (app, user, address, contacts, sent, received) in
        PLAY.iter().chain(LATER).flat_map(|(_, rows)| *rows)
    {
        let sums = truth.entry((*app, *user, *address)).or_insert([0; 3]);
        for (sum, more) in sums.iter_mut().zip([contacts, sent, received]) {
            *sum += more;
        }
    }
    for ((app, user, address), expected) in &truth {
        assert_eq!(
            counted(&metrics, app, user, address),
            *expected,
            "{app} of user {user} at {address}"
        );
    }
    let total: u64 = truth.values().map(|[contacts, ..]| contacts).sum();
    // And nobody else was there.
    let all = metrics
        .series("tracer_connections_total", &[("direction", "out")])
        .filter(|(labels, _)| labels["destination"].starts_with("127.9."))
        .map(|(_, count)| *count as u64);
    assert_eq!(all.sum::<u64>(), total);
    for version in ["5", "6"] {
        let info = [("app", "com.bar"), ("uid", "10123"), ("version", version)];
        assert_eq!(
            metrics.sum("tracer_app_info", &info),
            1,
            "version {version}"
        );
    }
    metrics.assert_all_have_an_app();
    metrics.assert_nothing_lost();
}
