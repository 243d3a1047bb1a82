//! The lines of `/metrics` of a running tracer, one by one: the whole may have hundreds of megabytes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::time::Duration;

use ureq::Agent;

use super::super::failure::Failure;

/// How long the tracer may be silent. It answers at once; a busy machine takes a while.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest line: nine labels, of which each has at most some hundred bytes, each perhaps escaped.
const LONGEST: u64 = 64 << 10;

/// Hands over each line of the metrics at an address. Through no proxy: it is a tracer of this machine, or of one at hand.
pub fn lines(from: &str, take: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let address = if from.ends_with("/metrics") {
        from.to_owned()
    } else {
        format!("{}/metrics", from.trim_end_matches('/'))
    };
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::could_not_run(format!("{address}: {why}"))
            .hint("see whether `tracer run` is at work there; --from names another address")
    };
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build();
    let response = Agent::new_with_config(config)
        .get(&address)
        .header("accept", "text/plain")
        .call()
        .map_err(|error| unreadable(&error))?;
    if response.status().as_u16() != 200 {
        return Err(unreadable(&format!("it answers {}", response.status())));
    }
    let body = response.into_body().into_with_config().limit(u64::MAX);
    let mut body = BufReader::new(body.reader());
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = body.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        match read.map_err(|error| unreadable(&error))? {
            0 => return Ok(()),
            _ if line.last() != Some(&b'\n') => {
                return Err(unreadable(
                    &"a line has no end, or is longer than any of a tracer",
                ));
            }
            _ => take(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r'])),
        }
    }
}
