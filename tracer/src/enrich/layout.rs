//! How do the embedded tables lie in memory? The build script, which writes them, and the look-up share this file.

/// What a claim says of a name and an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Relation {
    /// The entity controls the name, and what lies below it.
    Owner = 0,
    /// The entity lets its customers have names below this one.
    Platform = 1,
    /// A second source names this entity where another names somebody else.
    Disputed = 2,
    /// Who controls the name is not settled.
    Open = 3,
    /// The entity uses the name, which lies below a name of somebody else.
    UnderThirdParty = 4,
}

/// From which table a claim comes. The order is that of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// `third-party-web.tsv`.
    ThirdPartyWeb = 0,
    /// `v2fly-owners.tsv` and `v2fly-companies.tsv`.
    V2fly = 1,
    /// `domains.toml`, where each line was read and has its own source.
    Overlay = 2,
}

/// What one table says of one name.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Index into the entities.
    pub entity: u16,
    /// Index into the sources.
    pub source: u16,
    /// Index into the texts: where in the source it stands.
    pub detail: u16,
    pub relation: Relation,
    pub table: Table,
    /// Only the name itself, not what lies below it.
    pub exact: bool,
    /// Index into [`ROLES`].
    pub role: u8,
}

/// What the tables say that a name is for; the first one is nothing.
pub const ROLES: [&str; 13] = [
    "",
    "ad",
    "analytics",
    "cdn",
    "consent-provider",
    "content",
    "customer-success",
    "hosting",
    "marketing",
    "social",
    "tag-manager",
    "utility",
    "video",
];

/// A company, or a brand of one.
#[derive(Clone, Copy, Debug)]
pub struct Entity {
    /// Index into the texts: the name shown.
    pub name: u16,
    /// The entity itself; of a brand, the company whose brand it is.
    pub company: u16,
    /// Whoever controls the company in the end, at the day of the data.
    pub root: u16,
    /// Index into the sources: who says that it exists.
    pub source: u16,
}

/// A dated statement that one entity belongs to another.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    pub child: u16,
    pub parent: u16,
    /// `2026-01-22`, or empty where the source does not say since when.
    pub from: &'static str,
    /// Until when; empty while it lasts.
    pub to: &'static str,
    /// In percent; empty for the whole or what the source does not say.
    pub share: &'static str,
    pub source: u16,
}

/// Whose an autonomous system is.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    pub asn: u32,
    pub entity: u16,
    pub source: u16,
}

/// Whose addresses are each at many places.
#[derive(Clone, Copy, Debug)]
pub struct Anycast {
    pub entity: u16,
    pub source: u16,
}

/// Where a fact was read.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub title: &'static str,
    pub address: &'static str,
    /// The date that it carries; empty where it carries none.
    pub date: &'static str,
    /// The day it was read for this table.
    pub read: &'static str,
    /// `vendor`, `code`, `list` or `press`: what kind of source it is.
    pub by: &'static str,
    pub licence: &'static str,
}

/// Addresses from `first` to `last` that operators publish as theirs: an index into the operators each.
#[derive(Clone, Copy, Debug)]
pub struct Range<Address> {
    pub first: Address,
    pub last: Address,
    /// The operator with the wider range: whose network it is.
    pub network: u8,
    /// Who publishes a narrower range inside it, else the same as `network`.
    pub user: u8,
}

/// How a resolver is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ResolverKind {
    /// By DNS over HTTPS (RFC 8484).
    Doh = 0,
    /// By an API of its own over HTTP.
    HttpDns = 1,
}

/// A name at which a resolver is that apps ask in place of the device's.
#[derive(Clone, Copy, Debug)]
pub struct Resolver<'text> {
    pub name: &'text str,
    pub kind: ResolverKind,
    /// Only the name itself, not what lies below it.
    pub exact: bool,
    /// Index into the texts: in which list of the source it is.
    pub list: u16,
    /// Index into the sources.
    pub source: u16,
}

/// No name there.
pub const EMPTY: u16 = u16::MAX;

/// The most names of the table that can be one below the other.
pub const DEPTH: usize = 8;

/// FNV-1a over a name's bytes from its end, so that one pass gives the hashes of all its parents.
pub const START: u32 = 0x811c_9dc5;

/// One byte more.
#[must_use]
pub const fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}

/// Where the search for a name with this hash begins in a table of `slots`, a power of two.
#[must_use]
pub const fn slot(hash: u32, slots: usize) -> usize {
    (hash ^ (hash >> 15)) as usize & (slots - 1)
}

/// All tables of which a digest is kept, so that a binary can tell that they are those that were built.
pub struct Tables<'tables> {
    pub texts: [&'tables str; 2],
    pub starts: [&'tables [u32]; 2],
    pub slots: &'tables [u16],
    pub first_claim: &'tables [u16],
    pub claims: &'tables [Claim],
    pub entities: &'tables [Entity],
    pub v4: &'tables [Range<u32>],
    pub v6: &'tables [Range<u128>],
    pub networks: &'tables [Network],
    pub anycasts: &'tables [Anycast],
    /// The entity of each operator whose ranges these are.
    pub operators: &'tables [u16],
    /// By name.
    pub resolvers: &'tables [Resolver<'tables>],
}

/// Every byte that counts, in one order.
pub fn feed(tables: &Tables, sink: &mut impl FnMut(&[u8])) {
    for text in tables.texts {
        sink(text.as_bytes());
    }
    for number in tables.starts.into_iter().flatten() {
        sink(&number.to_le_bytes());
    }
    for number in tables.slots.iter().chain(tables.first_claim) {
        sink(&number.to_le_bytes());
    }
    for claim in tables.claims {
        for number in [claim.entity, claim.source, claim.detail] {
            sink(&number.to_le_bytes());
        }
        sink(&[
            claim.relation as u8,
            claim.table as u8,
            u8::from(claim.exact),
            claim.role,
        ]);
    }
    for entity in tables.entities {
        for number in [entity.name, entity.company, entity.root, entity.source] {
            sink(&number.to_le_bytes());
        }
    }
    for network in tables.networks {
        sink(&network.asn.to_le_bytes());
        sink(&network.entity.to_le_bytes());
        sink(&network.source.to_le_bytes());
    }
    for anycast in tables.anycasts {
        sink(&anycast.entity.to_le_bytes());
        sink(&anycast.source.to_le_bytes());
    }
    for operator in tables.operators {
        sink(&operator.to_le_bytes());
    }
    for range in tables.v4 {
        sink(&range.first.to_le_bytes());
        sink(&range.last.to_le_bytes());
        sink(&[range.network, range.user]);
    }
    for range in tables.v6 {
        sink(&range.first.to_le_bytes());
        sink(&range.last.to_le_bytes());
        sink(&[range.network, range.user]);
    }
    for resolver in tables.resolvers {
        sink(resolver.name.as_bytes());
        sink(&[resolver.kind as u8, u8::from(resolver.exact)]);
        for number in [resolver.list, resolver.source] {
            sink(&number.to_le_bytes());
        }
    }
}
