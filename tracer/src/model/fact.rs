//! What is known of a destination, each thing with who says it.

use std::fmt::Debug;

use super::{Contact, Country, Row};

/// One thing that a source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub about: About,
    pub value: String,
    /// Of what it is said: a name, an address, a company.
    pub of: String,
    /// What the source is called.
    pub source: String,
    /// Where it is.
    pub address: String,
    /// Its day, like `2026-11-28`; empty where it has none.
    pub date: String,
    /// How it comes to that.
    pub method: &'static str,
    /// How far it is believed: `low`, `medium` or `high`.
    pub confidence: &'static str,
}

/// What a fact tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Who controls a name. Sources may contradict each other; the contact's `company` is what was decided.
    Owner,
    /// Whom a company belongs to.
    Parent,
    /// Who runs the name below which customers have names.
    Platform,
    /// Who delivers for the owner: the company of a name to which the name was an alias (CNAME).
    DeliveredBy,
    /// In whose network an address is.
    Network,
    /// Which company runs that network.
    NetworkCompany,
    /// Where an address is.
    Country,
    /// An address is at many places, so its country says nothing.
    Anycast,
}

impl About {
    pub const ALL: [Self; 8] = [
        Self::Owner,
        Self::Parent,
        Self::Platform,
        Self::DeliveredBy,
        Self::Network,
        Self::NetworkCompany,
        Self::Country,
        Self::Anycast,
    ];

    /// The value of the API's field `about`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Parent => "parent",
            Self::Platform => "platform",
            Self::DeliveredBy => "delivered_by",
            Self::Network => "network",
            Self::NetworkCompany => "network_company",
            Self::Country => "country",
            Self::Anycast => "anycast",
        }
    }
}

/// What `tracer_destination_info` says of a destination. What is empty, or 0, is not known, or not the same for all of its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationInfo {
    pub company: &'static str,
    pub parent: &'static str,
    /// What the name is for.
    pub role: &'static str,
    /// Who runs the network of its addresses.
    pub network: String,
    /// That network's number; 0 where it is not known.
    pub asn: u32,
    pub country: Country,
    /// The days of the data sets.
    pub data: String,
}

/// Whoever knows the facts. What it says of one thing does not change while it lives.
pub trait Facts: Debug + Send + Sync {
    /// What is known of a row's destination; `None` where nothing is. Of `~other` it is whom its company belongs to.
    fn destination(&self, row: &Row) -> Option<DestinationInfo>;

    /// All that the sources say of a contact's destination.
    fn contact(&self, contact: &Contact) -> Vec<Fact>;

    /// The country of a contact's address, if it is in one.
    fn country(&self, contact: &Contact) -> Country;
}
