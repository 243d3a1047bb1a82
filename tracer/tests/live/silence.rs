//! Two minutes of silence end a contact over datagrams, and what passes behind them begins another.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer,
    truth::{Counts, counted, parse, sum, told},
};
use serde_json::Value;

/// As long as the README says.
const SILENCE: Duration = Duration::from_secs(120);
/// The last look at contacts that must still be open: in good time for a machine that is slow to answer.
const ALMOST: Duration = Duration::from_secs(110);
/// By when they must have ended: the kernel side, which ends such a flow itself at its next datagram, is given two seconds
/// more, and the clock of either has whole seconds.
const LATEST: u64 = 130;

/// Each app, and what each of its rounds does.
const PLAYS: [(&str, &str); 3] = [
    // Three rounds before the silence: at the control group the last one passes over the fast path.
    ("lasting", "--mode echo --times 3 --bytes 70"),
    ("answered", "--mode echo --times 2 --bytes 100"),
    ("unanswered", "--mode send-to --times 2 --bytes 30"),
];
const SERVER: (&str, &str) = ("app", "answerer");

/// What is open, and what failed for want of an answer and because the socket was closed, and for whatever reason.
fn ended(metrics: &Metrics, labels: &[(&str, &str)]) -> [u64; 4] {
    let failed = |reason| {
        let labels = [labels, &[("reason", reason)]].concat();
        metrics.sum("tracer_connections_failed_total", &labels)
    };
    [
        metrics.sum("tracer_connections_open", labels),
        failed("timed_out"),
        failed("cancelled"),
        metrics.sum("tracer_connections_failed_total", labels),
    ]
}

/// Has one more round done, and returns its truth.
fn round(client: &mut Helper) -> Value {
    client.say("again");
    parse([client.line().as_str()]).remove(0)
}

/// Adds these numbers of a further truth.
fn add(truth: &mut Value, more: &Value, names: &[&str]) {
    for name in names {
        truth[*name] = sum(&[truth.clone(), more.clone()], name).into();
    }
}

/// Whether no contact of these apps is open.
fn is_quiet(metrics: &Metrics) -> bool {
    let mut apps = PLAYS.iter().map(|(app, _)| ("app", *app)).chain([SERVER]);
    apps.all(|app| ended(metrics, &[app])[0] == 0)
}

#[test]
#[ignore = "two minutes of silence; run it with --ignored"]
fn after_two_minutes_of_silence_a_contact_is_over_and_the_next_datagram_begins_another() {
    let (directory, host) = (Directory::new("silence"), Namespace::new("th"));
    let mut command = host.command(&directory.app(SERVER.1));
    command
        .args("--deadline 300 serve-datagrams --until-stdin-closes".split(' '))
        .args(["--listen", "127.0.0.1:7001"]);
    let server = Helper::start(&mut command, "ready");
    let tracer = Tracer::start(&[]);
    let mut clients = PLAYS.map(|(app, arguments)| {
        let mut command = host.command(&directory.app(app));
        command
            .args("--deadline 300 datagrams --rounds --to 127.0.0.1:7001".split(' '))
            .args(arguments.split(' '));
        Helper::start(&mut command, "ready")
    });

    let mut first = round(&mut clients[0]);
    for _ in 0..2 {
        sleep(Duration::from_secs(3));
        // The same contact: it has begun once, and its truth is of all rounds.
        add(&mut first, &round(&mut clients[0]), &["sent", "received"]);
    }
    let mut quiet = [Instant::now(); PLAYS.len()];
    let mut truths = vec![first];
    for (client, quiet) in clients.iter_mut().zip(&mut quiet).skip(1) {
        truths.push(round(client));
        *quiet = Instant::now();
    }
    let check = |metrics: &Metrics, truths: &[Value], states: [[u64; 4]; 3]| {
        for (((app, _), truth), state) in PLAYS.iter().zip(truths).zip(states) {
            let labels = [("app", *app)];
            let truth = told(std::slice::from_ref(truth));
            assert_eq!(counted(metrics, &labels), truth, "{app}");
            assert_eq!(ended(metrics, &labels), state, "{app}");
        }
        let [connections, established, sent, received]: Counts = told(truths);
        let labels = [SERVER, ("direction", "in")];
        let mirrored = [connections, established, received, sent];
        assert_eq!(counted(metrics, &labels), mirrored);
        assert_eq!(counted(metrics, &[SERVER]), mirrored);
        let all: [u64; 4] = std::array::from_fn(|at| states.iter().map(|state| state[at]).sum());
        assert_eq!(ended(metrics, &labels), all);
        metrics.assert_nothing_lost();
    };
    sleep(ALMOST);
    check(&tracer.metrics(), &truths, [[1, 0, 0, 0]; 3]);

    let mut over = [None; PLAYS.len()];
    let metrics = tracer.wait_seconds_for(60, "the silence is over", |metrics| {
        for (((app, _), quiet), over) in PLAYS.iter().zip(quiet).zip(&mut over) {
            if over.is_none() && ended(metrics, &[("app", app)])[0] == 0 {
                *over = Some(quiet.elapsed());
            }
        }
        is_quiet(metrics)
    });
    for ((app, _), over) in PLAYS.iter().zip(over) {
        let over = over.expect("it is over");
        assert!(over >= SILENCE, "{app} was over after {over:?}");
        assert!(over.as_secs() < LATEST, "{app} was over after {over:?}");
    }
    check(
        &metrics,
        &truths,
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1]],
    );

    for (client, truth) in clients.iter_mut().zip(&mut truths) {
        let names = ["connections", "established", "sent", "received"];
        add(truth, &round(client), &names);
    }
    let open = [[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 1]];
    check(&tracer.metrics(), &truths, open);

    for client in clients {
        assert_eq!(client.finish(), [""; 0]);
    }
    let told: Vec<Value> = parse(server.finish().iter().map(String::as_str));
    assert_eq!(sum(&told, "dropped"), 0, "the server lost some");
    let metrics = tracer.wait_for("every socket is closed", is_quiet);
    check(
        &metrics,
        &truths,
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 2]],
    );
}
