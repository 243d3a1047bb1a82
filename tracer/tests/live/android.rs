//! Which app made it, by the rules of Android: processes with the uids and names that Android gives them.

use std::{fs, path::Path, process::Command};

use crate::support::{Directory, Helper, Metrics, Namespace, Tracer, is_virtual, run};

const SERVER: &str = "127.0.0.1:7000";

const LIST: &str = "\
    com.foo 10123 0 /data/user/0/com.foo default:targetSdkVersion=34 none 0 71 1 @null\n\
    com.share.one 10060 0 /data/user/0/com.share.one default none 0 11 1 @null\n\
    com.share.two 10060 0 /data/user/0/com.share.two default none 0 12 1 @null\n\
    com.android.settings 1000 0 /data/user_de/0/com.android.settings platform none 0 34 1 @system\n\
    com.android.phone 1001 0 /data/user_de/0/com.android.phone platform none 0 35 1 @system\n\
    com.old 10055 0 /data/user/0/com.old default none\n";

/// A process: its uid and name, and the app, user, uid and version that it is to have.
const PROCESSES: &[(&str, &str, [&str; 4])] = &[
    ("10123", "com.foo", ["com.foo", "0", "10123", "71"]),
    ("10123", "com.foo:push", ["com.foo", "0", "10123", "71"]),
    ("10123", "any.other.name", ["com.foo", "0", "10123", "71"]),
    ("1010123", "com.foo", ["com.foo", "10", "1010123", "71"]),
    (
        "20123",
        "com.foo_sdk_sandbox",
        ["com.foo", "0", "10123", "71"],
    ),
    (
        "10060",
        "com.share.one",
        ["com.share.one", "0", "10060", "11"],
    ),
    (
        "10060",
        "com.share.two:remote",
        ["com.share.two", "0", "10060", "12"],
    ),
    ("10060", "com.foo", ["shared:a60", "0", "10060", ""]),
    (
        "99001",
        "com.foo:sandboxed_process0:org.chromium.Service0:0",
        ["com.foo", "0", "10123", "71"],
    ),
    ("99001", "unknown", ["isolated", "0", "99000", ""]),
    ("1000", "system_server", ["system", "0", "1000", ""]),
    (
        "1000",
        "com.android.settings:search",
        ["com.android.settings", "0", "1000", "34"],
    ),
    ("1001000", "system_server", ["system", "10", "1001000", ""]),
    ("1001", "/vendor/bin/hw/rild", ["radio", "0", "1001", ""]),
    (
        "1001",
        "com.android.phone",
        ["com.android.phone", "0", "1001", "35"],
    ),
    ("1051", "/system/bin/netd", ["dns", "0", "1051", ""]),
    ("0", "zygote64", ["root", "0", "0", ""]),
    ("10055", "com.old", ["com.old", "0", "10055", ""]),
    ("10999", "com.gone", ["uid:10999", "0", "10999", ""]),
];

/// Makes connections as a process of Android would: the uid and the first argument tell the app, the file does not.
fn connect(host: &Namespace, program: &Path, uid: &str, name: &str, times: u64) {
    let mut command = host.command(Path::new("setpriv"));
    command.args([
        "--reuid",
        uid,
        "--regid",
        uid,
        "--clear-groups",
        "bash",
        "-c",
        r#"exec -a "$0" "$@""#,
        name,
    ]);
    command.arg(program).args([
        "connect",
        "--mode",
        "reset",
        "--to",
        SERVER,
        "--times",
        &times.to_string(),
    ]);
    run(&mut command);
}

/// How often a process connects. Powers of two: any sum tells which of them are in it.
fn times(at: usize) -> u64 {
    1 << (at % if is_virtual() { 6 } else { 12 })
}

fn connections(metrics: &Metrics, app: &str, user: &str) -> u64 {
    // The tests' own scrapes, of another port, are root's too.
    metrics.begun(
        "tracer_connections_total",
        &[("app", app), ("user", user), ("port", "7000")],
    )
}

#[test]
fn uid_and_process_name_tell_the_package_and_a_new_list_is_noticed() {
    let (host, directory) = (Namespace::new("tandroid"), Directory::new("android"));
    run(Command::new("chmod").arg("0755").arg(&directory.0));
    let program = directory.app("app_process64");
    let mut server = host.command(&program);
    let server = Helper::start(
        server.args(["serve", "--until-stdin-closes", "--listen", SERVER]),
        "ready",
    );
    let list = directory.0.join("packages.list");
    fs::write(&list, LIST).expect("write the list");
    let tracer = Tracer::start(&["--packages-list", list.to_str().expect("a path in UTF-8")]);

    for (at, (uid, name, _)) in PROCESSES.iter().enumerate() {
        connect(&host, &program, uid, name, times(at));
    }
    let metrics = tracer.metrics();
    for (_, _, [app, user, uid, version]) in PROCESSES {
        let of_app = |(_, entry): &(usize, &(&str, &str, [&str; 4]))| entry.2[..2] == [*app, *user];
        let expected: u64 = PROCESSES
            .iter()
            .enumerate()
            .filter(of_app)
            .map(|(at, _)| times(at))
            .sum();
        assert_eq!(
            connections(&metrics, app, user),
            expected,
            "{app} of user {user}"
        );
        let info = [
            ("app", *app),
            ("user", *user),
            ("uid", *uid),
            ("kind", "android"),
            ("version", *version),
        ];
        assert_eq!(metrics.sum("tracer_app_info", &info), 1, "{info:?}");
    }

    // As Android replaces it: a package is installed, another is updated.
    let next = directory.0.join("packages.list.tmp");
    let installed = "com.installed 10999 0 /data/user/0/com.installed default none 0 5 1 @null\n";
    fs::write(&next, LIST.replace("none 0 71", "none 0 72") + installed)
        .expect("write the next list");
    fs::rename(&next, &list).expect("replace the list");
    let before = metrics;
    connect(&host, &program, "10999", "com.installed", 77);
    connect(&host, &program, "10123", "com.foo", 33);
    let metrics = tracer.metrics();
    assert_eq!(connections(&metrics, "com.installed", "0"), 77);
    assert_eq!(
        metrics.sum(
            "tracer_app_info",
            &[("app", "com.installed"), ("version", "5")]
        ),
        1
    );
    assert_eq!(
        connections(&metrics, "uid:10999", "0"),
        connections(&before, "uid:10999", "0")
    );
    assert_eq!(
        connections(&metrics, "com.foo", "0"),
        connections(&before, "com.foo", "0") + 33
    );
    assert_eq!(
        metrics.sum(
            "tracer_app_info",
            &[("app", "com.foo"), ("user", "0"), ("version", "72")]
        ),
        1
    );

    // A list that is gone keeps its last contents in use, and is told of.
    fs::remove_file(&list).expect("remove the list");
    connect(&host, &program, "10999", "com.installed", 1);
    let metrics = tracer.metrics();
    assert_eq!(connections(&metrics, "com.installed", "0"), 78);
    assert_eq!(
        metrics.sum(
            "tracer_lost_total",
            &[("stage", "attribute"), ("reason", "reload_failed")]
        ),
        1
    );
    metrics.assert_all_have_an_app();
    server.finish();
}
