//! What is pushed to the phone in tracer's place, and answers as tracer does.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, process, thread};

use crate::programs::script;

/// Where it shall listen. Unset when somebody runs the ignored tests by hand.
const LISTEN: &str = "FAKE_LISTEN";

/// It serves until it is told to end. The script stays, so that the process is called like tracer.
pub fn that_serves(folder: &Path) {
    // The user of the phone's shell may not look into the folder that cargo builds in.
    let server = folder.join("server");
    let itself = env::current_exe().expect("the path of this test");
    // By another process, as `program::write` does.
    let copied = Command::new("cp").arg(itself).arg(&server).status();
    assert!(copied.expect("start cp").success(), "copy this test");
    script(
        folder,
        "tracer",
        &format!(
            "echo \"arguments: $*\"
trap 'kill $child; echo ends; exit 0' TERM
{LISTEN}=$3 {} --exact tracer::serves --ignored --nocapture &
child=$!
wait $child",
            server.display()
        ),
    );
}

/// It ends before it serves.
pub fn that_ends(folder: &Path) {
    script(
        folder,
        "tracer",
        "echo 'error: the kernel does not take the programs' >&2\necho 'hint: read the tea leaves' >&2\nexit 1",
    );
}

#[test]
#[ignore = "not a test: it runs as the phone's tracer"]
fn serves() {
    let Ok(address) = env::var(LISTEN) else {
        return;
    };
    thread::spawn(|| {
        // Whoever started it may have been killed.
        thread::sleep(Duration::from_secs(120));
        process::exit(1);
    });
    let listener = TcpListener::bind(address).expect("listen");
    let mut asked = 0;
    for stream in listener.incoming() {
        let mut stream = stream.expect("accept");
        let mut request = [0; 4096];
        let length = stream.read(&mut request).expect("read a request");
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        asked += 1;
        let answer = if request.starts_with("GET /metrics ") {
            "HTTP/1.1 200 OK\r\n\r\ntracer_contacts_total 1\n"
        } else if asked > 2 {
            "HTTP/1.1 200 OK\r\n\r\nready\n"
        } else {
            "HTTP/1.1 503 Service Unavailable\r\n\r\nno contact was seen yet\n"
        };
        // Who asks may be gone.
        let _ = stream.write_all(answer.as_bytes());
    }
}
