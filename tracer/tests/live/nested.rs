//! Changes of TCP's states that come in the middle of the very program that sees them.

use std::path::Path;

use crate::support::{
    Directory, Helper, Namespace, Tracer,
    programs::{Program, programs},
    run, truth,
};

/// Where the server listens.
const PLACE: &str = "127.0.0.1:7079";
/// Of a round. Of one on an idle machine hundreds of changes come in the middle, on a busy one fewer.
const CONNECTIONS: u64 = 3_000;
/// Rounds, and changes that have to come in the middle in all of them.
const ROUNDS: u64 = 20;
const ENOUGH: u64 = 100;

/// Changes that the kernel did not run `tcp_life` for: of the programs at that tracepoint it is attached first. `None` where the
/// kernel skips none.
fn skipped(tracer: &Tracer) -> Option<u64> {
    let programs = programs(tracer.child.id());
    let is_it = |program: &&Program| program.tracepoint.as_deref() == Some("inet_sock_set_state");
    let program = programs.iter().find(is_it).expect("tcp_life");
    program.tells_missed.then_some(program.missed)
}

#[test]
fn changes_that_the_kernel_skips_a_program_for_are_seen_by_another() {
    let (directory, host) = (Directory::new("nested"), Namespace::new("tn"));
    // As from a network card: packets interrupt the processors. Otherwise their senders deliver them.
    let spread = "echo 3 > /sys/class/net/lo/queues/rx-0/rps_cpus";
    run(host.command(Path::new("sh")).args(["-c", spread]));
    let mut command = host.command(&directory.app("nested-server"));
    command.args(["serve", "--until-stdin-closes", "--listen", PLACE]);
    let server = Helper::start(&mut command, "ready");
    let tracer = Tracer::start(&[]);
    let (mut rounds, mut came) = (0, Some(0));
    while rounds < ROUNDS && came.is_some_and(|came| came <= ENOUGH) {
        let mut command = host.command(&directory.app("nested-client"));
        command.args(["connect", "--mode", "plain", "--to", PLACE]);
        command.args(["--threads", "6", "--times", &CONNECTIONS.to_string()]);
        let told = truth::told(&truth::lines(command));
        assert_eq!(told, [CONNECTIONS, CONNECTIONS, 0, 0]);
        (rounds, came) = (rounds + 1, skipped(&tracer));
    }
    let told = [rounds * CONNECTIONS, rounds * CONNECTIONS, 0, 0];
    let [client, accepted] =
        ["nested-client", "nested-server"].map(|app| [("app", app), ("protocol", "tcp")]);
    let metrics = tracer.wait_seconds_for(3, "every connection has ended", |metrics| {
        truth::is_over(metrics, &client) && truth::is_over(metrics, &accepted)
    });
    if let Some(came) = came {
        assert!(came > ENOUGH, "{came} changes came in the middle");
    }
    for side in [client, accepted] {
        truth::check(&metrics, &side, told);
    }
    metrics.assert_nothing_lost();
    // Each handshake was seen when it was, not only told by what came after it.
    for what in ["connect", "connection"] {
        let family = format!("tracer_{what}_duration_seconds_count");
        metrics.check(&family, &[("app", "nested-client")], told[0]);
    }
    server.finish();
}
