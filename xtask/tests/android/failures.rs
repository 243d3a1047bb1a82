//! What goes wrong has a line that says so, and a hint.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread;
use std::{env, fs};

use crate::phone::{Computer, Phone, Said};
use crate::programs::{PHONE, Su, Traits};
use crate::tracer;

fn check(said: &Said, error: &str, hint: &str) {
    let text = &said.stderr;
    assert!(!said.is_success, "{}{text}", said.stdout);
    assert!(text.contains("error: "), "{text}");
    assert!(text.contains(error), "{error:?} in {text}");
    assert!(
        text.contains(&format!("\nhint: {hint}")),
        "{hint:?} in {text}"
    );
}

fn push(computer: &Computer, phone: &Phone) -> Said {
    let binary = phone.folder().join("tracer");
    computer.android("push", phone, &["--binary", &binary.display().to_string()])
}

#[test]
fn without_adb_these_tests_fail_and_say_how_to_get_it() {
    let computer = Computer::start();
    let itself = env::current_exe().expect("the path of this test");
    let output = Command::new(itself)
        .args(["--exact", "failures::a_missing_device_is_told"])
        .env("PATH", computer.home())
        .output();
    let output = output.expect("start this test");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = "there is no adb here\nhint: cargo xtask setup";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_missing_device_is_told() {
    let computer = Computer::start();
    if computer.adb(&["devices"]).contains('\t') {
        eprintln!("skipped: a real device is plugged in");
        return;
    }
    let said = computer.android_of_all(&["status"]);
    check(&said, "no device is connected", "plug in a phone");
    let said = computer.android_of_all(&["stop", "--serial", "0A1B"]);
    check(&said, "there is no device 0A1B", "adb devices says");
}

#[test]
fn a_phone_that_has_not_allowed_this_computer_is_told() {
    let computer = Computer::start();
    let phone = computer.connect(Traits {
        profile: "unauthorised",
        ..PHONE
    });
    let said = computer.android("start", &phone, &[]);
    check(&said, "is not ready: unauthorized", "unlock it and allow");
}

#[test]
fn a_phone_without_root_is_refused() {
    let computer = Computer::start();
    let phone = computer.connect(Traits {
        su: Su::None,
        ..PHONE
    });
    tracer::that_serves(phone.folder());
    assert!(push(&computer, &phone).is_success);
    let said = computer.android("start", &phone, &[]);
    check(&said, "no root on this device", "take an emulator without");
    let status = computer.android("status", &phone, &[]);
    assert!(status.stdout.contains("root     no"), "{}", status.stdout);
}

#[test]
fn an_old_kernel_is_refused_before_anything_is_changed() {
    let computer = Computer::start();
    let phone = computer.connect(Traits {
        kernel: "5.4.210-qgki",
        ..PHONE
    });
    let said = computer.android("start", &phone, &[]);
    check(
        &said,
        "the kernel 5.4.210-qgki is older than 5.10",
        "take a device",
    );
    assert!(!phone.tracer_folder().exists(), "something was changed");
}

#[test]
fn a_processor_that_tracer_is_not_built_for_is_told() {
    let computer = Computer::start();
    let phone = computer.connect(Traits {
        abi: "mips",
        ..PHONE
    });
    crate::programs::script(&phone.folder().join("programs"), "uname", "echo mips");
    let said = computer.android("push", &phone, &[]);
    check(
        &said,
        "not built for this device: its ABI is \"mips\"",
        "it takes",
    );
}

#[test]
fn what_was_not_pushed_is_not_started() {
    let computer = Computer::start();
    let phone = computer.connect(PHONE);
    let said = computer.android("start", &phone, &[]);
    check(
        &said,
        "tracer is not on the device yet",
        "cargo xtask android push",
    );
    let said = computer.android("logs", &phone, &[]);
    check(&said, "there is no log at", "cargo xtask android start");
}

#[test]
fn a_tracer_that_ends_at_once_is_told_with_its_last_words() {
    let computer = Computer::start();
    let phone = computer.connect(PHONE);
    tracer::that_ends(phone.folder());
    assert!(push(&computer, &phone).is_success);
    let said = computer.android("start", &phone, &[]);
    check(
        &said,
        "tracer ended at once; it said:\nerror: the kernel does not take the programs",
        "all it said",
    );
    check(&said, "", "read the tea leaves");
    assert_eq!(computer.adb(&["forward", "--list"]).trim(), "");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let computer = Computer::start();
    let phone = computer.connect(PHONE);
    tracer::that_serves(phone.folder());
    assert!(push(&computer, &phone).is_success);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port();
    let said = computer.android("start", &phone, &["--port", &port.to_string()]);
    check(&said, &format!("port {port} is taken"), "name another");
}

#[test]
fn another_tracer_on_the_phone_is_not_taken_for_ours() {
    let computer = Computer::start();
    let phone = computer.connect(PHONE);
    tracer::that_serves(phone.folder());
    assert!(push(&computer, &phone).is_success);
    let other = TcpListener::bind(("127.0.0.1", phone.port)).expect("the phone's port");
    thread::spawn(move || {
        for stream in other.incoming() {
            let mut stream = stream.expect("accept");
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nready\n");
        }
    });
    let said = computer.android("start", &phone, &[]);
    check(&said, "is served already", "if a module has started one");
    assert_eq!(phone.process(), None);
    assert_eq!(computer.adb(&["forward", "--list"]).trim(), "");
    // And a stop has nothing of ours to end.
    let said = computer.android("stop", &phone, &[]);
    assert!(said.stdout.contains("was not running"), "{}", said.stdout);
}

#[test]
fn a_folder_that_may_not_be_written_to_is_told() {
    let computer = Computer::start();
    let phone = computer.connect(PHONE);
    tracer::that_serves(phone.folder());
    // Where a file is there can be no folder, whoever asks.
    fs::write(phone.tracer_folder(), "").expect("write a file");
    let said = push(&computer, &phone);
    check(&said, "on the device: ", "may one write to");
    let said = computer.android("push", &phone, &["--binary", "/nonexistent/tracer"]);
    check(
        &said,
        "read /nonexistent/tracer: ",
        "cargo xtask android build makes one",
    );
}

#[test]
fn a_phone_that_does_not_speak_is_offline() {
    let computer = Computer::start();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let serial = silent.local_addr().expect("its number").to_string();
    computer.adb(&["connect", &serial]);
    let said = computer.android_of_all(&["status", "--serial", &serial]);
    check(
        &said,
        &format!("{serial} is not ready: offline"),
        "unplug it",
    );
}

#[test]
fn a_full_phone_is_told() {
    let computer = Computer::start();
    let phone = computer.connect(PHONE);
    tracer::that_serves(phone.folder());
    // A device that is always full, at the place where the binary goes first: adbd writes to devices.
    fs::create_dir(phone.tracer_folder()).expect("create a folder");
    let full = phone.tracer_folder().join("tracer.unfinished");
    let made = Command::new("mknod")
        .arg(&full)
        .args(["c", "1", "7"])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: only root can play a phone that is full");
        return;
    }
    fs::set_permissions(&full, fs::Permissions::from_mode(0o666)).expect("open a device");
    let said = push(&computer, &phone);
    check(&said, "No space left on device", "free some space");
}

#[test]
fn one_phone_that_fails_does_not_keep_the_other_from_its_turn() {
    let computer = Computer::start();
    let (good, bad) = (
        computer.connect(PHONE),
        computer.connect(Traits {
            kernel: "4.19.1",
            ..PHONE
        }),
    );
    tracer::that_serves(good.folder());
    assert!(push(&computer, &good).is_success);
    let folder = good.tracer_folder().display().to_string();
    let port = good.port.to_string();
    let said = computer.android_of_all(&["start", "--folder", &folder, "--device-port", &port]);
    check(
        &said,
        &format!("error: {}: the kernel 4.19.1", bad.serial),
        "take a device",
    );
    assert!(
        said.stderr.contains("1 of 2 devices failed"),
        "{}",
        said.stderr
    );
    assert!(said.stdout.starts_with(&good.serial), "{}", said.stdout);
    assert!(computer.android("stop", &good, &[]).is_success);
}
