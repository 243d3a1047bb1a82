//! Which contacts does a query mean?

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use super::{
    contact,
    query::{Cursor, Query},
};
use crate::model::{Contact, Destination, Kept, Snapshot};

/// A contact that may be shown. One that has ended is unpacked only when it must be looked at.
pub enum Found<'a> {
    Live(&'a Contact),
    Ended(Kept<'a>),
}

impl Found<'_> {
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    fn place(&self) -> Cursor {
        match self {
            Self::Live(contact) => Cursor::new(contact.began, contact.id),
            Self::Ended(kept) => Cursor::new(kept.began(), kept.id()),
        }
    }

    pub fn contact(&self) -> Cow<'_, Contact> {
        match self {
            Self::Live(contact) => Cow::Borrowed(contact),
            Self::Ended(kept) => Cow::Owned(kept.contact()),
        }
    }
}

/// The `count` newest contacts that a query means, by their place.
pub fn newest<'a>(
    snapshot: &'a Snapshot,
    query: &Query,
    count: usize,
) -> BTreeMap<Cursor, Found<'a>> {
    let filter = Filter::new(query);
    let live = snapshot.contacts.live.iter().map(Found::Live);
    let ended = snapshot.contacts.ended().map(Found::Ended);
    let mut newest = BTreeMap::new();
    for found in live.chain(ended) {
        let place = found.place();
        let is_behind = query.after.is_none_or(|after| place < after);
        let is_full = newest.len() == count;
        let is_too_old = is_full
            && newest
                .first_key_value()
                .is_some_and(|(oldest, _)| place < *oldest);
        if is_behind && !is_too_old && filter.takes(&found) {
            newest.insert(place, found);
            if newest.len() > count {
                newest.pop_first();
            }
        }
    }
    newest
}

/// What a query says of app and destination, ready to be held against thousands of contacts.
struct Filter<'a> {
    app: Option<&'a str>,
    destination: Option<&'a str>,
    /// The address that `destination` is the canonical text of.
    address: Option<IpAddr>,
}

impl<'a> Filter<'a> {
    fn new(query: &'a Query) -> Self {
        let destination = query.destination.as_deref();
        let address = destination.and_then(|text| {
            let address: IpAddr = text.parse().ok()?;
            (address.to_canonical().to_string() == text).then_some(address)
        });
        Self {
            app: query.app.as_deref(),
            destination,
            address,
        }
    }

    fn takes(&self, found: &Found<'_>) -> bool {
        if self.app.is_none() && self.destination.is_none() {
            return true;
        }
        let contact = found.contact();
        self.app.is_none_or(|app| app == app_of(&contact))
            && self
                .destination
                .is_none_or(|destination| self.is_for(&contact, destination))
    }

    fn is_for(&self, contact: &Contact, destination: &str) -> bool {
        match (&contact.name, &contact.destination) {
            // With or without the interface of one that is link-local.
            (None, Destination::Address { address, .. }) if self.address.is_some() => {
                self.address == Some(address.to_canonical())
            }
            _ => contact::destination(contact) == destination,
        }
    }
}

fn app_of(contact: &Contact) -> &str {
    contact
        .identity
        .as_deref()
        .map_or("", |identity| &*identity.app)
}
