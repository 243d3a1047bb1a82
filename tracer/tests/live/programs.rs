//! The programs in the kernel: each loads, far below the verifier's limit, and counts beside somebody else's on its hook.

use std::{env, fs};

use tracer::kernel::release;

use crate::{
    filters::tells_why_it_drops,
    support::{
        Directory, Helper, Metrics, Namespace, Tracer,
        programs::{Program, programs},
        truth::{self, Busy},
        unserved,
    },
};

/// `BPF_COMPLEXITY_LIMIT_INSNS` of include/linux/bpf.h, since 5.2: what the verifier looks at before it gives up.
const VERIFIER_LIMIT: u64 = 1_000_000;

/// Ways to see datagrams that a test tries: all that this kernel has, or the one that the tracer chooses (`xtask/src/vm/guest.rs`).
pub fn ways() -> Vec<&'static str> {
    let mut ways = all_ways();
    if env::var("TRACER_WAYS").is_ok_and(|ways| ways == "chosen") {
        // Kprobes, which come last, but for where they are skipped too often.
        let is_preempted = release::preempts_programs(&release::running());
        let chosen = if is_preempted { 0 } else { ways.len() - 1 };
        ways = vec![ways[chosen]];
    }
    ways
}

/// Ways to see datagrams that this kernel has.
pub fn all_ways() -> Vec<&'static str> {
    let has_kprobes = fs::exists("/sys/bus/event_source/devices/kprobe/type");
    if has_kprobes.expect("ask for kprobes") {
        vec!["cgroup", "tracing"]
    } else {
        vec!["cgroup"]
    }
}

#[test]
fn every_program_loads_and_is_half_as_long_as_the_verifier_allows_or_shorter() {
    let mut tells = true;
    for hooks in ways() {
        let tracer = Tracer::start(&["--hooks", hooks]);
        let metrics = tracer.metrics();
        let all = metrics.series("tracer_hook_attached", &[]);
        let missing: Vec<_> = all
            .filter(|(_, attached)| *attached as u64 == 0)
            .map(|(labels, _)| (labels["signal"].as_str(), labels["hook"].as_str()))
            .filter(|(signal, hook)| !may_be_missing(signal, hook))
            .collect();
        assert_eq!(missing, [], "{hooks}: the kernel refused them");
        let attached = metrics.sum("tracer_hook_attached", &[]);
        let programs = programs(tracer.child.id());
        assert_eq!(
            programs.len() as u64,
            attached,
            "{hooks}: one for each hook"
        );
        if programs.iter().all(|program| program.verified.is_none()) {
            tells = false;
            continue;
        }
        for program in programs {
            let verified = program.verified.expect("of each or of none");
            assert!(
                verified <= VERIFIER_LIMIT / 2,
                "{hooks}: one takes {verified} of {VERIFIER_LIMIT} instructions"
            );
        }
    }
    if !tells {
        eprintln!("skipped: this kernel does not tell what the verifier looked at; all are loaded");
    }
}

/// Whether a hook need not be there on this kernel.
fn may_be_missing(signal: &str, hook: &str) -> bool {
    let types = fs::exists("/sys/kernel/btf/vmlinux").expect("ask for a file");
    match signal {
        // Before 5.14 another one stands in for it.
        "tcp_error" => hook == "inet_sk_error_report",
        // So does a kprobe where there are no such hooks.
        "datagrams_in" => {
            hook == "__udp_enqueue_schedule_skb_entry" && unserved().contains("datagram_returns")
        }
        "datagram_filtered" => !tells_why_it_drops(),
        "names" | "frames" | "frames_direct" | "associations" | "datagram_returns" => {
            !types || unserved().contains(signal)
        }
        _ => false,
    }
}

#[test]
fn each_hook_has_one_series() {
    let metrics = Tracer::start(&[]).metrics();
    for family in ["tracer_hook_attached", "tracer_hook_missed_total"] {
        let mut all: Vec<_> = metrics
            .series(family, &[])
            .map(|(labels, _)| labels)
            .collect();
        all.sort();
        let twice: Vec<_> = all.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{family} twice: {twice:?}");
    }
}

