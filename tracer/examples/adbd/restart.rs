//! `adb root` and `adb unroot`: the real one answers, and restarts as somebody else.

use std::io;
use std::thread;
use std::time::Duration;

use crate::arguments::Profile;
use crate::channel::Channel;
use crate::daemon::Daemon;

/// Long enough for the answer to arrive; init takes about as long.
const PAUSE: Duration = Duration::from_millis(200);

pub fn root(channel: &Channel, daemon: &Daemon) -> io::Result<()> {
    channel.accept()?;
    if daemon.profile != Profile::Userdebug {
        return channel.send(b"adbd cannot run as root in production builds\n");
    }
    if daemon.is_root() {
        return channel.send(b"adbd is already running as root\n");
    }
    change(channel, daemon, b"restarting adbd as root\n", true)
}

pub fn unroot(channel: &Channel, daemon: &Daemon) -> io::Result<()> {
    channel.accept()?;
    if !daemon.is_root() {
        return channel.send(b"adbd not running as root\n");
    }
    change(channel, daemon, b"restarting adbd as non root\n", false)
}

fn change(channel: &Channel, daemon: &Daemon, answer: &[u8], is_root: bool) -> io::Result<()> {
    channel.send(answer)?;
    channel.close();
    thread::sleep(PAUSE);
    daemon.restart(is_root);
    Ok(())
}
