//! Where the kernel's own counters of a socket mislead: what was refused on its way out, and a SYN that carries data.

use std::{fs::File, io, mem, os::fd::AsRawFd as _, path::Path, process::Command, thread};

use crate::support::{
    Directory, Namespace, Tracer,
    network::{Network, start},
};

#[test]
fn bytes_that_a_full_queue_refused_are_counted_when_they_leave_and_not_before() {
    let (directory, network) = (Directory::new("queue"), Network::new());
    let server = network.serve(&directory.app("server"), &["10.77.0.2:7000"]);
    // A queue of four packets: a sender without patience finds it full all the time.
    let shape = "qdisc add dev c0 root tbf rate 50mbit burst 5kb limit 6000";
    let mut tc = network.client.command(Path::new("tc"));
    crate::support::run(tc.args(shape.split(' ')));
    let tracer = Tracer::start(&[]);
    let mut command = network.client.command(&directory.app("uploader"));
    command.args(["connect", "--to", "10.77.0.2:7000", "--mode", "upload"]);
    command.args(["--times", "4", "--threads", "4", "--bytes-out", "1000003"]);
    let output = start(command)
        .wait_with_output()
        .expect("wait for the generator");
    assert!(output.status.success());
    let truth: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a line of truth");
    let app = [("app", "uploader")];
    let metrics = tracer.wait_for("every connection has ended", |metrics| {
        metrics.sum("tracer_connections_established_total", &app) == 4
            && metrics.sum("tracer_connections_open", &app) == 0
    });
    let sent = metrics.sum("tracer_sent_bytes_total", &app);
    assert_eq!(Some(sent), truth["sent"].as_u64());
    server.finish();
}

/// Sends `data` with the SYN to a port where nobody listens, in the namespace of this thread. Returns the error.
fn send_with_the_syn(port: u16, data: &[u8]) -> Option<i32> {
    // SAFETY: plain system calls on memory of this function, and a descriptor that is closed at its end.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        assert!(socket >= 0);
        let mut address: libc::sockaddr_in = mem::zeroed();
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from_be_bytes([127, 0, 0, 1]).to_be();
        let sent = libc::sendto(
            socket,
            data.as_ptr().cast(),
            data.len(),
            libc::MSG_FASTOPEN,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_in>() as libc::socklen_t,
        );
        let error = (sent < 0).then(io::Error::last_os_error);
        libc::close(socket);
        error.and_then(|error| error.raw_os_error())
    }
}

#[test]
fn a_refused_syn_that_carried_data_is_a_failed_attempt() {
    let host = Namespace::new("tf");
    // Data in the first SYN, without a cookie of the server.
    let mut allow = Command::new("ip");
    allow.args(["netns", "exec", &host.0, "sh", "-c"]);
    crate::support::run(allow.arg("echo 5 > /proc/sys/net/ipv4/tcp_fastopen"));
    let tracer = Tracer::start(&[]);
    let namespace = File::open(format!("/run/netns/{}", host.0)).expect("the namespace's file");
    thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: changes the namespace of this thread only, which ends right after.
            let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(entered, 0);
            for _ in 0..10 {
                assert_eq!(send_with_the_syn(9, b"hello"), Some(libc::ECONNREFUSED));
            }
        });
    });
    assert_eq!(host.active_opens(), 10);
    let metrics = tracer.metrics();
    let place = [("destination", "127.0.0.1"), ("port", "9")];
    let failed = [place[0], place[1], ("reason", "refused")];
    assert_eq!(metrics.sum("tracer_connections_total", &place), 10);
    assert_eq!(
        metrics.sum("tracer_connections_established_total", &place),
        0
    );
    assert_eq!(metrics.sum("tracer_connections_failed_total", &failed), 10);
}
