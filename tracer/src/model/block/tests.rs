//! A contact comes out of a block as it went in, and a block is as small as it says.

use proptest::{option, prelude::*, sample::select};

use super::*;
use crate::model::{Bypass, Candidate, Endpoint, Kind, NameSource, Outcome, Protocol};

fn address() -> impl Strategy<Value = IpAddr> {
    // Few, so that contacts share some, with the two that are easily taken for each other.
    let odd = select(vec![
        "192.0.2.1",
        "::ffff:192.0.2.1",
        "::",
        "0.0.0.0",
        "::192.0.2.1",
    ]);
    prop_oneof![
        any::<IpAddr>(),
        odd.prop_map(|text| text.parse().expect("an address"))
    ]
}

/// Any number, and often those at the ends.
fn number() -> impl Strategy<Value = Option<u64>> {
    option::of(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)])
}

fn small() -> impl Strategy<Value = Option<u32>> {
    option::of(prop_oneof![any::<u32>(), Just(0), Just(u32::MAX)])
}

fn end() -> impl Strategy<Value = Endpoint> {
    let port = option::of(prop_oneof![
        any::<u16>(),
        Just(0),
        Just(443),
        Just(u16::MAX)
    ]);
    (option::of(address()), port).prop_map(|(address, port)| Endpoint { address, port })
}

fn program() -> impl Strategy<Value = Option<Arc<Program>>> {
    option::of((0..4_u32).prop_map(|process| {
        Arc::new(Program {
            process: (process > 0).then_some(process),
            uid: process / 2,
            ..Program::default()
        })
    }))
}

fn identity() -> impl Strategy<Value = Option<Arc<Identity>>> {
    option::of((0..4_u32).prop_map(|app| {
        Arc::new(Identity {
            app: format!("app{}", app / 2).into(),
            user: "".into(),
            uid: app,
            kind: Kind::Executable,
            version: "".into(),
        })
    }))
}

fn name() -> impl Strategy<Value = Option<Name>> {
    let sources = [
        NameSource::Sni,
        NameSource::Quic,
        NameSource::Lookup,
        NameSource::Dns,
    ];
    option::of(
        ("[ab]{0,2}", select(sources.to_vec())).prop_map(|(text, source)| Name {
            text: text.into(),
            source,
        }),
    )
}

fn owner_of(id: u64) -> Option<Owner> {
    let owner = Owner {
        company: "Example",
        parent: id.is_multiple_of(3).then_some("Parent"),
    };
    id.is_multiple_of(2).then_some(owner)
}

fn naming() -> impl Strategy<Value = Option<Arc<Naming>>> {
    let naming = (name(), any::<bool>(), small()).prop_map(|(name, ech, at)| Naming {
        candidates: name
            .into_iter()
            .map(|name| Candidate {
                name,
                at: at.unwrap_or_default().into(),
                offset: at,
                chain: Arc::default(),
            })
            .collect(),
        hello: ech,
        alpn: Vec::new(),
        ech,
    });
    option::of(naming.prop_map(Arc::new))
}

fn detail() -> impl Strategy<Value = Option<Box<Detail>>> {
    let detail = (option::of(end()), option::of("[ab]{0,2}"), any::<bool>()).prop_map(
        |(translated, interface, past_tcp)| Detail {
            translated,
            interface: interface.map(Into::into),
            past_tcp,
        },
    );
    option::of(detail.prop_map(Box::new))
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let few = [
        Outcome::Unknown,
        Outcome::Connecting,
        Outcome::Open,
        Outcome::Closed,
    ];
    prop_oneof![select(few.to_vec()), any::<u8>().prop_map(Outcome::Failed)]
}

/// Half of them are what follows from the ends.
fn destination() -> impl Strategy<Value = Option<Destination>> {
    option::of(prop_oneof![
        Just(Destination::Other),
        Just(Destination::Unknown),
        (address(), any::<u16>())
            .prop_map(|(address, port)| Destination::Address { address, port }),
    ])
}

