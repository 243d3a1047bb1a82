//! A connection from the device, with the client at its other end: what `adb forward` is made of.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::channel::Channel;

pub fn connect(host: Option<&str>, port: u16, channel: &Arc<Channel>) -> io::Result<()> {
    let stream = match host {
        Some(host) => TcpStream::connect((host, port)),
        None => TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .or_else(|_| TcpStream::connect((Ipv6Addr::LOCALHOST, port))),
    };
    let Ok(mut stream) = stream else {
        channel.refuse();
        return Ok(());
    };
    channel.accept()?;
    let mut to_device = stream.try_clone()?;
    let from_client = Arc::clone(channel);
    let feeder = thread::spawn(move || {
        while let Some(payload) = from_client.receive() {
            if to_device.write_all(&payload).is_err() {
                break;
            }
        }
        // adb knows no half of a stream: who closes it wants no answer any more.
        let _ = to_device.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; channel.max_payload()];
    let end = loop {
        match stream.read(&mut buffer) {
            // Reset: to the client it is an end as any other.
            Ok(0) | Err(_) => break Ok(()),
            Ok(count) => {
                if let Err(error) = channel.send(&buffer[..count]) {
                    break Err(error);
                }
            }
        }
    };
    channel.close();
    let _ = feeder.join();
    end
}
