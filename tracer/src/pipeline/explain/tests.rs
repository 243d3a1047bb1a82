//! Which facts are told of a name, of one below a platform, and of who delivers?

use super::*;
use crate::model::{Candidate, Direction, Name, NameSource, Naming, Protocol};

/// What is told of a contact under a name that was an alias of others: of what, about what, and of what it is said.
fn told(name: &str, chain: &[&str]) -> Vec<(&'static str, String, String)> {
    let databases: &'static Databases = Box::leak(Box::default());
    let explained = Explained::new(&Destinations::new(databases));
    let name = Name {
        text: name.into(),
        source: NameSource::Sni,
    };
    let candidate = Candidate {
        name: name.clone(),
        at: 1,
        offset: None,
        chain: chain.iter().map(|alias| (*alias).into()).collect(),
    };
    let contact = Contact {
        name: Some(name),
        naming: Some(Arc::new(Naming {
            candidates: vec![candidate],
            ..Naming::default()
        })),
        ..Contact::new(1, Direction::Out, Protocol::Tcp)
    };
    let facts = explained.contact(&contact).into_iter();
    let mut all: Vec<_> = facts
        .map(|fact| {
            assert!(
                !fact.source.is_empty() && !fact.address.is_empty(),
                "{fact:?}"
            );
            (fact.about.label(), fact.value, fact.of)
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

#[track_caller]
fn check(name: &str, chain: &[&str], expected: &[(&'static str, &str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(about, value, of)| (*about, (*value).to_owned(), (*of).to_owned()))
        .collect();
    assert_eq!(told(name, chain), expected, "{name}");
}

#[test]
fn an_owner_is_told_and_to_whom_it_belongs() {
    check(
        "open.volcengineapi.com",
        &[],
        &[
            ("owner", "Volcano Engine", "volcengineapi.com"),
            ("parent", "ByteDance", "Volcano Engine"),
        ],
    );
}

#[test]
fn of_a_customers_name_the_platform_is_told_and_no_owner() {
    check(
        "bucket.tos-cn-beijing.volces.com",
        &[],
        &[
            ("parent", "ByteDance", "Volcano Engine"),
            ("platform", "Volcano Engine", "volces.com"),
        ],
    );
}

#[test]
fn who_delivers_is_told_by_the_alias_unless_it_is_the_owner() {
    check("nobody.example", &["nobody.example.org"], &[]);
    check(
        "nobody.example",
        &["nobody.example.volces.com"],
        &[
            (
                "delivered_by",
                "Volcano Engine",
                "nobody.example.volces.com",
            ),
            ("parent", "ByteDance", "Volcano Engine"),
        ],
    );
    check(
        "open.volcengineapi.com",
        &["edge.volces.com"],
        &[
            ("owner", "Volcano Engine", "volcengineapi.com"),
            ("parent", "ByteDance", "Volcano Engine"),
        ],
    );
}
