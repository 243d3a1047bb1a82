//! Which names are a resolver's?

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(name: &str, expected: Option<ResolverKind>) {
    assert_eq!(resolver(name), expected, "{name}");
    let fact = facts(name).resolver;
    assert_eq!(fact.map(|fact| fact.value.kind), expected, "{name}");
}

#[test]
fn a_listed_name_is_a_resolvers_and_what_lies_below_only_where_the_list_says_so() {
    let (doh, http) = (Some(ResolverKind::Doh), Some(ResolverKind::HttpDns));
    check("dns.google", doh);
    check("a.dns.google", None);
    check("google", None);
    check("dns.google.com", None);
    check("doh.sb", doh);
    check("de-fra.doh.sb", doh);
    check("nowhere.doh.sb", None);
    check("cloudflare-dns.com", doh);
    check("mozilla.cloudflare-dns.com", doh);
    check("notcloudflare-dns.com", None);
    check("httpdns.baidu.com", http);
    check("a.b.httpdns.baidu.com", http);
    check("baidu.com", None);
    // Both it and a name above it are in the list.
    check("kuaishou.httpdns.pro", http);
}

#[test]
fn what_is_no_name_is_no_resolvers() {
    for text in [
        "",
        ".",
        "dns.google.",
        ".dns.google",
        "DNS.google",
        "8.8.8.8",
        "~other",
    ] {
        check(text, None);
    }
}

#[test]
fn each_line_says_in_which_list_it_is_and_is_found() {
    assert_eq!(table::RESOLVERS.len(), 177);
    assert!(table::RESOLVERS.is_sorted_by(|one, other| one.name < other.name));
    for line in &table::RESOLVERS {
        let fact = facts(line.name).resolver.expect("it is listed");
        assert_eq!(
            (fact.value.pattern, fact.value.kind),
            (line.name, line.kind)
        );
        let list = match line.kind {
            ResolverKind::Doh => "list category-doh",
            ResolverKind::HttpDns => "list category-httpdns-cn @ads",
        };
        assert_eq!(fact.value.part, list);
        assert!(
            fact.source
                .title
                .contains("c975ccef9c19f005a3bfa7a33255d1b406deea64")
        );
    }
}

proptest! {
    #[test]
    fn any_text_has_an_answer(text in "\\PC*") {
        let fact = facts(&text).resolver;
        prop_assert_eq!(fact.map(|fact| fact.value.kind), resolver(&text));
    }
}
