//! Who controls the name of a destination, is it a resolver's, and where are the addresses that were contacted under it?

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::Arc,
};

use anyhow::Context as _;
use log::warn;

use crate::{
    enrich::{self, Databases, ResolverKind},
    model::{Country, Destination, Owner, Row},
};

/// Names of which it is remembered what the tables say. To ask again costs some hundred nanoseconds.
const NAMES: usize = 4_096;

/// Names whose addresses are remembered, beyond which those that have no row any more are forgotten: there are no more rows than these.
const PLACED: usize = 262_144;

/// Addresses whose countries are remembered: to ask again costs a way through the database.
const COUNTRIES: usize = 65_536;

/// What is known of the destinations of this run.
pub struct Destinations {
    pub databases: &'static Databases,
    names: HashMap<Arc<str>, Said>,
    countries: HashMap<IpAddr, Country>,
    pub places: Arc<Places>,
}

/// What the tables say of a name.
#[derive(Clone, Copy)]
struct Said {
    owner: Option<Owner>,
    resolver: Option<ResolverKind>,
}

/// Where names are, by their hashes: there may be hundreds of thousands.
#[derive(Clone, Debug, Default)]
pub struct Places {
    by_name: HashMap<Hash, Place>,
    hasher: RandomState,
}

/// One of 64 bits, in halves: eight bytes that are aligned as four would make an entry longer.
type Hash = [u32; 2];

/// Where the addresses of a name are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first one that was contacted. What is said of it holds for all others, but for the following.
    pub address: IpAddr,
    pub several_networks: bool,
    pub several_countries: bool,
}

impl Places {
    pub fn of(&self, name: &str) -> Option<&Place> {
        self.by_name.get(&self.hash(name))
    }

    fn hash(&self, name: &str) -> Hash {
        let hash = self.hasher.hash_one(name);
        [(hash >> 32) as u32, hash as u32]
    }
}

impl Destinations {
    pub fn new(databases: &'static Databases) -> Self {
        Self {
            databases,
            names: HashMap::new(),
            countries: HashMap::new(),
            places: Arc::default(),
        }
    }

    /// Who controls a name. `None` where no source says it, which is never guessed.
    pub fn owner(&mut self, name: &Arc<str>) -> Option<Owner> {
        self.said(name).owner
    }

    /// Whether it is a resolver's, and how that is asked.
    pub fn resolver(&mut self, name: &Arc<str>) -> Option<ResolverKind> {
        self.said(name).resolver
    }

    fn said(&mut self, name: &Arc<str>) -> Said {
        if let Some(said) = self.names.get(name) {
            return *said;
        }
        if self.names.len() >= NAMES {
            self.names.clear();
        }
        let owner = enrich::owner(name).map(|owner| Owner {
            company: owner.company,
            parent: owner.parent,
        });
        let said = Said {
            owner,
            resolver: enrich::resolver(name),
        };
        self.names.insert(Arc::clone(name), said);
        said
    }

    /// The label `company`.
    pub fn company(&mut self, name: &Arc<str>) -> &'static str {
        self.owner(name).map_or("", |owner| owner.company)
    }

    /// The label `country`.
    pub fn country(&mut self, address: IpAddr) -> Country {
        if !self.databases.tell_countries() {
            return Country::default();
        }
        if self.countries.len() >= COUNTRIES && !self.countries.contains_key(&address) {
            self.countries.clear();
        }
        let databases = self.databases;
        let country = self.countries.entry(address);
        *country.or_insert_with(|| databases.country(address))
    }

    /// An address was contacted under a name.
    pub fn contacted(&mut self, name: &str, address: IpAddr) {
        let hash = self.places.hash(name);
        let known = self.places.by_name.get(&hash).copied();
        let mut place = match known {
            Some(place) => place,
            None if self.places.by_name.len() >= PLACED => return,
            None => Place {
                address,
                several_networks: false,
                several_countries: false,
            },
        };
        let is_settled = place.several_networks && place.several_countries;
        if place.address != address && !is_settled {
            let databases = self.databases;
            let network = |address| {
                let found = databases.network(address);
                found.map(|network| (network.asn, network.operator))
            };
            place.several_networks =
                place.several_networks || network(place.address) != network(address);
            place.several_countries =
                place.several_countries || self.country(place.address) != self.country(address);
        }
        if known != Some(place) {
            // A copy is made where a reader still holds the last snapshot.
            Arc::make_mut(&mut self.places).by_name.insert(hash, place);
        }
    }
}

impl Destinations {
    /// Where there is room for no more, forgets the addresses of names that have no row.
    pub fn make_room(&mut self, rows: &[Arc<Vec<Row>>]) {
        if self.places.by_name.len() < PLACED {
            return;
        }
        let places = Arc::make_mut(&mut self.places);
        let names = rows.iter().flat_map(|block| block.iter());
        let names = names.filter_map(|row| match &row.destination {
            Destination::Named { name, .. } => Some(places.hash(name)),
            _ => None,
        });
        let names: HashSet<Hash> = names.collect();
        places.by_name.retain(|hash, _| names.contains(hash));
    }
}

impl super::Pipeline {
    /// Somebody may wait to write to a file that is in use: a copy is taken, and he may. What is in use stays the same.
    pub fn give_way(&mut self) -> anyhow::Result<()> {
        for (kind, database) in self.book.destinations.databases.all() {
            let path = database.path().display();
            let was_wanted = database.keep().with_context(|| {
                format!("take a copy of {path}, to which somebody wants to write")
            })?;
            if was_wanted {
                warn!(
                    "somebody writes to {path}, the {} database: what it was is used on until the tracer is started again",
                    kind.label()
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_a_network_if_all_of_its_addresses_are() {
        let databases: &'static Databases = Box::leak(Box::default());
        let mut destinations = Destinations::new(databases);
        let mut check = |name, address: &str, several| {
            destinations.contacted(name, address.parse().expect("an address"));
            let place = destinations.places.of(name).expect("it was contacted");
            assert_eq!(place.several_networks, several, "{name} at {address}");
        };
        // Both are in ranges that Google publishes, the third in one of Cloudflare's.
        check("one.example", "8.8.8.8", false);
        check("one.example", "8.8.4.4", false);
        check("two.example", "1.0.0.1", false);
        check("one.example", "104.16.0.1", true);
        check("one.example", "8.8.8.8", true);
        check("two.example", "1.0.0.1", false);
        assert!(destinations.places.of("three.example").is_none());
    }
}
