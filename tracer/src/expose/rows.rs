//! The families with one series per app and destination: nearly all of a large scrape.

use tracer_common::outcome;

use super::{
    format::Kind,
    value::{address, escaped, integer},
};
use crate::model::{Destination, Identity, Row};

/// A family of which every row has a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Connections,
    Established,
    Failed,
    Open,
    Sent,
    Received,
}

impl Measure {
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "tracer_connections_total",
            Self::Established => "tracer_connections_established_total",
            Self::Failed => "tracer_connections_failed_total",
            Self::Open => "tracer_connections_open",
            Self::Sent => "tracer_sent_bytes_total",
            Self::Received => "tracer_received_bytes_total",
        }
    }

    pub fn kind(self) -> Kind {
        if self == Self::Open {
            Kind::Gauge
        } else {
            Kind::Counter
        }
    }

    pub fn help(self) -> &'static str {
        match self {
            Self::Connections => "Number of connections begun.",
            Self::Established => "Number of connections whose handshake was completed.",
            Self::Failed => "Number of connections that were not established, by reason.",
            Self::Open => "Number of connections open now.",
            Self::Sent => "Payload sent, in bytes, that of open connections included.",
            Self::Received => "Payload received, in bytes, that of open connections included.",
        }
    }

    /// Writes the samples that `row` has in this family. `prefix` comes from [`prefixes`].
    pub fn write(self, out: &mut Vec<u8>, prefix: &[u8], row: &Row) {
        let sums = &row.sums;
        let value = match self {
            Self::Failed => {
                for (reason, count) in outcome::NAMES.iter().zip(sums.failed()) {
                    if count > 0 {
                        self.sample(out, prefix, row, Some(reason), count);
                    }
                }
                return;
            }
            // A socket older than the tracer was never seen to begin: there is nothing to count, not a count of 0.
            Self::Connections if sums.connections == 0 => return,
            Self::Established if sums.connections == 0 && sums.established == 0 => return,
            Self::Connections => sums.connections,
            Self::Established => sums.established,
            Self::Open => row.open,
            Self::Sent => sums.sent,
            Self::Received => sums.received,
        };
        self.sample(out, prefix, row, None, value);
    }

    fn sample(self, out: &mut Vec<u8>, prefix: &[u8], row: &Row, reason: Option<&str>, value: u64) {
        out.extend_from_slice(self.name().as_bytes());
        out.extend_from_slice(prefix);
        out.extend_from_slice(row.direction.label().as_bytes());
        let mut source = "none";
        match &row.destination {
            Destination::Named {
                name,
                source: said,
                port,
            } => {
                out.extend_from_slice(b"\",destination=\"");
                escaped(out, name);
                out.extend_from_slice(b"\",port=\"");
                integer(out, (*port).into());
                source = said.label();
            }
            Destination::Address {
                address: remote,
                port,
            } => {
                out.extend_from_slice(b"\",destination=\"");
                address(out, *remote);
                out.extend_from_slice(b"\",port=\"");
                integer(out, (*port).into());
            }
            Destination::Unknown => out.extend_from_slice(b"\",destination=\"\",port=\""),
            Destination::Other => out.extend_from_slice(b"\",destination=\"~other\",port=\""),
        }
        out.extend_from_slice(b"\",protocol=\"");
        out.extend_from_slice(row.protocol.label().as_bytes());
        out.extend_from_slice(b"\",company=\"");
        escaped(out, row.company);
        out.extend_from_slice(b"\",country=\"");
        out.extend_from_slice(row.country.label().as_bytes());
        out.extend_from_slice(b"\",name_source=\"");
        out.extend_from_slice(source.as_bytes());
        if let Some(reason) = reason {
            out.extend_from_slice(b"\",reason=\"");
            out.extend_from_slice(reason.as_bytes());
        }
        out.extend_from_slice(b"\"} ");
        integer(out, value);
        out.push(b'\n');
    }
}

/// What stands between a family's name and the direction, for each identity: escaped once a scrape, not once a series.
pub fn prefixes(identities: &[Identity]) -> Vec<Box<[u8]>> {
    identities
        .iter()
        .map(|identity| prefix(&identity.app, &identity.user))
        .collect()
}

/// The prefix of one identity.
pub fn prefix(app: &str, user: &str) -> Box<[u8]> {
    let mut out = b"{app=\"".to_vec();
    escaped(&mut out, app);
    out.extend_from_slice(b"\",user=\"");
    escaped(&mut out, user);
    out.extend_from_slice(b"\",direction=\"");
    out.into()
}
