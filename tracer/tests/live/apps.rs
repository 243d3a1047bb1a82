//! Which app made it, however it was started, named, moved or replaced?

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer,
    group::{Group, mounted, naming},
    is_virtual,
    network::start,
    run, scaled,
};

/// Where the server of a [`Host`] listens.
const SERVER: &str = "127.0.0.1:7000";

/// A network namespace with a server in it, and a directory for apps that anybody may run.
struct Host {
    _server: Helper,
    namespace: Namespace,
    directory: Directory,
}

impl Host {
    fn new(name: &str) -> Self {
        let namespace = Namespace::new(&format!("t{name}"));
        let directory = Directory::new(name);
        run(Command::new("chmod").arg("0755").arg(&directory.0));
        let mut server = namespace.command(&directory.app("server"));
        server.args(["serve", "--until-stdin-closes", "--listen", SERVER]);
        Self {
            _server: Helper::start(&mut server, "ready"),
            namespace,
            directory,
        }
    }

    /// A program that connects `times` times in one process, with further arguments.
    fn connect(&self, program: &str, times: u64, arguments: &[&str]) -> Command {
        let mut command = self.namespace.command(&self.directory.app(program));
        command.args(["connect", "--mode", "reset", "--to", SERVER, "--times"]);
        command.arg(times.to_string()).args(arguments);
        command
    }

    /// A program that starts itself `times` times, to connect once and end.
    fn processes(&self, program: &str, times: u64) -> Command {
        let mut command = self.namespace.command(&self.directory.app(program));
        command.args(["processes", "--parallel", "2", "--to", SERVER, "--times"]);
        command.arg(times.to_string());
        command
    }

    /// A script whose arguments, from `$0` on, are programs.
    fn shell(&self, script: &str, programs: &[PathBuf]) -> Command {
        let mut command = self.namespace.command(Path::new("bash"));
        command.args(["-c", script]).args(programs);
        command
    }

    /// A copy of bash that connects after each of two lines: one program all the while.
    fn connect_twice(&self, name: &str) -> Command {
        let path = self.directory.0.join(name);
        fs::copy("/bin/bash", &path).expect("copy bash");
        let mut command = self.namespace.command(&path);
        let connect = "exec 3<>/dev/tcp/127.0.0.1/7000 && echo done";
        let script = format!("echo ready; for i in 1 2; do read && {connect} || exit 1; done");
        command.args(["-c", &script]);
        command
    }
}

fn connections(metrics: &Metrics, labels: &[(&str, &str)]) -> u64 {
    metrics.begun("tracer_connections_total", labels)
}

fn apps(metrics: &Metrics) -> Vec<&str> {
    let known = metrics.series("tracer_app_info", &[]);
    known.map(|(labels, _)| labels["app"].as_str()).collect()
}

/// An app has so many connections, all of them of one user, and is known as of one kind.
#[track_caller]
fn check(metrics: &Metrics, app: &str, user: &str, kind: &str, count: u64) {
    let found = connections(metrics, &[("app", app)]);
    assert_eq!(found, count, "of {app:?}; apps seen: {:?}", apps(metrics));
    let of_user = connections(metrics, &[("app", app), ("user", user)]);
    assert_eq!(of_user, count, "of {app:?} as {user}");
    let known = metrics.sum("tracer_app_info", &[("app", app)]);
    let of_kind = metrics.sum("tracer_app_info", &[("app", app), ("kind", kind)]);
    assert_eq!((known, of_kind), (1, 1), "{app:?} known as {kind}");
}

/// The same of executables of root, and that nothing is lost.
#[track_caller]
fn check_all(metrics: &Metrics, expected: &[(&str, u64)]) {
    for (app, count) in expected {
        check(metrics, app, "root", "executable", *count);
    }
    metrics.assert_all_have_an_app();
    metrics.assert_nothing_lost();
}

/// Waits until the programs that ended are forgotten. Scraping must not keep that from happening.
fn forget(tracer: &Tracer) -> Metrics {
    let processes = [("map", "processes")];
    tracer.wait_for("the programs that ended are forgotten", |metrics| {
        metrics.sum("tracer_map_entries", &processes) < 300
    })
}

