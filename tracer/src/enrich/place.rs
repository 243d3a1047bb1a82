//! In whose network, and in which country, is an address?
//!
//! A network comes from the user's database, else from the ranges that operators publish. A country comes from the user's database
//! alone, and of an address that is at many places at once there is none. Neither says anything of who controls a name.

use std::{
    fmt,
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    address::{self, Operator},
    facts::Confidence,
    layout::{self, Source},
    mmdb::{Database, Kind, Record},
    owner::{Owner, owner_of},
    table::{self, Set},
};
use crate::model::Country;

/// The databases of a run: which they are does not change while it lasts, so that no contact moves from one country to another.
#[derive(Default)]
pub struct Databases {
    network: Option<Database>,
    country: Option<Database>,
    /// Records that could not be read.
    faults: AtomicU64,
}

/// Whose network an address is in.
#[derive(Clone, Copy)]
pub struct Network<'data> {
    /// 0 where only the operator is known.
    pub asn: u32,
    /// Who runs it, as the source writes it.
    pub operator: &'data str,
    /// Who publishes a part of it, in which the address is, as used by him.
    pub user: Option<&'static str>,
    /// Which entity that is, where a source says whose this network is, and who says that.
    entity: Option<(u16, &'static Source)>,
    pub from: From<'data>,
}

/// Who says in which network an address is.
#[derive(Clone, Copy)]
pub enum From<'data> {
    Database(&'data Database),
    /// The operator himself, who publishes his ranges.
    Ranges(&'static Set),
}

/// In which country an address is.
#[derive(Clone, Copy)]
pub struct Located<'data> {
    /// What the database says.
    pub country: Country,
    /// Why that says nothing, as the address is at many places.
    pub anycast: Option<Anycast>,
    pub database: &'data Database,
}

/// Who says that an address is at many places.
#[derive(Clone, Copy)]
pub enum Anycast {
    /// The database.
    Database,
    /// A source says it of the network's operator.
    Operator(&'static Source),
}

impl Located<'_> {
    /// The label `country`: empty where the address is at many places.
    pub fn label(&self) -> Country {
        if self.anycast.is_some() {
            Country::default()
        } else {
            self.country
        }
    }
}

impl fmt::Debug for Databases {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let path =
            |database: &Option<Database>| database.as_ref().map(|found| found.path().to_owned());
        formatter
            .debug_struct("Databases")
            .field("network", &path(&self.network))
            .field("country", &path(&self.country))
            .finish_non_exhaustive()
    }
}

impl Databases {
    pub fn new(network: Option<Database>, country: Option<Database>) -> Self {
        Self {
            network,
            country,
            faults: AtomicU64::new(0),
        }
    }

    /// Each that is open.
    pub fn all(&self) -> impl Iterator<Item = (Kind, &Database)> {
        let network = self
            .network
            .iter()
            .map(|database| (Kind::Network, database));
        let country = self
            .country
            .iter()
            .map(|database| (Kind::Country, database));
        network.chain(country)
    }

    /// How often a record could not be read.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Whether there is any country to be told.
    pub fn tell_countries(&self) -> bool {
        self.country.is_some()
    }

    /// The label `country` of an address.
    pub fn country(&self, address: IpAddr) -> Country {
        self.located(address)
            .map_or_else(Country::default, |located| located.label())
    }

    /// All that is known of where an address is.
    pub fn located(&self, address: IpAddr) -> Option<Located<'_>> {
        let database = self.country.as_ref()?;
        let record = self.find(database, address)?;
        let country = Country::new(record.country?);
        let anycast = if record.anycast {
            Some(Anycast::Database)
        } else {
            self.network(address).and_then(|network| network.anycast())
        };
        Some(Located {
            country,
            anycast,
            database,
        })
    }

    /// In whose network an address is.
    pub fn network(&self, address: IpAddr) -> Option<Network<'_>> {
        if let Some(database) = &self.network
            && let Some(record) = self.find(database, address)
            && record.asn != 0
        {
            let known = whose(record.asn);
            return Some(Network {
                asn: record.asn,
                operator: record.operator,
                user: None,
                entity: known.map(|known| (known.entity, table::source(known.source))),
                from: From::Database(database),
            });
        }
        let Operator {
            network,
            user,
            set,
            source,
            entity,
        } = address::operator(address)?;
        Some(Network {
            asn: 0,
            operator: network,
            user,
            entity: entity.map(|entity| (entity, source)),
            from: From::Ranges(set),
        })
    }

    fn find<'data>(&self, database: &'data Database, address: IpAddr) -> Option<Record<'data>> {
        let address = address.to_canonical();
        if !is_public(address) {
            return None;
        }
        database.find(address).unwrap_or_else(|_| {
            self.faults.fetch_add(1, Ordering::Relaxed);
            None
        })
    }
}

impl Network<'_> {
    /// Which company runs it, and who says that.
    pub fn company(&self) -> Option<(Owner, &'static Source)> {
        let (entity, source) = self.entity?;
        Some((owner_of(entity), source))
    }

    fn anycast(&self) -> Option<Anycast> {
        let company = |entity: u16| table::entity(entity).company;
        let (entity, _) = self.entity?;
        let mut lines = table::ANYCASTS.iter();
        let line = lines.find(|line| company(line.entity) == company(entity))?;
        Some(Anycast::Operator(table::source(line.source)))
    }
}

/// Whose an autonomous system is.
fn whose(asn: u32) -> Option<&'static layout::Network> {
    let at = table::NETWORKS.binary_search_by_key(&asn, |network| network.asn);
    at.ok().map(|at| &table::NETWORKS[at])
}

/// How sure it is where an address is: what a register says of a network is true of most of its machines.
pub const COUNTRY_CONFIDENCE: Confidence = Confidence::Low;

/// Whether the Internet leads there. What a database says of other addresses is not of the machine that answers here.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_unspecified()
                || first == 0
                || first >= 240
                || is_shared)
        }
        // Global unicast is all that is given out (RFC 4291 section 2.4, IANA's register).
        IpAddr::V6(address) => address.segments()[0] & 0xe000 == 0x2000,
    }
}
