//! `tracer names`: which names are in a capture?

mod datagrams;
mod found;
mod fragments;
mod messages;
mod skipped;
mod streams;
mod table;

use std::{
    fs::File,
    io::{self, BufWriter, ErrorKind, Read, Write},
    net::SocketAddr,
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;

use crate::capture::{
    file::{self, End, Packet},
    ip::{self, Ip},
    link::{Network, network},
    transport::{datagram, segment},
};
use datagrams::Datagrams;
use found::{Flow, line};
use fragments::Fragments;
pub use skipped::Skipped;
use streams::Streams;

const TCP: u8 = 6;
const UDP: u8 = 17;

#[derive(Args)]
pub struct Arguments {
    /// A pcap or pcapng file.
    capture: PathBuf,
}

/// Writes the names in a capture to standard output, and what was not read to standard error.
pub fn names(arguments: &Arguments) -> anyhow::Result<()> {
    let path = arguments.capture.display();
    let capture = File::open(&arguments.capture)
        .with_context(|| format!("open {path}\nhint: give the path of a pcap or pcapng file"))?;
    let skipped = read(capture, BufWriter::new(io::stdout().lock()))
        .with_context(|| format!("read {path}"))?
        .to_string();
    if !skipped.is_empty() {
        eprintln!("tracer: {skipped}");
    }
    Ok(())
}

/// Writes the names in a capture, a line of JSON each, in the order in which they became complete. What was found before an
/// error is written.
pub fn read(capture: impl Read + Send, output: impl Write) -> anyhow::Result<Skipped> {
    let mut reader = Reader {
        fragments: Fragments::new(),
        streams: Streams::new(),
        datagrams: Datagrams::new(),
        skipped: Skipped::default(),
        found: Vec::new(),
        output,
    };
    let end = file::each(capture, |packet| {
        reader.packet(packet).context("write what was found")
    });
    let written = reader.output.flush().context("write what was found");
    match end.and_then(|end| written.map(|()| end)) {
        Ok(end) => Ok(reader.summary(end)),
        // Who reads, `head` for example, has seen enough.
        Err(error) if is_gone(&error) => Ok(Skipped::default()),
        Err(error) => Err(error),
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// What is kept between packets.
struct Reader<W> {
    fragments: Fragments,
    streams: Streams,
    datagrams: Datagrams,
    skipped: Skipped,
    /// What the packet at hand makes complete.
    found: Vec<found::What>,
    output: W,
}

impl<W: Write> Reader<W> {
    fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        self.skipped.packets += 1;
        let bytes = match network(packet.link, packet.bytes) {
            Network::Ip(bytes) => bytes,
            Network::Other => {
                self.skipped.not_ip += 1;
                return Ok(());
            }
            Network::UnknownLink => {
                self.skipped.unknown_link += 1;
                return Ok(());
            }
        };
        let Some(ip) = ip::parse(bytes) else {
            self.skipped.not_ip += 1;
            return Ok(());
        };
        if ip.is_cut || packet.is_cut {
            self.skipped.cut_off += 1;
        }
        if ip.fragment.is_none() {
            return self.transport(packet.time, &ip, ip.protocol, ip.payload);
        }
        match self.fragments.take(&ip) {
            Some((protocol, whole)) => self.transport(packet.time, &ip, protocol, &whole),
            None => Ok(()),
        }
    }

    fn transport(
        &mut self,
        time: Option<u64>,
        ip: &Ip<'_>,
        protocol: u8,
        payload: &[u8],
    ) -> io::Result<()> {
        let flow = |source, destination| Flow {
            source: SocketAddr::new(ip.source, source),
            destination: SocketAddr::new(ip.destination, destination),
        };
        let (protocol, payload) = ip::upper(protocol, payload).unwrap_or_default();
        let (protocol, flow) = if protocol == TCP
            && let Some(segment) = segment(payload)
        {
            let flow = flow(segment.source_port, segment.destination_port);
            self.streams.take(flow, &segment, &mut self.found);
            ("tcp", flow)
        } else if protocol == UDP
            && let Some(datagram) = datagram(payload)
        {
            let flow = flow(datagram.source_port, datagram.destination_port);
            self.datagrams.take(flow, &datagram, &mut self.found);
            ("udp", flow)
        } else {
            self.skipped.not_transport += 1;
            return Ok(());
        };
        for what in self.found.drain(..) {
            writeln!(self.output, "{}", line(time, protocol, flow, &what))?;
        }
        Ok(())
    }

    fn summary(&self, end: End) -> Skipped {
        Skipped {
            fragments_dropped: self.fragments.dropped(),
            streams_dropped: self.streams.dropped(),
            streams_given_up: self.streams.given_up,
            flows_dropped: self.datagrams.dropped(),
            dns_unread: self.streams.unread + self.datagrams.unread,
            ends_early: end == End::CutOff,
            ..self.skipped
        }
    }
}
