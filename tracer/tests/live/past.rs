//! Payload that goes past TCP is in no count of TCP's: the contact says so.

use serde_json::Value;

use crate::support::{Directory, Helper, Namespace, Tracer, truth, types_are_known};

const PLACE: &str = "127.0.0.1:7011";

/// What the API says of the connections of an app: each direction, whether it is live, and whether its payload went past TCP.
fn said(tracer: &Tracer, app: &str) -> Vec<(String, bool, bool)> {
    let page = tracer.contacts(&format!("app={app}"));
    let mut said: Vec<_> = page["contacts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|contact| {
            let flag = |field: &str| contact[field].as_bool().expect("a flag");
            let direction = contact["direction"].as_str().expect("a direction");
            (direction.to_owned(), flag("live"), flag("past_tcp"))
        })
        .collect();
    said.sort();
    said
}

#[test]
fn a_contact_whose_payload_goes_past_tcp_says_so_live_and_ended() {
    if !types_are_known() {
        return;
    }
    let (directory, host) = (Directory::new("past"), Namespace::new("tp"));
    let tracer = Tracer::start(&[]);
    let mut command = host.command(&directory.app("meshed"));
    let meshed = Helper::start(command.args(["sockmap", "--at", PLACE]), "ready");
    let expected = |live| {
        ["in", "out"]
            .map(|way| (way.to_owned(), live, true))
            .to_vec()
    };
    assert_eq!(said(&tracer, "meshed"), expected(true));
    let told: Value = serde_json::from_str(&meshed.finish()[0]).expect("a line of truth");
    let metrics = tracer.wait_for("it has ended", |metrics| {
        truth::are_over(metrics, &[("app", "meshed")], 2)
    });
    assert_eq!(said(&tracer, "meshed"), expected(false));
    let out = [("app", "meshed"), ("direction", "out")];
    assert_eq!(truth::counted(&metrics, &out), truth::told(&[told]));

    // One that goes through TCP says nothing of the kind.
    let mut command = host.command(&directory.app("server"));
    command.args([
        "serve",
        "--until-stdin-closes",
        "--listen",
        "127.0.0.1:7012",
    ]);
    let server = Helper::start(&mut command, "ready");
    let mut command = host.command(&directory.app("plain"));
    command.args(["connect", "--to", "127.0.0.1:7012", "--mode", "echo"]);
    truth::lines(command);
    tracer.wait_for("it has ended too", |metrics| {
        truth::are_over(metrics, &[("app", "plain")], 1)
    });
    let plain = [("out".to_owned(), false, false)];
    assert_eq!(said(&tracer, "plain"), plain);
    server.finish();
}