/// Where everybody listens.
const PLACE: &str = "127.0.0.1:7078";

#[test]
fn with_another_tracer_on_the_same_hooks_both_count_all_and_say_what_was_not_run() {
    let (directory, host) = (Directory::new("programs"), Namespace::new("tl"));
    let times: u64 = if crate::support::is_virtual() {
        2_000
    } else {
        50_000
    };
    let server = directory.app("beside-server");
    let start = |what: &str| {
        let mut command = host.command(&server);
        command.args([what, "--until-stdin-closes", "--listen", PLACE]);
        Helper::start(&mut command, "ready")
    };
    let servers = ["serve", "serve-datagrams"].map(start);
    // Of both kinds, where there are two: they see the same datagrams at different places.
    let tracers: Vec<Tracer> = all_ways()
        .iter()
        .cycle()
        .take(2)
        .map(|hooks| Tracer::start(&["--hooks", hooks]))
        .collect();
    // Something has to interrupt: a busy processor leaves packets to later, into the middle of another call.
    let busy = [Busy::start(), Busy::start()];
    let mut command = host.command(&directory.app("beside-tcp"));
    command.args(["storm", "--threads", "2", "--to", PLACE, "--times"]);
    command.arg(times.to_string());
    let tcp = truth::told(&truth::lines(command));
    assert_eq!(tcp, [times, times, 0, 0]);
    let mut command = host.command(&directory.app("beside-udp"));
    command.args([
        "datagrams",
        "--mode",
        "echo",
        "--threads",
        "2",
        "--to",
        PLACE,
    ]);
    // One for each thread, at the same time: of sockets one after the other two may have one port, which to the server is
    // one contact.
    command.args(["--sockets", "2", "--times", &(times / 2).to_string()]);
    let udp = truth::told(&truth::lines(command));
    drop(busy);
    for tracer in &tracers {
        let metrics = tracer.wait_for("every contact has ended", |metrics| {
            truth::is_over(metrics, &[("app", "beside-tcp")])
                && truth::is_over(metrics, &[("app", "beside-udp")])
                && truth::are_over(
                    metrics,
                    &[("app", "beside-server"), ("protocol", "tcp")],
                    times,
                )
        });
        for (app, protocol, told) in [("beside-tcp", "tcp", tcp), ("beside-udp", "udp", udp)] {
            let [connections, established, sent, received] = told;
            truth::check(&metrics, &[("app", app)], told);
            let accepted = [("app", "beside-server"), ("protocol", protocol)];
            let other_end = [connections, established, received, sent];
            truth::check(&metrics, &accepted, other_end);
        }
        metrics.assert_nothing_lost();
        let programs = programs(tracer.child.id());
        let at = |place: &str| {
            let here = |program: &&Program| program.tracepoint.as_deref() == Some(place);
            programs.iter().filter(here).count()
        };
        // Those at one tracepoint make up for each other. Which of perf's is where the kernel does not say.
        let makes_up = |program: &Program| {
            let place = program.tracepoint.as_deref();
            place.is_some_and(|place| place == "inet_sock_set_state" || at(place) > 1)
        };
        let missed: u64 = programs
            .iter()
            .filter(|program| !makes_up(program) && !program.is_perfs)
            .map(|program| program.missed)
            .sum();
        let said = |metrics: &Metrics| {
            let sum = |labels: &[_]| metrics.sum("tracer_hook_missed_total", labels);
            sum(&[]) - sum(&[("hook", "tcp_destroy_sock_kept")])
        };
        assert!(said(&metrics) <= missed);
        // Where it is there, in softirq, the kernel has no reason to skip it.
        let entry = [("hook", "__udp_enqueue_schedule_skb_entry")];
        assert_eq!(metrics.sum("tracer_hook_missed_total", &entry), 0);
        assert!(said(&tracer.metrics()) >= missed);
    }
    for server in servers {
        server.finish();
    }
}
