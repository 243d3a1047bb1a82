//! What happens on one connection from an adb server: who are you, and then many streams at once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::arguments::Profile;
use crate::channel::Channel;
use crate::daemon::Daemon;
use crate::message::{self, Command, Header, MAX_PAYLOAD, VERSION};
use crate::open;
use crate::sender::Sender;

/// Streams that may be open at once; a client that wants more is refused them.
const MAX_STREAMS: usize = 256;
/// What an AUTH message carries: bytes that the other side shall sign.
const TOKEN: u32 = 1;
const TOKEN_LENGTH: usize = 20;

type Channels = Arc<Mutex<HashMap<u32, Arc<Channel>>>>;

struct Connection<'daemon> {
    daemon: &'daemon Arc<Daemon>,
    sender: Arc<Sender>,
    channels: Channels,
    last: u32,
    is_online: bool,
}

/// Serves until the other side is gone.
pub fn serve(mut stream: TcpStream, daemon: &Arc<Daemon>) -> io::Result<()> {
    // Small messages go back and forth.
    stream.set_nodelay(true)?;
    let sender = Arc::new(Sender::new(stream.try_clone()?));
    daemon.remember(&sender);
    let mut connection = Connection {
        daemon,
        sender,
        channels: Channels::default(),
        last: 0,
        is_online: false,
    };
    let end = connection.read(&mut stream);
    connection.sender.hang_up();
    for (_, channel) in lock(&connection.channels).drain() {
        channel.was_closed();
    }
    match end {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        end => end,
    }
}

impl Connection<'_> {
    fn read(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        loop {
            let mut bytes = [0; message::LENGTH];
            stream.read_exact(&mut bytes)?;
            let header = Header::decode(&bytes).ok_or(invalid("a header that is none"))?;
            let mut payload = vec![0; header.length as usize];
            stream.read_exact(&mut payload)?;
            if self.is_online
                && self.sender.has_checksums()
                && header.checksum != message::checksum(&payload)
            {
                return Err(invalid("a checksum that does not fit"));
            }
            self.handle(header, payload)?;
        }
    }

    fn handle(&mut self, header: Header, payload: Vec<u8>) -> io::Result<()> {
        match header.command {
            Command::Connect => self.connect(header),
            Command::Authenticate if !self.is_online => self.challenge(header),
            _ if !self.is_online => Ok(()),
            Command::Open => {
                self.open(header.first, &payload);
                Ok(())
            }
            Command::Okay => {
                if let Some(channel) = self.channel(header) {
                    channel.was_taken();
                }
                Ok(())
            }
            Command::Write => match self.channel(header) {
                Some(channel) => channel.arrive(payload).map_err(invalid),
                // It crossed our word that the stream is closed.
                None => Ok(()),
            },
            Command::Close => {
                if let Some(channel) = self.channel(header) {
                    channel.was_closed();
                    lock(&self.channels).remove(&header.second);
                }
                Ok(())
            }
            Command::Authenticate | Command::Unknown(_) => Ok(()),
        }
    }

    fn connect(&mut self, header: Header) -> io::Result<()> {
        let version = header.first.min(VERSION);
        self.sender
            .agree(header.second.clamp(1, MAX_PAYLOAD), version < VERSION);
        if self.daemon.profile == Profile::Unauthorised {
            return self.challenge(header);
        }
        self.is_online = true;
        self.sender.send(
            Command::Connect,
            VERSION,
            MAX_PAYLOAD,
            self.daemon.banner.as_bytes(),
        )
    }

    /// Nobody's signature is good enough. At the last the other side shows its key, and then somebody would have to
    /// press a button on the device's screen.
    fn challenge(&self, header: Header) -> io::Result<()> {
        const PUBLIC_KEY: u32 = 3;
        if header.command == Command::Authenticate && header.first == PUBLIC_KEY {
            return Ok(());
        }
        let mut token = [0; TOKEN_LENGTH];
        File::open("/dev/urandom")?.read_exact(&mut token)?;
        self.sender.send(Command::Authenticate, TOKEN, 0, &token)
    }

    fn open(&mut self, remote: u32, name: &[u8]) {
        let mut channels = lock(&self.channels);
        let is_full = channels.len() >= MAX_STREAMS;
        // 0 stands for no stream.
        self.last = self.last.checked_add(1).unwrap_or(1);
        while channels.contains_key(&self.last) {
            self.last = self.last.checked_add(1).unwrap_or(1);
        }
        let local = self.last;
        let channel = Arc::new(Channel::new(local, remote, Arc::clone(&self.sender)));
        if is_full {
            drop(channels);
            channel.refuse();
            return;
        }
        channels.insert(local, Arc::clone(&channel));
        drop(channels);
        let (daemon, channels) = (Arc::clone(self.daemon), Arc::clone(&self.channels));
        let name = name.to_vec();
        thread::spawn(move || {
            open::open(&name, &channel, &daemon);
            channel.close();
            lock(&channels).remove(&local);
        });
    }

    /// The stream that a message is about.
    fn channel(&self, header: Header) -> Option<Arc<Channel>> {
        let channels = lock(&self.channels);
        let channel = channels.get(&header.second)?;
        // A refusal has no number of its own; there is nothing we open that it could be about.
        channel.is_with(header.first).then(|| Arc::clone(channel))
    }
}

fn lock(channels: &Channels) -> MutexGuard<'_, HashMap<u32, Arc<Channel>>> {
    channels.lock().unwrap_or_else(PoisonError::into_inner)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
