//! Commands in the device's shell.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::channel::Channel;
use crate::daemon::Daemon;
use crate::group::Group;
use crate::identity;
use crate::packet::{self, Kind, Packets};

/// What is read from a command at once.
const PIECE: usize = 32 * 1024;

/// With packets: stdout, stderr and the exit code apart.
pub fn with_packets(line: &str, channel: &Arc<Channel>, daemon: &Daemon) -> io::Result<()> {
    channel.accept()?;
    let mut command = command(line, daemon)?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let text = format!("{}: {error}\n", daemon.shell.display());
            channel.send(&packet::encode(Kind::Stderr, text.as_bytes()))?;
            // What a shell returns for a program that is not there.
            return channel.send(&packet::encode(Kind::Exit, &[127]));
        }
    };
    let leash = Leash::new(&mut child, channel, feed_packets);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        scope.spawn(|| stderr.map(|stderr| tell(stderr, Some(Kind::Stderr), channel)));
        if let Some(stdout) = stdout {
            tell(stdout, Some(Kind::Stdout), channel);
        }
    });
    leash.let_go();
    let status = child.wait()?;
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap_or(255);
    channel.send(&packet::encode(Kind::Exit, &[code as u8]))
}

/// Without: whatever the command writes, and no exit code.
pub fn plain(line: &str, channel: &Arc<Channel>, daemon: &Daemon) -> io::Result<()> {
    channel.accept()?;
    let (output, into) = io::pipe()?;
    let mut command = command(line, daemon)?;
    command.stdout(into.try_clone()?).stderr(into);
    let mut child = command.spawn()?;
    // It has its ends of the pipe, and as long as we had ours the pipe would not end.
    drop(command);
    let leash = Leash::new(&mut child, channel, feed_plainly);
    tell(output, None, channel);
    leash.let_go();
    child.wait()?;
    Ok(())
}

fn command(line: &str, daemon: &Daemon) -> io::Result<Command> {
    let mut command = Command::new(&daemon.shell);
    // Without a line the shell reads what to do from stdin.
    if !line.is_empty() {
        command.args(["-c", line]);
    }
    command
        .current_dir("/")
        .stdin(Stdio::piped())
        .envs(daemon.environment.iter().map(|(name, value)| (name, value)));
    let must_change = identity::must_change(daemon);
    let entrance = daemon.group.as_ref().map(Group::entrance).transpose()?;
    // SAFETY: setsid, write and what `become_shell` calls are async-signal-safe, and none allocates.
    unsafe {
        command.pre_exec(move || {
            libc::setsid();
            if let Some(mut entrance) = entrance.as_ref() {
                entrance.write_all(b"0")?;
            }
            if must_change {
                identity::become_shell()?;
            }
            Ok(())
        });
    }
    Ok(command)
}

/// Sends what a command writes, until it closes its end or the client is gone.
fn tell(mut from: impl Read, kind: Option<Kind>, channel: &Channel) {
    let room = channel.max_payload().saturating_sub(packet::HEADER);
    let mut buffer = vec![0; room.clamp(1, PIECE)];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let sent = match kind {
            // In one message, so that a packet of the other stream cannot come between.
            Some(kind) => channel.send(&packet::encode(kind, &buffer[..count])),
            None => channel.send(&buffer[..count]),
        };
        if sent.is_err() {
            return;
        }
    }
}

type Feed = fn(&Channel, Option<ChildStdin>);

/// Gives a command what the client sends, and hangs up on it when the client is gone.
struct Leash {
    process: Arc<Mutex<Option<libc::pid_t>>>,
}

impl Leash {
    fn new(child: &mut Child, channel: &Arc<Channel>, feed: Feed) -> Self {
        let process = Arc::new(Mutex::new(Some(child.id().cast_signed())));
        let (held, channel, stdin) = (
            Arc::clone(&process),
            Arc::clone(channel),
            child.stdin.take(),
        );
        thread::spawn(move || {
            feed(&channel, stdin);
            let process = held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(process) = *process {
                // SAFETY: takes numbers. The child is not waited for before `let_go`, so its number is its own.
                unsafe { libc::kill(process, libc::SIGHUP) };
            }
        });
        Self { process }
    }

    fn let_go(self) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Returns when the client is gone.
fn feed_packets(channel: &Channel, mut stdin: Option<ChildStdin>) {
    let mut packets = Packets::default();
    while let Some(payload) = channel.receive() {
        packets.push(&payload);
        loop {
            match packets.next() {
                Ok(Some((Kind::Stdin, bytes))) => {
                    // A command that closed its stdin does not want it.
                    stdin =
                        stdin.and_then(|mut stdin| stdin.write_all(&bytes).ok().map(|()| stdin));
                }
                Ok(Some((Kind::CloseStdin, _))) => stdin = None,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn feed_plainly(channel: &Channel, mut stdin: Option<ChildStdin>) {
    while let Some(payload) = channel.receive() {
        stdin = stdin.and_then(|mut stdin| stdin.write_all(&payload).ok().map(|()| stdin));
    }
}
