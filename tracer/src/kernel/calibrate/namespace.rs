//! How does one get from a `struct sock` to the number of its network namespace?

use std::{fs, os::unix::fs::MetadataExt as _, thread};

use anyhow::{Context as _, anyhow};

use super::{
    Offsets,
    objects::{Objects, SOCK_BYTES},
    peek::Peek,
    search::{Ways, all},
    sockets::{Socket, loopback},
};

/// Bytes that are looked at of a `struct net`; the number stands in its first 200.
const NAMESPACE_BYTES: usize = 1024;

/// The namespace's number is the inode of its file. A second namespace, with one socket, tells it from what only happens
/// to lead there.
pub fn measure(peek: &mut Peek, objects: &Objects, offsets: &mut Offsets) -> anyhow::Result<()> {
    let mut ways = Ways::default();
    let inode = inode()?;
    for stream in &objects.streams {
        keep(peek, &mut ways, stream.sock, inode)?;
    }
    for datagram in objects.plain.iter().chain(&objects.multicast) {
        keep(peek, &mut ways, datagram.sock, inode)?;
    }
    thread::scope(|scope| {
        scope
            .spawn(|| elsewhere(peek, &mut ways))
            .join()
            .map_err(|_| anyhow!("a thread of the tracer panicked"))?
    })?;
    peek.watch()?;
    let (namespace, number) = ways.only("SOCK_NAMESPACE, NAMESPACE_INODE")?;
    offsets.put("SOCK_NAMESPACE", namespace);
    offsets.put("NAMESPACE_INODE", number);
    Ok(())
}

/// In a thread of its own, which leaves for a new namespace and ends there.
fn elsewhere(peek: &mut Peek, ways: &mut Ways<u32>) -> anyhow::Result<()> {
    // SAFETY: changes this thread only.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        // Without the privilege or the feature there is no second one; one may do.
        return Ok(());
    }
    peek.watch()?;
    // There, loopback is down, and who listens needs none that is up.
    let listener = Socket::bound(libc::SOCK_STREAM, "0.0.0.0".parse()?)
        .or_else(|_| Socket::bound(libc::SOCK_STREAM, loopback([0, 0, 1])))?;
    listener.listen()?;
    keep(peek, ways, peek.watched()?.sock, inode()?)
}

fn keep(peek: &Peek, ways: &mut Ways<u32>, sock: u64, inode: u32) -> anyhow::Result<()> {
    ways.keep(&peek.bytes(sock, SOCK_BYTES)?, |address| {
        let bytes = peek.bytes(address, NAMESPACE_BYTES)?;
        Ok(all(&bytes, 4, &inode.to_ne_bytes()))
    })
}

/// Of this thread's namespace.
fn inode() -> anyhow::Result<u32> {
    let path = "/proc/thread-self/ns/net";
    let inode = fs::metadata(path)
        .with_context(|| format!("ask for {path}"))?
        .ino();
    Ok(inode as u32)
}
