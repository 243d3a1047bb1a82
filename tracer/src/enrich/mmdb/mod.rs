//! A database of addresses that the user has: in whose network, and in which country, is one? (MaxMind DB format 2.0)

mod file;
mod schema;

#[cfg(test)]
pub mod made;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::Arc,
};

use maxminddb::{LookupResult, MaxMindDbError, Reader};

use file::Bytes;
pub use schema::{Record, Schema};

/// What a database is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In which autonomous system an address is.
    Network,
    /// In which country.
    Country,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Network, Self::Country];

    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Country => "country",
        }
    }

    /// The file of this kind below the folder of data: as ip-location-db calls it.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Network => "origin-asn.mmdb",
            Self::Country => "server-country.mmdb",
        }
    }

    fn is_in(self, record: &Record) -> bool {
        match self {
            Self::Network => record.asn != 0,
            Self::Country => record.country.is_some(),
        }
    }

    fn fields(self) -> &'static str {
        match self {
            Self::Network => "autonomous_system_number or asn",
            Self::Country => "country_code or country.iso_code",
        }
    }
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub schema: Schema,
    /// What its maker calls it.
    pub name: String,
    /// Seconds since the Unix epoch at which it was built.
    pub built: u64,
    /// Nodes of its search tree.
    pub nodes: u32,
}

/// An open database.
pub struct Database {
    reader: Reader<Shared>,
    bytes: Arc<Bytes>,
    path: PathBuf,
    summary: Summary,
}

/// The reader's hold of the file.
struct Shared(Arc<Bytes>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// The first address of either family that may be given out (RFC 4291 section 2.4).
const FAMILIES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0)),
];

/// Records that are looked at to find out of which schema a database is; the first ones may have no value.
const LOOKED_AT: usize = 256;

impl Database {
    /// Opens one that answers what `kind` asks, for addresses of both families. The error says what is wrong with the file.
    pub fn open(path: &Path, kind: Kind) -> Result<Self, String> {
        let bytes = Bytes::open(path).map_err(|error| error.to_string())?;
        let bytes = Arc::new(bytes);
        let reader = Reader::from_source(Shared(Arc::clone(&bytes))).map_err(unreadable)?;
        let summary = summary(&reader, kind)?;
        Ok(Self {
            reader,
            bytes,
            path: path.to_owned(),
            summary,
        })
    }

    /// What it has for an address. An error is a fault of the file.
    pub fn find(&self, address: IpAddr) -> Result<Option<Record<'_>>, MaxMindDbError> {
        Record::of(&self.reader.lookup(address)?)
    }

    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Somebody may wait to write to the file: see [`Bytes::keep`]. Returns whether that was so.
    pub fn keep(&self) -> io::Result<bool> {
        self.bytes.keep()
    }
}

/// Reads the whole of a file: whether every record of it can be read, and says what `kind` asks for. Returns what it says of itself,
/// and how many networks it has.
pub fn check(path: &Path, kind: Kind) -> Result<(Summary, u64), String> {
    let bytes = Bytes::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => unreadable(error),
        _ => error.to_string(),
    })?;
    whole(bytes.as_ref(), kind)
}

/// The same of the bytes of a file.
pub fn whole(bytes: &[u8], kind: Kind) -> Result<(Summary, u64), String> {
    let reader = Reader::from_source(bytes).map_err(unreadable)?;
    let summary = summary(&reader, kind)?;
    let (mut seen, mut count) = (HashSet::new(), 0);
    for family in FAMILIES {
        walk(&reader, family, |found| {
            count += u64::from(found.has_data());
            if found.offset().is_some_and(|offset| seen.insert(offset)) {
                Record::of(found).map_err(unreadable)?;
            }
            Ok(true)
        })?;
    }
    Ok((summary, count))
}

fn summary<Source: AsRef<[u8]>>(reader: &Reader<Source>, kind: Kind) -> Result<Summary, String> {
    let metadata = reader.metadata();
    if metadata.ip_version != 6 {
        return Err("it has IPv4 addresses only: take the file for both families".to_owned());
    }
    let v4 = schema(reader, kind, FAMILIES[0])?;
    let v6 = schema(reader, kind, FAMILIES[1])?;
    let schema = match (v4, v6) {
        (Some(schema), Some(_)) => schema,
        (Some(_), None) => {
            return Err("it has IPv4 addresses only: take the file for both families".to_owned());
        }
        (None, Some(_)) => {
            return Err("it has IPv6 addresses only: take the file for both families".to_owned());
        }
        (None, None) => {
            return Err(format!(
                "it says no {}: no record has {} (its maker calls it {:?})",
                kind.label(),
                kind.fields(),
                metadata.database_type
            ));
        }
    };
    Ok(Summary {
        schema,
        name: metadata.database_type.clone(),
        built: metadata.build_epoch,
        nodes: metadata.node_count,
    })
}

/// The schema of the first records of a family that say what `kind` asks for.
fn schema<Source: AsRef<[u8]>>(
    reader: &Reader<Source>,
    kind: Kind,
    family: IpAddr,
) -> Result<Option<Schema>, String> {
    let (mut schema, mut left) = (None, LOOKED_AT);
    walk(reader, family, |found| {
        if let Some(record) = Record::of(found).map_err(unreadable)? {
            left -= 1;
            schema = record.schema.filter(|_| kind.is_in(&record));
        }
        Ok(schema.is_none() && left > 0)
    })?;
    Ok(schema)
}

/// Shows networks from an address on, those without a record too, until `each` has seen enough.
///
/// One look-up leads to the next. The reader's own way through the tree passes over some places by itself, and in a file that was made so
/// there are more of those than anybody can wait for.
fn walk<'data, Source: AsRef<[u8]>>(
    reader: &'data Reader<Source>,
    first: IpAddr,
    mut each: impl FnMut(&LookupResult<'data, Source>) -> Result<bool, String>,
) -> Result<(), String> {
    // A tree of N nodes has N + 1 leaves; in one that is none, a node may be below many.
    let mut left = u64::from(reader.metadata().node_count) + 1;
    let mut next = Some(first);
    while let Some(address) = next {
        left = left
            .checked_sub(1)
            .ok_or_else(|| unreadable("its search tree has more leaves than nodes"))?;
        let found = reader.lookup(address).map_err(unreadable)?;
        let network = found.network().map_err(unreadable)?;
        if !each(&found)? {
            return Ok(());
        }
        // Where the tree has nothing of a family, the answer is a network of the other one.
        next = (network.is_ipv4() == address.is_ipv4())
            .then(|| behind(address, network.prefix()))
            .flatten();
    }
    Ok(())
}

/// The first address behind a network; none behind the last that is given out. What means IPv4 addresses is left out (6to4 and Teredo, RFC
/// 3056 and 4380): they may lead to the same place of the tree.
fn behind(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let last = address.to_bits() | u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            last.checked_add(1)
                .map(|next| Ipv4Addr::from_bits(next).into())
        }
        IpAddr::V6(address) => {
            let last = address.to_bits() | u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            let next = Ipv6Addr::from_bits(last.checked_add(1)?);
            let next = match next.segments() {
                [0x2001, 0, ..] => Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 0),
                [0x2002, ..] => Ipv6Addr::new(0x2003, 0, 0, 0, 0, 0, 0, 0),
                _ => next,
            };
            (next.segments()[0] & 0xe000 == 0x2000).then_some(next.into())
        }
    }
}

fn unreadable(error: impl fmt::Display) -> String {
    format!("it is no whole database in MaxMind's format: {error}")
}