/// Waits for the end of each, which must be good.
fn end_all(children: Vec<Child>) {
    for child in children {
        let output = child.wait_with_output().expect("wait for a child");
        assert!(output.status.success(), "it ended with {}", output.status);
    }
}

#[test]
fn an_executable_is_an_app_and_its_user_is_named() {
    let host = Host::new("executables");
    let tracer = Tracer::start(&[]);
    let counts = [1, 17, 230, scaled(999), scaled(2500)];
    for count in counts {
        run(&mut host.connect(&format!("e-{count}"), count, &[]));
    }
    let run_as = |user: &str, name: &str, count| {
        let script = r#"exec setpriv --reuid "$0" --regid "$0" --clear-groups "$@""#;
        let connect = host.connect(name, count, &[]);
        run(host
            .shell(script, &[user.into()])
            .args(connect.get_args().skip(3)));
    };
    run_as("65534", "e-nobody", 321);
    run_as("4242", "e-4242", 12);
    run_as("65534", "e-two-users", 5);
    run_as("0", "e-two-users", 7);
    let metrics = tracer.metrics();
    for count in counts {
        check_all(&metrics, &[(&format!("e-{count}"), count)]);
    }
    check(&metrics, "e-nobody", "nobody", "executable", 321);
    check(&metrics, "e-4242", "4242", "executable", 12);
    for (user, count) in [("root", 7), ("nobody", 5)] {
        let found = connections(&metrics, &[("app", "e-two-users"), ("user", user)]);
        assert_eq!(found, count, "one app of two users, as {user}");
    }
    let info = [("app", "e-nobody"), ("uid", "65534"), ("version", "")];
    assert_eq!(metrics.sum("tracer_app_info", &info), 1);
}

#[test]
fn a_process_that_lives_a_millisecond_has_its_name() {
    let host = Host::new("short");
    let tracer = Tracer::start(&[]);
    let times = [scaled(2000), scaled(1000)];
    run(&mut host.processes("s-spawned", times[0]));
    let executed = r#"for i in $(seq "$1"); do
        sh -c 'exec "$0" once 127.0.0.1:7000' "$0" || exit 1
    done"#;
    let mut executed = host.shell(executed, &[host.directory.app("s-executed")]);
    run(executed.arg(times[1].to_string()));
    let expected = [("s-spawned", times[0]), ("s-executed", times[1])];
    check_all(&tracer.metrics(), &expected);
    check_all(&forget(&tracer), &expected);
}

#[test]
fn a_fork_is_the_app_a_thread_has_no_name_and_an_exec_is_another_app() {
    let host = Host::new("forks");
    let tracer = Tracer::start(&[]);
    let [forks, chains] = [500, 100].map(scaled);
    run(&mut host.connect("f-forks", forks, &["--fork"]));
    // The generator names its threads `thread-0` and so on.
    run(&mut host.connect("f-threads", 1600, &["--threads", "16"]));
    let chain_names = ["f-first", "f-second", "f-third"];
    let chain = chain_names.map(|name| host.directory.app(name));
    let executed = r#"for i in $(seq "$3"); do
        "$0" exec-chain --to 127.0.0.1:7000 --as "$1" "$2" > /dev/null || exit 1
    done"#;
    run(host.shell(executed, &chain).arg(chains.to_string()));
    let metrics = tracer.metrics();
    check_all(&metrics, &[("f-forks", forks), ("f-threads", 1600)]);
    check_all(&metrics, &chain_names.map(|name| (name, chains)));
    let taken_for_app = |app: &&str| app.starts_with("thread-");
    assert_eq!(apps(&metrics).into_iter().find(taken_for_app), None);
}

#[test]
fn programs_that_get_the_same_process_number_are_told_apart() {
    let host = Host::new("numbers");
    let tracer = Tracer::start(&[]);
    let programs = ["n-one", "n-two"].map(|name| host.directory.app(name));
    let mut command = host.namespace.command(&host.directory.app("starter"));
    let times = scaled(1000);
    command.args(["reborn", "--to", SERVER, "--times", &times.to_string()]);
    run(command.arg("--programs").args(programs));
    let expected = ["n-one", "n-two"].map(|app| (app, times));
    check_all(&tracer.metrics(), &expected);
    check_all(&forget(&tracer), &expected);
}

