//! What it says when it cannot run, and what the doctor says of a machine.

use std::{
    fs,
    io::Read as _,
    net::TcpListener,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Directory, patience};

/// Runs the tracer where it cannot run, and returns what it said.
fn refuse(command: &mut Command) -> String {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the tracer");
    let deadline = Instant::now() + patience(1);
    let status = loop {
        if let Some(status) = child.try_wait().expect("ask for its state") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("it did not end within a second");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("its errors")
        .read_to_string(&mut said)
        .expect("text");
    assert_eq!(status.code(), Some(2), "{said}");
    let mut lines = said.lines();
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("tracer: ")),
        "{said}"
    );
    assert!(
        lines.next().is_some_and(|line| line.starts_with("hint: ")),
        "{said}"
    );
    said
}

fn tracer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
    command.args(arguments);
    command
}

#[test]
fn without_rights_it_says_which_are_missing() {
    let directory = Directory::new("rights");
    let copy = directory.0.join("tracer");
    fs::copy(env!("CARGO_BIN_EXE_tracer"), &copy).expect("copy the tracer");
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--clear-groups", "--"])
        .arg(&copy)
        .args(["run", "--listen", "127.0.0.1:0"]);
    let said = refuse(&mut command);
    assert!(
        said.contains("as root") && said.contains("CAP_BPF"),
        "{said}"
    );
}

#[test]
fn a_taken_port_is_said_before_the_kernel_is_touched() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let said = refuse(&mut tracer(&["run", "--listen", &address]));
    assert!(
        said.contains(&address) && said.contains("--listen"),
        "{said}"
    );
}

#[test]
fn an_unreadable_list_of_packages_is_said() {
    let said = refuse(&mut tracer(&[
        "run",
        "--listen",
        "127.0.0.1:0",
        "--packages-list",
        "/nonexistent/packages.list",
    ]));
    assert!(said.contains("/nonexistent/packages.list"), "{said}");
}

#[test]
fn a_kernel_without_type_information_is_measured_and_the_doctor_says_so() {
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", hide, env!("CARGO_BIN_EXE_tracer")])
        .args(["doctor", "--json"])
        .output()
        .expect("run the doctor");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["can_run"], true);
    let types = answer["machine"]["kernel type information (BTF)"]
        .as_str()
        .expect("a line about types");
    assert!(types.starts_with("missing; "), "{types}");
    assert!(types.contains("measured"), "{types}");
}

#[test]
fn a_kernel_that_cannot_be_measured_is_said_with_the_reason() {
    // Loopback is down in a new network namespace, so nothing can be sent there.
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\"";
    let hidden = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--net", "sh", "-c", hide])
            .arg(env!("CARGO_BIN_EXE_tracer"))
            .args(arguments);
        command
    };
    let said = refuse(&mut hidden(&["run", "--listen", "127.0.0.1:0"]));
    assert!(said.contains("BTF"), "{said}");
    let output = hidden(&["doctor", "--json"])
        .output()
        .expect("run the doctor");
    assert_eq!(output.status.code(), Some(2));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["can_run"], false);
    for signal in answer["signals"].as_array().expect("signals") {
        assert_eq!(
            signal["attached"], false,
            "never healthy without data: {signal}"
        );
    }
}

#[test]
fn the_doctor_says_that_the_main_job_can_run_here() {
    let output: Output = tracer(&["doctor"]).output().expect("run the doctor");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in [
        "tcp_life",
        "tcp_nested",
        "tcp_end",
        "tcp_error",
        "tcp_bytes",
    ] {
        assert!(
            text.lines()
                .any(|found| found.starts_with(line) && found.contains("served by")),
            "{text}"
        );
    }
    let output = tracer(&["doctor", "--json"])
        .output()
        .expect("run the doctor");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["can_run"], true);
    // Of two kinds of hooks for a signal one serves; then nothing of it goes unseen.
    for hook in answer["signals"].as_array().expect("signals") {
        let signal = hook["signal"].as_str().expect("a name");
        if !crate::support::unserved().contains(signal) {
            assert!(hook["not_seen"].is_null(), "{hook}");
        }
        assert_eq!(hook["attached"] == true, hook["reason"].is_null(), "{hook}");
    }
}
