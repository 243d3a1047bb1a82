//! Networks and countries: what a database says, what it does not, and where its answer says nothing.

use std::net::IpAddr;

use super::{
    super::mmdb::{
        Database, Kind,
        made::{self, Temporary},
    },
    *,
};

pub fn databases() -> Databases {
    // What is open needs no file's name.
    let network = Temporary::with(&made::networks());
    let country = Temporary::with(&made::countries());
    Databases::new(
        Some(Database::open(&network.0, Kind::Network).expect("a database")),
        Some(Database::open(&country.0, Kind::Country).expect("a database")),
    )
}

#[test]
fn a_country_is_told_where_it_says_something() {
    let databases = databases();
    let check = |address: &str, label: &str, is_anycast: Option<bool>| {
        let address: IpAddr = address.parse().expect("an address");
        assert_eq!(databases.country(address).label(), label, "{address}");
        let located = databases.located(address);
        let found = located.map(|located| located.anycast.is_some());
        assert_eq!(found, is_anycast, "{address}");
    };
    check("11.0.0.1", "CN", Some(false));
    check("::ffff:11.0.0.1", "CN", Some(false));
    check("11.1.0.1", "SG", Some(false));
    // Cloudflare's addresses are each at many places.
    check("104.16.0.1", "", Some(true));
    check("2a10::1", "", Some(true));
    // Nobody knows it.
    check("11.2.0.1", "", None);
    // The database has something, but these addresses are of one's own network.
    for own in [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.0.1",
        "100.64.0.1",
        "fe80::1",
        "fd00::1",
        "::1",
    ] {
        check(own, "", None);
    }
    assert_eq!(databases.faults(), 0);
}

#[test]
fn a_network_has_its_company_where_a_source_says_so() {
    let databases = databases();
    let check = |address: &str, expected: Option<(u32, &str, Option<&str>, Option<&str>)>| {
        let network = databases.network(address.parse().expect("an address"));
        let found = network.map(|network| {
            let company = network.company().map(|(company, _)| company);
            (
                network.asn,
                network.operator,
                company.map(|company| company.company),
                company.and_then(|company| company.parent),
            )
        });
        assert_eq!(found, expected, "{address}");
    };
    check(
        "11.0.0.1",
        Some((
            137_718,
            "Volcano Engine Technology",
            Some("Volcano Engine"),
            Some("ByteDance"),
        )),
    );
    check("11.1.0.1", Some((64_496, "Nobody's", None, None)));
    // The database does not know it, and the operator publishes his ranges.
    check("8.8.8.8", Some((0, "Google", Some("Google"), None)));
    check("11.2.0.1", None);
    check("10.0.0.1", None);
}

#[test]
fn without_databases_there_are_ranges_and_no_country() {
    let none = Databases::default();
    let address = "8.8.8.8".parse().expect("an address");
    assert_eq!(
        none.network(address).map(|network| network.operator),
        Some("Google")
    );
    assert_eq!(none.country(address).label(), "");
}

#[test]
fn a_name_has_the_role_that_a_table_gives_it() {
    let check = |name, expected| assert_eq!(role(name), expected, "{name}");
    check("analytics.tiktok.com", "ad");
    check("www.deepseek.com", "");
    check("nobody.example", "");
    check("googleads.g.doubleclick.net", "ad");
}
