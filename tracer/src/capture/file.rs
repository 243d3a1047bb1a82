//! Which packets does a capture have? A pcap or pcapng file, read as it comes: a file may be larger than the memory.

use std::{
    io::{self, Read},
    sync::OnceLock,
};

use anyhow::{anyhow, bail};
use pcap_parser::{
    Block, OptionCode, PcapBlockOwned, PcapError, create_reader,
    pcapng::InterfaceDescriptionBlock,
    traits::{PcapNGPacketBlock as _, PcapReaderIterator},
};

/// Bytes that are read at a time, where no block is larger.
const BUFFER: usize = 1 << 17;
/// Most bytes of a block. Packets have 262,144 at most in what tcpdump and Wireshark write, lists of names and keys may have more.
const LARGEST_BLOCK: usize = 1 << 24;
/// Most interfaces of a section of pcapng.
const MOST_INTERFACES: usize = 1 << 16;

const SECOND: i128 = 1_000_000_000;

/// A packet as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Nanoseconds since the Unix epoch, where that is known.
    pub time: Option<u64>,
    /// What its first header is: a number of the list of link types that libpcap has.
    pub link: u16,
    pub bytes: &'a [u8],
    /// Whether it was longer, and the capture has only its beginning.
    pub is_cut: bool,
}

/// How a capture ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    /// In the middle of a packet, as where who wrote it was killed.
    CutOff,
}

/// What tells how packets of an interface are to be read.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    /// Units of its clock in a second; `None` where that is no number.
    units: Option<u128>,
    /// Nanoseconds that are to be added.
    offset: i128,
}

/// Calls `each` with every packet of a capture, until it fails.
pub fn each(
    capture: impl Read + Send,
    mut each: impl FnMut(&Packet<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<End> {
    let failure = OnceLock::new();
    let full = Full {
        reader: capture,
        failure: &failure,
    };
    let mut reader = create_reader(BUFFER, full).map_err(|_| match failure.get() {
        Some(error) => anyhow!("{error}"),
        None => anyhow!(
            "it is no capture\nhint: give a pcap or pcapng file; one that is compressed must be unpacked first"
        ),
    })?;
    let mut section = Section::default();
    let mut size = BUFFER;
    loop {
        if section.is_too_short(reader.data()) {
            bail!("behind byte {} it is no capture", reader.consumed());
        }
        let taken = match reader.next() {
            Ok((taken, block)) => {
                if let Some(packet) = section.take(&block)? {
                    each(&packet)?;
                }
                taken
            }
            Err(PcapError::Eof) => return Ok(End::Whole),
            Err(PcapError::UnexpectedEof) => return Ok(End::CutOff),
            Err(PcapError::Incomplete(_)) => {
                refill(reader.as_mut(), &failure)?;
                continue;
            }
            Err(PcapError::BufferTooSmall) if size < LARGEST_BLOCK => {
                size *= 2;
                reader.grow(size);
                continue;
            }
            Err(PcapError::BufferTooSmall) => bail!("it has a block of more than {size} bytes"),
            Err(_) => bail!("behind byte {} it is no capture", reader.consumed()),
        };
        reader.consume(taken);
    }
}

fn refill(
    reader: &mut dyn PcapReaderIterator,
    failure: &OnceLock<io::Error>,
) -> anyhow::Result<()> {
    let before = reader.data().len();
    let is_failed = reader.refill().is_err();
    if let Some(error) = failure.get().filter(|_| is_failed) {
        bail!("{error}");
    }
    // Where neither holds, the next try would be this one again.
    if reader.data().len() == before && !reader.reader_exhausted() {
        bail!("behind byte {} it is no capture", reader.consumed());
    }
    Ok(())
}

/// What holds for all packets until the next section; a pcap file is one.
#[derive(Default)]
struct Section {
    interfaces: Vec<Interface>,
    /// Of pcapng alone.
    is_big_endian: Option<bool>,
}

impl Section {
    /// Whether a block of pcapng, as far as it is there, says that it ends within what each has. Over one of the kind that tells
    /// of processes the library panics then.
    fn is_too_short(&self, data: &[u8]) -> bool {
        let length = data.get(4..).and_then(|data| data.first_chunk::<4>());
        let (Some(is_big_endian), Some(length)) = (self.is_big_endian, length) else {
            return false;
        };
        // A section is in an order of its own.
        let is_section = data.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]);
        let length = if is_big_endian {
            u32::from_be_bytes(*length)
        } else {
            u32::from_le_bytes(*length)
        };
        length < 12 && !is_section
    }

    /// Takes a block. Gives the packet that it is.
    fn take<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> anyhow::Result<Option<Packet<'a>>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.interfaces = vec![Interface {
                    // The upper half says how long the frames' checksums are.
                    link: header.network.0 as u16,
                    units: Some(if header.is_nanosecond_precision() {
                        1_000_000_000
                    } else {
                        1_000_000
                    }),
                    offset: 0,
                }];
            }
            PcapBlockOwned::NG(Block::SectionHeader(header)) => {
                self.interfaces.clear();
                self.is_big_endian = Some(header.big_endian());
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
                if self.interfaces.len() == MOST_INTERFACES {
                    bail!("it has more than {MOST_INTERFACES} interfaces");
                }
                let is_big_endian = self.is_big_endian.unwrap_or_default();
                self.interfaces.push(interface(description, is_big_endian));
            }
            block => return Ok(self.packet(block)),
        }
        Ok(None)
    }

    /// `None` where it is none, or of an interface that is not described.
    fn packet<'a>(&self, block: &'a PcapBlockOwned<'_>) -> Option<Packet<'a>> {
        let first = self.interfaces.first();
        match block {
            PcapBlockOwned::Legacy(packet) => {
                let stamp = u64::from(packet.ts_sec) * first?.units? as u64;
                Some(Packet {
                    time: first?.time(stamp + u64::from(packet.ts_usec)),
                    link: first?.link,
                    bytes: packet.data,
                    is_cut: packet.origlen as usize > packet.data.len(),
                })
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let interface = self.interfaces.get(packet.if_id as usize)?;
                let stamp = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                Some(Packet {
                    time: interface.time(stamp),
                    link: interface.link,
                    bytes: packet.packet_data(),
                    is_cut: packet.truncated(),
                })
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => Some(Packet {
                time: None,
                link: first?.link,
                bytes: packet.packet_data(),
                is_cut: packet.origlen as usize > packet.data.len(),
            }),
            _ => None,
        }
    }
}