/// In a process namespace of its own. Before Linux 6.14 the setting is of the whole machine and is
/// left alone: then the numbers are small, but do not come again.
const SMALL_NUMBERS: &str = r#"
    release=$(uname -r | awk -F. '{ print $1 * 100 + $2 }')
    [ "$release" -ge 614 ] && echo 400 > /proc/sys/kernel/pid_max
    for i in $(seq "$2"); do
        "$0" once 127.0.0.1:7000 && "$1" once 127.0.0.1:7000 || exit 1
    done"#;

#[test]
fn the_numbers_of_another_process_namespace_do_not_matter() {
    let host = Host::new("pidns");
    let tracer = Tracer::start(&[]);
    let times = scaled(500);
    let names = ["p-one", "p-two", "p-three", "p-four"];
    let programs = names.map(|name| host.directory.app(name));
    let namespaces = programs.chunks(2).map(|pair| {
        let mut command = host.namespace.command(Path::new("unshare"));
        command.args(["--pid", "--fork", "--mount-proc", "bash", "-c"]);
        command.arg(SMALL_NUMBERS).args(pair);
        command.arg(times.to_string());
        start(command)
    });
    end_all(namespaces.collect());
    check_all(&tracer.metrics(), &names.map(|name| (name, times)));
}

#[test]
fn sockets_at_the_same_place_in_memory_are_told_apart() {
    let host = Host::new("reuse");
    let tracer = Tracer::start(&[]);
    let expected = ["r-one", "r-two"].map(|app| (app, scaled(50_000)));
    let running = expected.map(|(name, times)| {
        let mut command = host.namespace.command(&host.directory.app(name));
        command.args(["storm", "--times", &times.to_string()]);
        start(command)
    });
    end_all(running.into());
    let metrics = tracer.metrics();
    check_all(&metrics, &expected);
    for (app, count) in expected.map(|(app, count)| ([("app", app)], count)) {
        assert_eq!(
            metrics.begun("tracer_connections_established_total", &app),
            count
        );
        assert_eq!(metrics.begun("tracer_connections_open", &app), 0);
    }
}