/// Every field both known and unknown. No `..`: a field that comes is not forgotten here.
fn contact() -> impl Strategy<Value = Contact> {
    let direction = select(vec![Direction::Out, Direction::In]);
    let protocol = select(vec![
        Protocol::Tcp,
        Protocol::Udp,
        Protocol::Sctp,
        Protocol::Icmp,
        Protocol::Raw,
    ]);
    (
        (
            any::<u64>(),
            identity(),
            program(),
            destination(),
            (name(), naming(), detail()),
        ),
        (end(), end(), direction, protocol, small()),
        (number(), number(), number(), outcome(), number(), number()),
    )
        .prop_map(|(who, how, what)| {
            let (id, identity, program, destination, (name, naming, detail)) = who;
            let (local, remote, direction, protocol, namespace) = how;
            let (began, established, ended, outcome, sent, received) = what;
            let mut contact = Contact {
                id,
                identity,
                program,
                destination: Destination::Unknown,
                name,
                naming,
                owner: owner_of(id),
                bypass: Bypass::ALL.get(id as usize % 5).copied(),
                local,
                remote,
                detail,
                direction,
                protocol,
                namespace,
                began,
                established,
                ended,
                outcome,
                sent,
                received,
            };
            contact.destination = destination.unwrap_or_else(|| usual(&contact));
            contact
        })
}

fn unpacked(block: &Block) -> Vec<Contact> {
    block.iter().map(|kept| kept.contact()).collect()
}

proptest! {
    #[test]
    fn contacts_come_out_as_they_went_in(contacts in prop::collection::vec(contact(), 1..64)) {
        let mut block: Block = contacts.iter().cloned().collect();
        prop_assert_eq!(&unpacked(&block), &contacts);
        let places: Vec<_> = block.iter().map(|kept| (kept.began(), kept.id())).collect();
        let expected: Vec<_> = contacts.iter().map(|contact| (contact.began, contact.id)).collect();
        prop_assert_eq!(places, expected);
        let copy = block.clone();
        block.push(contacts[0].clone());
        prop_assert_eq!(unpacked(&copy), contacts);
    }
}

/// What a block takes, in bytes, with the two counters of its `Arc`.
fn bytes(block: &Block) -> usize {
    16 + size_of::<Block>()
        + block.contacts.capacity() * packed::BYTES
        + block.whos.capacity() * size_of::<Who>()
        + block.whoms.capacity() * size_of::<Whom>()
}

#[test]
fn no_block_takes_more_than_it_says_however_often_it_is_copied() {
    let mut block = Block::new();
    while !block.is_full() {
        // A reader holds the last one.
        block = block.clone();
        let id = block.len() as u64;
        block.push(Contact {
            namespace: Some(id as u32),
            name: Some(Name {
                text: id.to_string().into(),
                source: NameSource::Dns,
            }),
            ..Contact::new(id, Direction::Out, Protocol::Tcp)
        });
    }
    assert_eq!((block.whos.len(), block.whoms.len()), (512, 512));
    assert_eq!(bytes(&block), Block::BYTES);
}

#[test]
fn what_contacts_have_in_common_is_there_once() {
    let program = Arc::new(Program::default());
    let of = |id: u64| Contact {
        // Forty apps, each said anew every time.
        identity: Some(Arc::new(Identity {
            app: (id % 40).to_string().into(),
            user: "".into(),
            uid: 0,
            kind: Kind::Android,
            version: "".into(),
        })),
        program: Some(Arc::clone(&program)),
        remote: Endpoint {
            address: Some(IpAddr::from([10, 0, (id >> 8) as u8, id as u8])),
            port: Some(443),
        },
        destination: Destination::Address {
            address: [10, 0, (id >> 8) as u8, id as u8].into(),
            port: 443,
        },
        ..Contact::new(id, Direction::Out, Protocol::Tcp)
    };
    let block: Block = (0..Block::ROOM as u64).map(of).collect();
    assert_eq!((block.whos.len(), block.whoms.len()), (40, 1));
    assert!(bytes(&block) < 90 * Block::ROOM, "{}", bytes(&block));
}
