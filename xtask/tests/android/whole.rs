//! From the push to the stop.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::phone::{self, Computer};
use crate::programs::{PHONE, Su, Traits};
use crate::steps::{check, port, push, pushed, scrape};
use crate::tracer;

fn whole(traits: Traits) {
    let computer = Computer::start();
    let phone = computer.connect(traits);
    tracer::that_serves(phone.folder());
    let status = computer.android("status", &phone, &[]);
    check(&status, "tracer   not on the device");
    push(&computer, &phone);
    let pushed = phone.tracer_folder().join("tracer");
    assert_eq!(
        fs::read(pushed).expect("what was pushed"),
        fs::read(phone.folder().join("tracer")).expect("what was to be pushed")
    );
    let status = computer.android("status", &phone, &[]);
    check(&status, "tracer   not running");

    let started = computer.android("start", &phone, &["--", "--log", "it's $HOME"]);
    check(&started, "/metrics");
    let through = port(&started, &phone);
    assert!(scrape(through).contains("tracer_contacts_total 1"));
    let process = phone.process().expect("the number of its process");

    let again = computer.android("start", &phone, &[]);
    check(&again, "/metrics");
    assert_eq!(port(&again, &phone), through);
    assert!(again.stderr.contains("running already"), "{}", again.stderr);
    assert_eq!(phone.process(), Some(process));

    let status = computer.android("status", &phone, &[]);
    for line in [
        "model    Pixel 6".to_owned(),
        "android  13".to_owned(),
        "abi      arm64-v8a".to_owned(),
        "kernel   5.10.177-android13-4".to_owned(),
        "root     yes".to_owned(),
        format!("tracer   running, process {process}"),
        format!("address  http://127.0.0.1:{through}/metrics"),
        "ready    yes".to_owned(),
    ] {
        check(&status, &format!("{} {line}", phone.serial));
    }
    let logs = computer.android("logs", &phone, &[]);
    let expected = format!(
        "arguments: run --listen 127.0.0.1:{} --log it's $HOME",
        phone.port
    );
    check(&logs, &expected);

    check(&computer.android("stop", &phone, &[]), "stopped");
    assert_eq!(phone::command_line(process), "");
    assert_eq!(phone.process(), None);
    assert_eq!(computer.adb(&["forward", "--list"]).trim(), "");
    check(&computer.android("logs", &phone, &[]), "\nends\n");
    check(&computer.android("stop", &phone, &[]), "was not running");
}

#[test]
fn on_a_phone_with_magisk_tracer_is_pushed_started_seen_and_stopped() {
    whole(PHONE);
}

#[test]
fn the_su_of_android_itself_will_do() {
    whole(Traits {
        su: Su::Android,
        ..PHONE
    });
}

#[test]
fn adb_root_will_do() {
    // SAFETY: takes nothing, touches no memory and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: only root can play a phone whose adbd becomes root");
        return;
    }
    whole(Traits {
        profile: "userdebug",
        su: Su::None,
        ..PHONE
    });
}

#[test]
fn a_tracer_outlives_the_adbd_that_started_it() {
    let groups = "/sys/fs/cgroup/cgroup.procs";
    if OpenOptions::new().write(true).open(groups).is_err() {
        eprintln!(
            "skipped: only root can play init, and where there are control groups of version 2"
        );
        return;
    }
    let (computer, phone) = pushed(Traits {
        profile: "userdebug",
        su: Su::None,
        has_init: true,
        ..PHONE
    });
    check(&computer.android("start", &phone, &[]), "/metrics");
    let process = phone.process().expect("the number of its process");
    let other = "setsid sleep 60 < /dev/null > /dev/null 2>&1 & echo $!";
    let other = computer.adb(&["-s", &phone.serial, "shell", other]);
    let other: u32 = other.trim().parse().expect("the number of a process");

    computer.adb(&["-s", &phone.serial, "unroot"]);
    computer.adb(&["connect", &phone.serial]);
    assert_eq!(phone::command_line(other), "", "init kills what is adbd's");
    assert!(phone::command_line(process).contains("tracer"));
    let again = computer.android("start", &phone, &[]);
    assert!(again.stderr.contains("running already"), "{}", again.stderr);
    check(&computer.android("stop", &phone, &[]), "stopped");
}

#[test]
fn two_phones_are_done_in_turn_and_get_ports_of_their_own() {
    let computer = Computer::start();
    let phones = [computer.connect(PHONE), computer.connect(PHONE)];
    for phone in &phones {
        tracer::that_serves(phone.folder());
        push(&computer, phone);
    }
    let ports = phones
        .each_ref()
        .map(|phone| port(&computer.android("start", phone, &[]), phone));
    assert_ne!(ports[0], ports[1]);
    for port in ports {
        assert!(scrape(port).contains("tracer_contacts_total 1"));
    }
    // They share a machine, but not what is asked of one at a time: each tells of itself.
    let folder = phones[0].tracer_folder().display().to_string();
    let device_port = phones[0].port.to_string();
    let both =
        computer.android_of_all(&["status", "--folder", &folder, "--device-port", &device_port]);
    for phone in &phones {
        check(&both, &format!("{} model    Pixel 6", phone.serial));
    }
    for phone in &phones {
        check(&computer.android("stop", phone, &[]), "stopped");
    }
}

#[test]
fn a_log_is_followed_and_a_large_one_is_put_aside() {
    let (computer, phone) = pushed(PHONE);
    let log = phone.tracer_folder().join("tracer.log");
    fs::write(&log, "old\n".repeat(300_000)).expect("write a log");
    check(&computer.android("start", &phone, &[]), "/metrics");
    let aside = phone.tracer_folder().join("tracer.log.1");
    assert_eq!(
        fs::metadata(aside).map(|old| old.len()).ok(),
        Some(1_200_000)
    );

    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let mut follower = computer
        .surround(&mut command)
        .args(["android", "logs", "--follow", "--serial", &phone.serial])
        .arg("--folder")
        .arg(phone.tracer_folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start xtask");
    let mut lines = BufReader::new(follower.stdout.take().expect("what it says")).lines();
    let mut find = |part: &str| lines.any(|line| line.expect("a line").contains(part));
    assert!(find("arguments: run"));
    check(&computer.android("stop", &phone, &[]), "stopped");
    assert!(find("ends"));
    follower.kill().expect("end it");
    follower.wait().expect("wait for its end");
}