#[test]
fn a_hostile_name_is_kept_as_far_as_there_is_room_and_the_answer_stays_whole() {
    let host = Host::new("hostile");
    let tracer = Tracer::start(&[]);
    let (long, cut_in_a_letter) = ("x".repeat(200), "é".repeat(100));
    let names: [&[u8]; 8] = [
        b"quo\"te\"}",
        b"new\nline 1\n# TYPE x counter",
        b"back\\slash\\n\\",
        b"inv\xff\xfealid\xc3",
        b"{app=\"root\"} 7,",
        b"\x1b[31m\r\t\x7f",
        long.as_bytes(),
        cut_in_a_letter.as_bytes(),
    ];
    for (name, count) in names.iter().zip(10..) {
        let path = host.directory.0.join(OsStr::from_bytes(name));
        fs::copy(crate::support::workload(), &path).expect("copy the generator");
        // The generator wants arguments in UTF-8, the first of which is the path.
        let mut renamed = host.shell(r#"exec -a generator "$0" "$@""#, &[path]);
        run(renamed.args(host.connect("server", count, &[]).get_args().skip(4)));
    }
    let metrics = tracer.metrics();
    for (name, count) in names.iter().zip(10..) {
        // The kernel side keeps 64 bytes, the NUL at their end included.
        let kept = String::from_utf8_lossy(&name[..name.len().min(63)]);
        check_all(&metrics, &[(&kept, count)]);
    }
}

#[test]
fn a_program_whose_file_is_removed_or_replaced_while_it_runs_keeps_its_name() {
    let host = Host::new("replaced");
    let tracer = Tracer::start(&[]);
    let names = ["g-removed", "g-replaced", "g-removed-late"];
    let mut running = names.map(|name| Helper::start(&mut host.connect_twice(name), "ready"));
    let path = |name: &str| host.directory.0.join(name);
    fs::remove_file(path(names[0])).expect("remove the file of a running program");
    // As package managers do it.
    fs::copy("/bin/true", path("next")).expect("copy a program");
    fs::rename(path("next"), path(names[1])).expect("replace the file of a running program");
    for _ in 0..2 {
        for helper in &mut running {
            helper.say("connect");
            assert_eq!(helper.line(), "done");
        }
        // The second connect of the third comes without its file.
        let _ = fs::remove_file(path(names[2]));
    }
    check_all(&tracer.decided(), &names.map(|name| (name, 2)));
}

const ID: &str = "7e57a99001230123456789abcdef0123456789abcdef0123456789abcdef0123";
const USER: &str = "user.slice/user-1000.slice/user@1000.service";
const POD: &str = "kubepods-burstable-pod0f0e5c1e_6a4b_4f2d_8b0a_0c2c7c1d2e3f.slice";

/// Kind, app and control group, in which `USER` and `POD` stand for the two above, `ID` for a container's number, and `SHORT` for what is
/// shown of that.
const GROUPS: &str = r"
service tracer-test.service system.slice/tracer-test.service
service tracer@7.service system.slice/system-tracer.slice/tracer@7.service/worker
service sshd@.service system.slice/sshd@0-10.0.0.1:22-10.0.0.2:5555.service
service tracer-agent.service USER/app.slice/tracer-agent.service
service deep.service a/b/c/d/e/f/g/h/i/deep.service
desktop org.example.Browser USER/app.slice/app-gnome-org.example.Browser-4242.scope
desktop org.example.Mail USER/app.slice/app-org.example.Mail@0f3a.service
executable in-group user.slice/user-1000.slice/session-3.scope
container SHORT docker/ID
container SHORT docker/ID/system.slice/inner.service
container SHORT system.slice/docker-ID.scope
container SHORT machine.slice/libpod-ID.scope/container
container SHORT kubepods.slice/kubepods-burstable.slice/POD/cri-containerd-ID.scope
container SHORT system.slice/containerd.service/POD:cri-containerd:ID
container tracer-web lxc.payload.tracer-web/init.scope";

#[test]
fn a_service_a_desktop_app_or_a_container_is_known_by_its_control_group() {
    let host = Host::new("groups");
    let mut differences = Vec::new();
    // Names of groups are read in user space, which an emulated machine has the same.
    let step = if is_virtual() { 5 } else { 1 };
    let tracer = Tracer::start(&[]);
    for (number, line) in GROUPS.trim().lines().enumerate().step_by(step) {
        // Each is an app of its own.
        let id = format!("{number:04x}{}", &ID[4..]);
        let [kind, app, group] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line} is not a kind, an app and a group: mend the table");
        };
        let app = app.replace("SHORT", &id[..12]);
        let group = group
            .replace("ID", &id)
            .replace("USER", USER)
            .replace("POD", POD);
        let group = Group::new(&naming(), &group);
        let processes = scaled(20);
        run(&mut group.inside(&host.processes("in-group", processes)));
        run(&mut group.inside(&host.connect("in-group", 50, &[])));
        let metrics = tracer.metrics();
        let found = connections(&metrics, &[("app", &app), ("user", "root")]);
        let known = metrics.sum("tracer_app_info", &[("app", &app), ("kind", kind)]);
        if (found, known) != (50 + processes, 1) {
            differences.push(format!("{line}\n    but there are {:?}", apps(&metrics)));
        }
        check_all(&metrics, &[]);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn nobody_leaves_a_container_by_nesting_groups_or_by_their_names() {
    let host = Host::new("nested-groups");
    let long = ["x", "y", "z"].map(|letter| letter.repeat(250)).join("/");
    let other = ID.replace('7', "e");
    let deepest = vec!["d"; 70].join("/");
    let tracer = Tracer::start(&[]);
    let times = scaled(10);
    let inside = |path: &str, app: &str| {
        let group = Group::new(&naming(), &format!("docker/{ID}/{path}"));
        run(&mut group.inside(&host.connect(app, times, &[])));
    };
    for path in [
        "1/2/3/4/5/6/7/8/9",
        &long,
        &format!("docker/{other}"),
        "system.slice/a.service",
    ] {
        inside(path, "in-container");
    }
    // Too deep to know where it is: then it is nobody's, and not what the program calls itself.
    inside(&deepest, "too-deep");
    let metrics = tracer.metrics();
    check(&metrics, &ID[..12], "root", "container", 4 * times);
    for app in ["in-container", "too-deep", &other[..12], "a.service"] {
        assert_eq!(connections(&metrics, &[("app", app)]), 0, "{app}");
    }
    let nobodys = [("app", ""), ("direction", "out")];
    assert_eq!(metrics.sum("tracer_connections_total", &nobodys), times);
}

#[test]
fn a_container_has_the_name_that_docker_gave_it() {
    let docker = Path::new("/var/lib/docker");
    if docker.exists() {
        return; // A Docker of the machine's own is left alone.
    }
    let (host, docker) = (Host::new("docker"), Directory(docker.into()));
    let directory = docker.0.join("containers").join(ID);
    fs::create_dir_all(&directory).expect("make the container's directory");
    let file = r#"{"ID":"x","Name":"/tracer-blog"}"#;
    fs::write(directory.join("config.v2.json"), file).expect("write the container's file");
    let tracer = Tracer::start(&[]);
    let unnamed = Group::new(&naming(), &format!("docker/{}", ID.replace('7', "f")));
    let named = Group::new(&naming(), &format!("docker/{ID}"));
    let times = scaled(300);
    run(&mut named.inside(&host.processes("php", times)));
    run(&mut unnamed.inside(&host.processes("php", 4)));
    let metrics = tracer.metrics();
    check(&metrics, "tracer-blog", "root", "container", times);
    check(&metrics, "fe5fa9900123", "root", "container", 4);
    check_all(&metrics, &[]);
}

#[test]
fn a_process_moved_to_another_control_group_is_another_app_from_then_on() {
    let host = Host::new("moved");
    let tracer = Tracer::start(&[]);
    let apps = ["tracer-moved-two.service", "tracer-moved-one.service"];
    let [two, one] = apps.map(|app| Group::new(&naming(), &format!("system.slice/{app}")));
    let mut running = Helper::start(&mut one.inside(&host.connect_twice("moved")), "ready");
    for group in [&one, &two] {
        fs::write(
            group.path.join("cgroup.procs"),
            running.child.id().to_string(),
        )
        .expect("move the process");
        running.say("connect");
        assert_eq!(running.line(), "done");
    }
    running.finish();
    let metrics = tracer.metrics();
    for app in apps {
        check(&metrics, app, "root", "service", 1);
    }
}

#[test]
fn on_a_hybrid_machine_a_container_is_named_whatever_the_unified_hierarchy_says() {
    let Some(unified) = mounted(None).filter(|unified| *unified != naming()) else {
        return;
    };
    let host = Host::new("hybrid");
    let tracer = Tracer::start(&[]);
    // That of the runtime's service, which has no hand in the unified one.
    let runtime = Group::new(&unified, "system.slice/tracer-containerd.service");
    let container = Group::new(&naming(), &format!("docker/{ID}"));
    run(&mut runtime.inside(&container.inside(&host.processes("hybrid", 30))));
    let metrics = tracer.metrics();
    check(&metrics, &ID[..12], "root", "container", 30);
}

#[test]
fn on_a_hybrid_machine_a_desktop_app_is_named_by_the_unified_hierarchy() {
    let Some(unified) = mounted(None).filter(|unified| *unified != naming()) else {
        return;
    };
    let host = Host::new("desktop");
    let tracer = Tracer::start(&[]);
    // A user's systemd has no hand in the hierarchies of the first version.
    let manager = Group::new(&naming(), USER);
    let scope = format!("{USER}/app.slice/app-gnome-org.example.Hybrid-7.scope");
    let browser = Group::new(&unified, &scope);
    run(&mut manager.inside(&browser.inside(&host.processes("hybrid", 40))));
    let metrics = tracer.metrics();
    check(&metrics, "org.example.Hybrid", "root", "desktop", 40);
}
