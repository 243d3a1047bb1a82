//! Which service runs on a stream that the other side opens?

use std::io;
use std::sync::Arc;

use crate::channel::Channel;
use crate::daemon::Daemon;
use crate::service::Service;
use crate::{restart, shell, sync, tunnel};

/// Serves a stream to its end, or refuses it.
pub fn open(name: &[u8], channel: &Arc<Channel>, daemon: &Arc<Daemon>) {
    let end = match Service::of(name) {
        Some(Service::Shell {
            command,
            has_packets: true,
        }) => shell::with_packets(&command, channel, daemon),
        Some(Service::Shell { command, .. }) => shell::plain(&command, channel, daemon),
        Some(Service::Sync) => sync::serve(channel, daemon),
        Some(Service::Connect { host, port }) => tunnel::connect(host.as_deref(), port, channel),
        Some(Service::Root) => restart::root(channel, daemon),
        Some(Service::Unroot) => restart::unroot(channel, daemon),
        None => {
            channel.refuse();
            Ok(())
        }
    };
    match end {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let name = String::from_utf8_lossy(name);
            eprintln!("adbd: {name:.60}: {error}");
        }
        // Ended, or left by the other side.
        _ => {}
    }
}
