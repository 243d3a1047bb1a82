//! Does the build refuse what `data/README.md` forbids?

#[path = "../build/company/mod.rs"]
mod company;

use std::path::Path;

use company::{merge::Texts, overlay, resolvers, rows};

const SOURCE: &str = "[[source]]\nid = \"page\"\ntitle = \"A page\"\naddress = \"https://example.org/\"\nread = \"2026-11-28\"\nby = \"vendor\"\nsays = \"it is theirs\"\n";
const ENTITY: &str =
    "entity = [{ id = \"a\", name = \"A\", kind = \"company\", source = \"page\" }]\n";
const DOMAIN: &str = "domain = [{ name = \"a.example\", entity = \"a\", source = \"page\" }]\n";

const NETWORK: &str = "network = [{ asn = 64496, entity = \"a\", source = \"page\" }]\nanycast = [{ entity = \"a\", source = \"page\" }]\n";

#[track_caller]
fn check_refused(sources: &str, entities: &str, domains: &str, because: &str) {
    check_networks_refused(sources, entities, domains, "", because);
}

#[track_caller]
fn check_networks_refused(
    sources: &str,
    entities: &str,
    domains: &str,
    networks: &str,
    because: &str,
) {
    match overlay::parse(sources, entities, domains, networks) {
        Ok(_) => panic!("taken, though it should say {because:?}"),
        Err(error) => assert!(error.contains(because), "{error}"),
    }
}

#[test]
fn a_line_with_its_source_is_taken() {
    assert!(overlay::parse(SOURCE, ENTITY, DOMAIN, NETWORK).is_ok());
}

#[test]
fn a_line_without_a_source_is_refused() {
    let without = |text: &str| text.replace(", source = \"page\"", "");
    check_refused(SOURCE, &without(ENTITY), DOMAIN, "missing field `source`");
    check_refused(SOURCE, ENTITY, &without(DOMAIN), "missing field `source`");
    check_refused(
        SOURCE,
        ENTITY,
        &DOMAIN.replace("page", "memory"),
        "not in sources.toml",
    );
    let owned = format!("{ENTITY}ownership = [{{ child = \"a\", parent = \"a\" }}]\n");
    check_refused(SOURCE, &owned, DOMAIN, "missing field `source`");
}

#[test]
fn a_network_without_source_or_company_or_twice_is_refused() {
    let check = |networks: &str, because| {
        check_networks_refused(SOURCE, ENTITY, DOMAIN, networks, because);
    };
    check(
        &NETWORK.replacen(", source = \"page\"", "", 1),
        "missing field `source`",
    );
    check(&NETWORK.replace("\"page\"", "\"memory\""), "not in sources");
    check(&NETWORK.replace("\"a\"", "\"b\""), "no entity");
    check(&NETWORK.replace("64496", "0"), "no number of a network");
    let line = "{ asn = 64496, entity = \"a\", source = \"page\" }";
    check(
        &NETWORK.replace(line, &format!("{line}, {line}")),
        "there twice",
    );
}

#[test]
fn a_source_without_address_day_or_words_is_refused() {
    check_refused(
        &SOURCE.replace("read = \"2026-11-28\"\n", ""),
        ENTITY,
        DOMAIN,
        "missing field `read`",
    );
    check_refused(
        &SOURCE.replace("2026-11-28", "some day"),
        ENTITY,
        DOMAIN,
        "no day it was read",
    );
    check_refused(
        &SOURCE.replace("2026-11-28", "2026-13-28"),
        ENTITY,
        DOMAIN,
        "no day it was read",
    );
    check_refused(
        &SOURCE.replace("https://example.org/", "heard of"),
        ENTITY,
        DOMAIN,
        "no address",
    );
    check_refused(
        &SOURCE.replace("it is theirs", " "),
        ENTITY,
        DOMAIN,
        "what it says",
    );
}

#[test]
fn a_source_that_no_line_uses_is_refused() {
    let two = format!("{SOURCE}{}", SOURCE.replace("\"page\"", "\"other\""));
    check_refused(&two, ENTITY, DOMAIN, "no line uses");
}

#[test]
fn a_company_that_is_not_there_is_refused() {
    check_refused(
        SOURCE,
        ENTITY,
        &DOMAIN.replace("\"a\"", "\"b\""),
        "no entity",
    );
}

#[test]
fn a_resolver_without_list_kind_or_name_is_refused() {
    let row = |name: &str, kind: &str, list: &str| rows::Row {
        name: name.to_owned(),
        exact: true,
        entity: kind.to_owned(),
        part: list.to_owned(),
        note: String::new(),
    };
    let check = |rows: Vec<rows::Row>, because: Option<&str>| {
        let error = resolvers::resolvers(rows, 0, &mut Texts::default()).err();
        let says = error
            .as_deref()
            .map(|error| error.contains(because.unwrap_or_default()));
        assert_eq!(says, because.map(|_| true), "{error:?}");
    };
    check(vec![row("a.example", "doh", "list")], None);
    check(
        vec![row("a.example", "doh", "")],
        Some("without its source"),
    );
    check(vec![row("a.example", "", "list")], Some("no kind"));
    check(vec![row("A.example", "httpdns", "list")], Some("no name"));
    let twice = || row("a.example", "doh", "list");
    check(vec![twice(), twice()], Some("twice"));
}

#[test]
fn the_files_in_the_repository_make_a_table() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data");
    company::table(&data).expect("data/ is as its README says");
}
