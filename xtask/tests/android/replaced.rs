//! What becomes of a tracer that runs while another is pushed?

use std::fs;
use std::net::TcpListener;

use crate::phone::{self, Computer, Phone};
use crate::programs::PHONE;
use crate::steps::{check, push, pushed};
use crate::tracer;

/// A phone with a tracer that is older than what was pushed last, and the number of its process.
fn with_an_older_one() -> (Computer, Phone, u32) {
    let (computer, phone) = pushed(PHONE);
    check(&computer.android("start", &phone, &[]), "/metrics");
    let old = phone.process().expect("the number of its process");
    push(&computer, &phone);
    (computer, phone, old)
}

#[test]
fn what_was_pushed_last_is_what_runs_after_a_start() {
    let (computer, phone, old) = with_an_older_one();
    let status = computer.android("status", &phone, &[]);
    check(&status, &format!("running, process {old}, older than"));

    let started = computer.android("start", &phone, &[]);
    check(&started, "/metrics");
    let said = &started.stderr;
    assert!(said.contains("an older tracer ran"), "{said}");
    assert_eq!(phone::command_line(old), "");
    let new = phone.process().expect("the number of its process");
    let status = computer.android("status", &phone, &[]);
    check(&status, &format!("running, process {new}\n"));
    let again = computer.android("start", &phone, &[]);
    assert!(again.stderr.contains("running already"), "{}", again.stderr);
    check(&computer.android("stop", &phone, &[]), "stopped");
    assert_eq!(computer.adb(&["forward", "--list"]).trim(), "");
}

#[test]
fn an_older_tracer_is_told_by_a_phone_without_root_too() {
    let (computer, phone, old) = with_an_older_one();
    fs::remove_file(phone.folder().join("programs/su")).expect("take root away");
    let status = computer.android("status", &phone, &[]);
    check(&status, "root     no");
    check(&status, &format!("running, process {old}, older than"));
}

#[test]
fn an_older_tracer_goes_on_where_the_new_one_would_not_be_reached() {
    let (computer, phone, old) = with_an_older_one();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port();
    let said = computer.android("start", &phone, &["--port", &port.to_string()]);
    assert!(said.stderr.contains("is taken"), "{}", said.stderr);
    assert!(phone::command_line(old).contains("tracer"));
    check(&computer.android("stop", &phone, &[]), "stopped");
}

#[test]
fn that_the_older_one_was_stopped_is_said_also_where_the_new_one_fails() {
    let (computer, phone, old) = with_an_older_one();
    tracer::that_ends(phone.folder());
    push(&computer, &phone);
    let said = computer.android("start", &phone, &[]);
    assert!(!said.is_success, "{}", said.stdout);
    let said = &said.stderr;
    assert!(
        said.contains("an older tracer ran, and was stopped"),
        "{said}"
    );
    assert!(said.contains("tracer ended at once"), "{said}");
    assert_eq!(phone::command_line(old), "");
}
