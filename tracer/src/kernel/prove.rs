//! The self-test: hooks that are attached and see nothing are found at the start.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tracer_common::{
    DestinationKey,
    map::{DIRECTION_OUT, PROTOCOL_TCP, PROTOCOL_UDP},
};

use super::{signal::Signal, source::Kernel};

/// Bytes to ourselves, of which each hook has to see one.
const PROOFS: u32 = 3;

impl Kernel {
    /// The self-test: a program of our number must have been registered, and have counted its one connection.
    pub(super) fn prove(&mut self) -> anyhow::Result<()> {
        connect_to_self()?;
        let (mut own, mut other) = (None, None);
        self.programs(|handle, facts| {
            if facts.key.process == std::process::id() {
                own = Some(*handle);
            } else {
                other = Some(facts.key.process);
            }
        })?;
        let Some(own) = own else {
            let hint = match other {
                None => "tracer doctor says what this kernel allows",
                // Others were seen, so the hook works and knows us by another number.
                Some(_) => "run it in the initial PID namespace (docker run --pid=host)",
            };
            bail!("tcp_life: attached, but it did not see the tracer contact itself\nhint: {hint}");
        };
        let is_own = |key: &DestinationKey| {
            key.process == own && key.protocol == PROTOCOL_TCP && key.direction == DIRECTION_OUT
        };
        // One that ends between the two readings is in both.
        let mut own_ones = HashSet::new();
        self.connections(|socket, connection| {
            if is_own(&connection.destination) {
                own_ones.insert((*socket, connection.began_ns));
            }
        })?;
        let mut early = Vec::new();
        self.records(|record| early.push(*record));
        let ended = early.iter().filter(|record| is_own(&record.destination));
        own_ones.extend(ended.map(|record| (record.socket, record.began_ns)));
        self.early = early;
        let mut counted = own_ones.len() as u64;
        if counted == 0 {
            // Where much ends while the hooks are being attached, the ring buffer is full by now.
            self.destinations(|key, counts| {
                if is_own(key) {
                    counted += counts.connections;
                }
            })?;
        }
        if counted != 1 {
            bail!("tcp_life: it counted {counted} of 1 connection of the tracer to itself");
        }
        self.own_handle = own;
        Ok(())
    }

    /// The same for datagrams: a hook that does not see the tracer's own is said not to serve.
    pub(super) fn prove_datagrams(&mut self) -> anyhow::Result<()> {
        // Without an owner what arrives would be shown as somebody's contact.
        if !self.serves(Signal::SocketOwner) {
            return Ok(());
        }
        let (mut before, mut seen) = ((0, 0), (0, 0));
        // The return of one call may go unseen where many are under way: that is no fault of the hooks.
        for _ in 0..PROOFS {
            let has_arrived = send_to_self()?;
            let own = self.own_handle;
            let (mut left, mut arrived) = (0, 0);
            self.flows(|key, flow| {
                if flow.destination.process == own && key.protocol == PROTOCOL_UDP {
                    left += flow.sent;
                    arrived += flow.received;
                }
            })?;
            seen = (left - before.0, arrived - before.1);
            before = (left, arrived);
            if seen == (1, 1) || !has_arrived {
                break;
            }
        }
        for (signal, seen) in [
            (Signal::DatagramsOut, seen.0),
            (Signal::DatagramsIn, seen.1),
        ] {
            if seen != 1 {
                self.verdicts
                    .iter_mut()
                    .filter(|verdict| verdict.hook.gives == signal)
                    .for_each(|verdict| {
                        verdict.failure.get_or_insert_with(|| {
                            format!("attached, but it saw {seen} of the tracer's 1 byte to itself")
                        });
                    });
            }
        }
        Ok(())
    }
}

/// Makes one connection to ourselves, for the hooks to see.
fn connect_to_self() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("listen on 127.0.0.1 for the self-test\nhint: bring the loopback interface up: ip link set lo up")?;
    let address = listener.local_addr()?;
    TcpStream::connect(address)
        .context("connect to 127.0.0.1 for the self-test\nhint: bring the loopback interface up: ip link set lo up")?;
    Ok(())
}

/// How long a byte to ourselves may take. On a busy machine the kernel leaves what arrives to a thread of its own, which has to wait for
/// a processor.
const ARRIVES: Duration = Duration::from_secs(2);

/// Sends a byte to ourselves, for the hooks to see. Whether it has arrived, which somebody may keep it from.
fn send_to_self() -> anyhow::Result<bool> {
    let socket =
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("bind to 127.0.0.1 for the self-test")?;
    socket.set_read_timeout(Some(ARRIVES))?;
    socket
        .send_to(&[0], socket.local_addr()?)
        .context("send to 127.0.0.1 for the self-test")?;
    Ok(socket.recv(&mut [0]).is_ok())
}
