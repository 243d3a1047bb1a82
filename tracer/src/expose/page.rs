//! A page of the contacts, newest first.

use super::{contact, found::newest, query::Query};
use crate::model::Snapshot;

/// A page ends early once it has so many bytes, so that its size is bounded whatever programs are called.
const LONG: usize = 1 << 20;

/// What a contact takes, about.
const CONTACT: usize = 800;

/// Writes the contacts that a client asks for, with a line feed behind them.
pub fn page(snapshot: &Snapshot, query: &Query) -> Vec<u8> {
    // One more than wanted, to know whether there is a page behind this one.
    let newest = newest(snapshot, query, query.limit + 1);
    // All at once: what grows step by step leaves its smaller copies behind in the allocator.
    let mut out = Vec::with_capacity((newest.len() * CONTACT).min(LONG));
    out.extend_from_slice(b"{\"contacts\":[");
    let (mut written, mut next) = (0, None);
    for (place, found) in newest.iter().rev() {
        if written == query.limit || out.len() > LONG {
            break;
        }
        if written > 0 {
            out.push(b',');
        }
        let contact = contact::json(&found.contact(), found.is_live(), snapshot.facts.as_deref());
        out.extend_from_slice(contact.to_string().as_bytes());
        written += 1;
        next = Some(place);
    }
    let next = next
        .filter(|_| written < newest.len())
        .map_or("null".to_owned(), |place| format!("\"{place}\""));
    let contacts = &snapshot.contacts;
    let (live, ended) = (contacts.live.len(), contacts.ended_count());
    let forgotten = contacts.forgotten;
    let tail = format!(
        "],\"next\":{next},\"live\":{live},\"ended\":{ended},\"forgotten\":{forgotten}}}\n"
    );
    out.extend_from_slice(tail.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::model::{
        Contact, ContactList, Destination, Detail, Direction, Identity, Kind, Name, NameSource,
        Protocol,
    };

    fn identity(app: &str) -> Arc<Identity> {
        Arc::new(Identity {
            app: app.into(),
            user: "0".into(),
            uid: 0,
            kind: Kind::Executable,
            version: "".into(),
        })
    }

    fn contact(id: u64, began: Option<u64>) -> Contact {
        Contact {
            began,
            ..Contact::new(id, Direction::Out, Protocol::Tcp)
        }
    }

    fn address(text: &str) -> Destination {
        Destination::Address {
            address: text.parse().expect("an address"),
            port: 443,
        }
    }

    fn snapshot(live: Vec<Contact>, ended: Vec<Contact>) -> Snapshot {
        Snapshot {
            contacts: ContactList {
                live,
                blocks: vec![Arc::new(ended.into_iter().collect())],
                ..ContactList::default()
            },
            ..Snapshot::default()
        }
    }

    fn read(snapshot: &Snapshot, query: &str) -> Value {
        let query = Query::parse(query).expect("a query");
        serde_json::from_slice(&page(snapshot, &query)).expect("JSON")
    }

    fn ids(page: &Value) -> Vec<u64> {
        let contacts = page["contacts"].as_array().expect("a list");
        contacts
            .iter()
            .map(|contact| contact["id"].as_u64().expect("a number"))
            .collect()
    }

    #[test]
    fn the_newest_come_first_whether_they_live_or_not() {
        let live = vec![contact(2, Some(20)), contact(5, None), contact(4, Some(10))];
        let ended = vec![contact(3, Some(10)), contact(1, Some(30)), contact(6, None)];
        let page = read(&snapshot(live, ended), "");
        assert_eq!(ids(&page), [1, 2, 4, 3, 6, 5]);
        let lives: Vec<_> = (0..6)
            .map(|at| page["contacts"][at]["live"] == true)
            .collect();
        assert_eq!(lives, [false, true, true, false, false, true]);
        assert_eq!(page["next"], Value::Null);
        assert_eq!((&page["live"], &page["ended"]), (&3.into(), &3.into()));
    }

    #[test]
    fn only_the_app_and_the_destination_that_were_asked_for_are_shown() {
        let of = |id, app: &str, destination| Contact {
            identity: Some(identity(app)),
            destination,
            ..contact(id, Some(id))
        };
        let on_link = |id, interface: &str| Contact {
            detail: Some(Box::new(Detail {
                interface: Some(interface.into()),
                ..Detail::default()
            })),
            ..of(id, "ssh", address("fe80::1"))
        };
        let named = Contact {
            name: Some(Name {
                text: "example.com".into(),
                source: NameSource::Sni,
            }),
            ..of(4, "wget", address("192.0.2.1"))
        };
        let ended = vec![
            of(1, "curl", address("192.0.2.1")),
            of(2, "wget", address("2001:db8::1")),
            Contact {
                identity: None,
                ..of(3, "", Destination::Unknown)
            },
            named,
            of(5, "curl", Destination::Other),
            of(6, "", address("::ffff:192.0.2.1")),
            on_link(7, "eth0"),
            on_link(8, "eth1"),
        ];
        let snapshot = snapshot(Vec::new(), ended);
        let check = |query: &str, expected: &[u64]| {
            assert_eq!(ids(&read(&snapshot, query)), expected, "{query}");
        };
        check("app=curl", &[5, 1]);
        check("app=cur", &[]);
        check("app=", &[6, 3]);
        check("destination=192.0.2.1", &[6, 1]);
        check("destination=::ffff:192.0.2.1", &[]);
        check("destination=2001:db8::1", &[2]);
        check("destination=2001:db8:0::1", &[]);
        check("destination=example.com", &[4]);
        check("destination=", &[3]);
        check("destination=~other", &[5]);
        check("destination=fe80::1", &[8, 7]);
        check("destination=fe80::1%25eth1", &[8]);
        check("destination=fe80::1%25eth2", &[]);
        check("app=wget&destination=example.com", &[4]);
        check("app=curl&destination=example.com", &[]);
    }

    /// The ids of all pages, `grow` being called between two of them.
    fn walk(mut snapshot: Snapshot, query: &str, grow: impl Fn(&mut Snapshot)) -> Vec<u64> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = read(&snapshot, &format!("{query}{after}"));
            all.extend(ids(&page));
            let Some(next) = page["next"].as_str() else {
                return all;
            };
            after = format!("&after={next}");
            grow(&mut snapshot);
        }
    }

    #[test]
    fn pages_repeat_and_miss_nothing_while_contacts_come_in_and_end() {
        let live = (0..7).map(|id| contact(id, Some(id / 2))).collect();
        let ended = (7..30).map(|id| contact(id, Some(id / 2))).collect();
        let grow = |snapshot: &mut Snapshot| {
            let block = Arc::make_mut(&mut snapshot.contacts.blocks[0]);
            if let Some(ended) = snapshot.contacts.live.pop() {
                block.push(ended);
            }
            let id = 1_000 + block.len() as u64;
            block.push(contact(id, Some(id)));
        };
        let all = walk(snapshot(live, ended), "limit=4", grow);
        assert_eq!(all, (0..30).rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_page_ends_early_where_names_are_very_long() {
        let long: Arc<str> = "\u{1}".repeat(50_000).into();
        let ended = (0..30).map(|id| Contact {
            name: Some(Name {
                text: Arc::clone(&long),
                source: NameSource::Dns,
            }),
            ..contact(id, Some(id))
        });
        let snapshot = snapshot(Vec::new(), ended.collect());
        let query = Query::parse("limit=1000").expect("a query");
        let first = page(&snapshot, &query);
        assert!(first.len() < LONG + 400_000, "{}", first.len());
        let all = walk(snapshot, "limit=1000", |_| {});
        assert_eq!(all, (0..30).rev().collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn any_name_is_text_in_the_answer(app in ".*", name in ".*") {
            let named = Contact {
                identity: Some(identity(&app)),
                name: Some(Name { text: name.as_str().into(), source: NameSource::Quic }),
                ..contact(1, None)
            };
            let page = read(&snapshot(vec![named], Vec::new()), "");
            let shown = &page["contacts"][0];
            prop_assert_eq!(shown["app"].as_str().unwrap_or_default(), app);
            prop_assert_eq!(shown["destination"].as_str().unwrap_or_default(), name);
        }
    }
}
