//! Whose is a forward? What `start` has made, `stop` takes away, and nothing else.

use crate::phone::{Computer, Phone, free_port};
use crate::programs::PHONE;
use crate::steps::{check, port, push, pushed, scrape};
use crate::tracer;

/// A phone with a tracer that was started, and the port that leads to it: one that no other test looks for.
fn started() -> (Computer, Phone, u16) {
    let (computer, phone) = pushed(PHONE);
    let through = free_port();
    let said = computer.android("start", &phone, &["--port", &through.to_string()]);
    assert_eq!(port(&said, &phone), through);
    (computer, phone, through)
}

/// What somebody makes who wants to reach the phone's tracer without us; adb's word for it in a list.
fn by_hand(computer: &Computer, phone: &Phone, port: u16) -> String {
    let (local, remote) = (format!("tcp:{port}"), format!("tcp:{}", phone.port));
    computer.adb(&["-s", &phone.serial, "forward", &local, &remote]);
    let listed = format!("{} {local} {remote}", phone.serial);
    assert_eq!(forwards(computer), listed);
    listed
}

fn forwards(computer: &Computer) -> String {
    let list = computer.adb(&["forward", "--list"]);
    list.trim().to_owned()
}

/// As a cable that is pulled out and plugged in again. adb forgets the phone's forwards.
fn reconnect(computer: &Computer, phone: &Phone) {
    computer.adb(&["disconnect", &phone.serial]);
    computer.adb(&["connect", &phone.serial]);
    assert_eq!(forwards(computer), "");
}

#[test]
fn a_forward_of_the_users_own_is_used_and_stays() {
    let (computer, phone) = pushed(PHONE);
    let remote = format!("tcp:{}", phone.port);
    let own = computer.adb(&["-s", &phone.serial, "forward", "tcp:0", &remote]);
    let own: u16 = own.trim().parse().expect("a port");
    let listed = format!("{} tcp:{own} {remote}", phone.serial);
    check(&computer.android("stop", &phone, &[]), "was not running");
    assert_eq!(computer.adb(&["forward", "--list"]).trim(), listed);

    let started = computer.android("start", &phone, &[]);
    assert_eq!(port(&started, &phone), own);
    check(&computer.android("stop", &phone, &[]), "stopped");
    assert_eq!(computer.adb(&["forward", "--list"]).trim(), listed);

    // Nor does a start that fails take it away.
    tracer::that_ends(phone.folder());
    push(&computer, &phone);
    assert!(!computer.android("start", &phone, &[]).is_success);
    assert_eq!(computer.adb(&["forward", "--list"]).trim(), listed);
}

#[test]
fn what_is_made_by_hand_after_a_start_that_failed_stays() {
    let (computer, phone) = pushed(PHONE);
    tracer::that_ends(phone.folder());
    push(&computer, &phone);
    let through = free_port();
    let said = computer.android("start", &phone, &["--port", &through.to_string()]);
    assert!(!said.is_success, "{}", said.stdout);
    assert_eq!(forwards(&computer), "");

    let listed = by_hand(&computer, &phone, through);
    check(&computer.android("stop", &phone, &[]), "was not running");
    assert_eq!(forwards(&computer), listed);
}

#[test]
fn what_a_second_start_made_is_taken_away_too() {
    let (computer, phone, _) = started();
    reconnect(&computer, &phone);
    let other = free_port().to_string();
    let again = computer.android("start", &phone, &["--port", &other]);
    assert!(again.stderr.contains("running already"), "{}", again.stderr);
    assert!(scrape(port(&again, &phone)).contains("tracer_contacts_total 1"));
    check(&computer.android("stop", &phone, &[]), "stopped");
    assert_eq!(forwards(&computer), "");
}

#[test]
fn what_a_start_made_beside_another_is_taken_away_with_it() {
    let (computer, phone, through) = started();
    let other = free_port().to_string();
    let again = computer.android("start", &phone, &["--port", &other]);
    assert_eq!(port(&again, &phone).to_string(), other);
    assert!(scrape(through).contains("tracer_contacts_total 1"));
    check(&computer.android("stop", &phone, &[]), "stopped");
    assert_eq!(forwards(&computer), "");
}

#[test]
fn a_tracer_that_has_ended_by_itself_leaves_no_forward_to_a_stop() {
    let (computer, phone, _) = started();
    phone.kill_tracer();
    check(&computer.android("stop", &phone, &[]), "was not running");
    assert_eq!(forwards(&computer), "");
}

#[test]
fn a_stop_of_another_folder_leaves_what_is_in_use() {
    let (computer, phone, through) = started();
    let device_port = phone.port.to_string();
    let folder = phone.folder().join("data/other").display().to_string();
    let mut arguments = vec!["stop", "--serial", &phone.serial];
    arguments.extend(["--device-port", &device_port, "--folder", &folder]);
    check(&computer.android_of_all(&arguments), "was not running");
    assert!(scrape(through).contains("tracer_contacts_total 1"));
    check(&computer.android("stop", &phone, &[]), "stopped");
    assert_eq!(forwards(&computer), "");
}

#[test]
fn a_forward_that_adb_only_says_it_removed_is_told() {
    let (computer, phone, through) = started();
    computer.replace_adb("case \" $* \" in *' --remove '*) exit 0;; esac");
    let said = computer.android("stop", &phone, &[]);
    assert!(!said.is_success, "{}", said.stdout);
    let expected = format!("port {through} of this machine still leads to the device\nhint: ");
    assert!(said.stderr.contains(&expected), "{}", said.stderr);
    assert_eq!(phone.process(), None, "the tracer itself was stopped");
}
