//! Beside the device's own programs: whoever has a control group's hook for himself alone keeps it, and loses nothing.

use std::{
    fs::{self, File},
    os::fd::{AsRawFd as _, OwnedFd},
    process::Command,
};

use tracer::kernel::release;

use crate::support::{
    Directory, Helper, Namespace, Tracer,
    bpf::{self, Attributes, BPF_PROG_LOAD, words},
    run,
};

// include/uapi/linux/bpf.h
const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_PROG_DETACH: libc::c_long = 9;
const BPF_PROG_QUERY: libc::c_long = 16;
const CGROUP_SKB: u32 = 8;
const CGROUP_SOCK: u32 = 9;
const CGROUP_SOCK_ADDR: u32 = 18;

/// What Android's netd attaches to the root control group, by type of program and of attachment: ingress, egress,
/// sock_create; bind; connect, sendmsg, recvmsg; sock_release.
const HELD: &[(u32, u32)] = &[
    (CGROUP_SKB, 0),
    (CGROUP_SKB, 1),
    (CGROUP_SOCK, 2),
    (CGROUP_SOCK_ADDR, 8),
    (CGROUP_SOCK_ADDR, 9),
    (CGROUP_SOCK_ADDR, 10),
    (CGROUP_SOCK_ADDR, 11),
    (CGROUP_SOCK_ADDR, 14),
    (CGROUP_SOCK_ADDR, 15),
    (CGROUP_SOCK_ADDR, 19),
    (CGROUP_SOCK_ADDR, 20),
    (CGROUP_SOCK, 34),
];

/// `r0 = 1; exit`: everything passes.
const PASS: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];

fn load(kind: u32, attachment: u32) -> OwnedFd {
    let licence = c"GPL";
    let mut attributes = Attributes::default();
    attributes[0] = kind;
    attributes[1] = PASS.len() as u32;
    attributes[2..4].copy_from_slice(&words(PASS.as_ptr() as u64));
    attributes[4..6].copy_from_slice(&words(licence.as_ptr() as u64));
    attributes[17] = attachment;
    bpf::open(BPF_PROG_LOAD, &mut attributes).expect("load a program that lets pass")
}

/// Somebody who holds all those hooks with no flags: for himself alone.
struct Owner {
    root: File,
    programs: Vec<OwnedFd>,
}

impl Owner {
    fn new() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
        let path = mounts
            .lines()
            .find(|line| line.split(' ').nth(2) == Some("cgroup2"))
            .and_then(|line| line.split(' ').nth(1))
            .expect("a unified hierarchy");
        bpf::allow_locked_memory();
        let mut owner = Self {
            root: File::open(path).expect("its root"),
            programs: Vec::new(),
        };
        owner.attach();
        owner
    }

    /// Attaches, or on a restart replaces what it had attached itself.
    fn attach(&mut self) {
        self.programs.clear();
        for (kind, attachment) in HELD {
            let program = load(*kind, *attachment);
            let mut attributes = Attributes::default();
            attributes[0] = self.root.as_raw_fd() as u32;
            attributes[1] = program.as_raw_fd() as u32;
            attributes[2] = *attachment;
            bpf::call(BPF_PROG_ATTACH, &mut attributes)
                .unwrap_or_else(|error| panic!("attachment {attachment} of netd: {error}"));
            self.programs.push(program);
        }
    }

    /// Numbers of the programs that are attached there, each alone.
    fn attached(&self) -> Vec<u32> {
        HELD.iter()
            .map(|(_, attachment)| {
                let mut numbers = [0_u32; 8];
                let mut attributes = Attributes::default();
                attributes[0] = self.root.as_raw_fd() as u32;
                attributes[1] = *attachment;
                attributes[4..6].copy_from_slice(&words(numbers.as_mut_ptr() as u64));
                attributes[6] = 8;
                bpf::call(BPF_PROG_QUERY, &mut attributes).expect("ask what is attached");
                assert_eq!(attributes[6], 1, "attachment {attachment} is shared");
                assert_eq!(attributes[3], 0, "attachment {attachment} has flags");
                numbers[0]
            })
            .collect()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        for ((_, attachment), program) in HELD.iter().zip(&self.programs) {
            let mut attributes = Attributes::default();
            attributes[0] = self.root.as_raw_fd() as u32;
            attributes[1] = program.as_raw_fd() as u32;
            attributes[2] = *attachment;
            let _ = bpf::call(BPF_PROG_DETACH, &mut attributes);
        }
    }
}

/// Whether this kernel has kprobes; where it has none, datagrams are seen at the control group or not at all.
fn has_kprobes() -> bool {
    fs::exists("/sys/bus/event_source/devices/kprobe/type").expect("ask for kprobes")
}

/// 30 datagrams of 100 bytes to a server that answers each.
fn play(host: &Namespace, directory: &Directory, app: &str) {
    let mut command = host.command(&directory.app(app));
    run(command.args(
        "datagrams --to 127.0.0.1:7001 --mode echo --sockets 3 --times 10 --bytes 100".split(' '),
    ));
}

fn serve(host: &Namespace, directory: &Directory) -> Helper {
    let mut command: Command = host.command(&directory.app("server"));
    command.args("serve-datagrams --until-stdin-closes --listen 127.0.0.1:7001".split(' '));
    Helper::start(&mut command, "ready")
}

#[test]
fn an_exclusive_owner_of_every_hook_keeps_them_and_can_come_and_go() {
    let (directory, host) = (Directory::new("beside"), Namespace::new("tn"));
    let server = serve(&host, &directory);
    let mut owner = Owner::new();
    let before = owner.attached();
    let tracer = Tracer::start(&[]);
    assert_eq!(owner.attached(), before);
    play(&host, &directory, "during");
    owner.attach();
    let restarted = owner.attached();
    assert!(restarted.iter().zip(&before).all(|(new, old)| new != old));
    play(&host, &directory, "restarted");
    assert_eq!(owner.attached(), restarted);

    let metrics = tracer.metrics();
    let seen = if has_kprobes() { (3, 3000) } else { (0, 0) };
    for app in ["during", "restarted"] {
        let udp = [("app", app), ("direction", "out"), ("protocol", "udp")];
        let counted = (
            metrics.sum("tracer_connections_total", &udp),
            metrics.sum("tracer_sent_bytes_total", &udp),
        );
        assert_eq!(counted, seen, "{app}");
    }
    let attached = metrics.sum("tracer_hook_attached", &[("signal", "datagrams_out")]);
    assert_eq!(attached > 0, has_kprobes(), "it says which it does not see");
    drop(tracer);
    assert_eq!(owner.attached(), restarted);
    server.finish();
}

#[test]
fn where_kprobes_serve_an_owner_who_comes_later_finds_every_hook_free() {
    if !has_kprobes() {
        eprintln!("skipped: this kernel has no kprobes");
        return;
    }
    let (directory, host) = (Directory::new("later"), Namespace::new("to"));
    let server = serve(&host, &directory);
    // Where the kernel skips kprobes the tracer chooses others; elsewhere it is to find by itself that they serve.
    let arguments: &[_] = if release::preempts_programs(&release::running()) {
        &["--hooks", "tracing"]
    } else {
        &[]
    };
    let tracer = Tracer::start(arguments);
    let owner = Owner::new();
    play(&host, &directory, "player");
    let udp = [("app", "player"), ("direction", "out"), ("protocol", "udp")];
    let metrics = tracer.metrics();
    assert_eq!(metrics.sum("tracer_connections_total", &udp), 3);
    assert_eq!(metrics.sum("tracer_received_bytes_total", &udp), 3000);
    drop(owner);
    server.finish();
}