fn interface(description: &InterfaceDescriptionBlock<'_>, is_big_endian: bool) -> Interface {
    // Of powers of two the library makes nothing, and it takes the offset for little-endian.
    let resolution = description.if_tsresol;
    let power = u32::from(resolution & 0x7f);
    let units = if resolution & 0x80 == 0 {
        10_u128.checked_pow(power)
    } else {
        1_u128.checked_shl(power)
    };
    let offset = description
        .options
        .iter()
        .find(|option| option.code == OptionCode::IfTsoffset)
        .and_then(|option| option.value.first_chunk::<8>().copied())
        .map_or(0, |bytes| {
            if is_big_endian {
                i64::from_be_bytes(bytes)
            } else {
                i64::from_le_bytes(bytes)
            }
        });
    Interface {
        link: description.linktype.0 as u16,
        units,
        offset: i128::from(offset) * SECOND,
    }
}

impl Interface {
    /// Nanoseconds since the Unix epoch. A time before it, or after the year 2554, is none.
    fn time(self, stamp: u64) -> Option<u64> {
        let units = self.units?;
        let (seconds, rest) = (u128::from(stamp) / units, u128::from(stamp) % units);
        let nanoseconds = rest.checked_mul(SECOND as u128)? / units;
        let time = seconds as i128 * SECOND + nanoseconds as i128 + self.offset;
        u64::try_from(time).ok()
    }
}

/// Reads as much as there is room for, since the library takes what a pipe gives at once for all that there is of the header;
/// and keeps why it failed, which the library does not tell.
struct Full<'a, R> {
    reader: R,
    failure: &'a OnceLock<io::Error>,
}

impl<R: Read> Read for Full<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    // The first is the cause.
                    let _ = self.failure.set(error);
                    return Err(kind.into());
                }
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
#[path = "file/tests.rs"]
mod tests;
