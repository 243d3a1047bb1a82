//! Does the paragraph say what the facts say, and no more?

use super::*;

fn fact(about: &str, value: &str, of: &str, source: &str, date: &str) -> Fact {
    let [about, value, of, source, date] = [about, value, of, source, date].map(str::to_owned);
    Fact {
        about,
        value,
        of,
        source,
        date,
    }
}

fn destination(name: &str, company: Option<&str>, facts: Vec<Fact>) -> Destination {
    Destination {
        name: name.to_owned(),
        name_source: "sni".to_owned(),
        company: company.map(str::to_owned),
        counts: Counts {
            contacts: 2,
            sent: 1000,
            received: 50,
        },
        facts,
    }
}

/// The sentence about it alone.
fn check(destination: Destination, expected: &str) {
    let app = "com.app began 2 connections, sent 1,000 bytes and received 50. ";
    let found = paragraph("com.app", &[destination], 0);
    let found = found.strip_prefix(app).unwrap_or(&found);
    assert_eq!(found.strip_suffix(" Nothing was lost."), Some(expected));
}

fn edge() -> Fact {
    fact(
        "parent",
        "ByteDance",
        "Volcano Engine",
        "News",
        "2020-06-22",
    )
}

#[test]
fn an_owner_is_said_with_who_says_so() {
    let owner = fact("owner", "DeepSeek", "deepseek.com", "A list", "2026-08-19");
    let again = fact("owner", "DeepSeek", "deepseek.com", "Its docs", "");
    check(
        destination(
            "a.deepseek.com",
            Some("DeepSeek"),
            vec![owner.clone(), again, owner],
        ),
        "Sent to DeepSeek: 1,000 bytes in 2 connections, and 50 received: a.deepseek.com (by TLS); \
         owner known (A list, 2026-08-19 and Its docs, undated).",
    );
}

#[test]
fn below_a_platform_the_tenant_is_unknown() {
    let platform = fact("platform", "Volcano Engine", "volces.com", "Its docs", "");
    check(
        destination("a.volces.com", None, vec![platform, edge()]),
        "Sent to names below volces.com, a platform of Volcano Engine (a ByteDance company, says News, 2020-06-22): \
         1,000 bytes in 2 connections, and 50 received: a.volces.com (by TLS); platform known (Its docs, undated), tenant unknown.",
    );
}

#[test]
fn who_delivers_for_an_owner_does_not_receive_it() {
    let owner = fact("owner", "DeepSeek", "deepseek.com", "A list", "2026-08-19");
    let by = fact(
        "delivered_by",
        "Volcano Engine",
        "x.volces.com",
        "Its docs",
        "",
    );
    check(
        destination("a.deepseek.com", Some("DeepSeek"), vec![owner, by, edge()]),
        "Sent to DeepSeek, on infrastructure of Volcano Engine (a ByteDance company, says News, 2020-06-22): \
         1,000 bytes in 2 connections, and 50 received: a.deepseek.com (by TLS); owner known (A list, 2026-08-19), \
         deliverer known by the aliases (Its docs, undated).",
    );
}

#[test]
fn nothing_is_ever_sent_to_who_owns_a_platform_or_its_company() {
    let owner = fact("owner", "DeepSeek", "deepseek.com", "A list", "2026-08-19");
    let platform = fact("platform", "Volcano Engine", "volces.com", "Its docs", "");
    let by = fact(
        "delivered_by",
        "Volcano Engine",
        "x.volces.com",
        "Its docs",
        "",
    );
    let facts = [owner, platform, by, edge()];
    for chosen in 0..1 << facts.len() {
        let facts: Vec<Fact> = (0..facts.len())
            .filter(|at| chosen & (1 << at) != 0)
            .map(|at| facts[at].clone())
            .collect();
        for company in [None, Some("DeepSeek")] {
            let said = paragraph(
                "app",
                &[destination("a.deepseek.com", company, facts.clone())],
                0,
            );
            assert!(!said.contains("to ByteDance"), "{said}");
            assert!(!said.contains("to Volcano Engine"), "{said}");
            assert_eq!(
                said.contains("Sent to DeepSeek"),
                company.is_some(),
                "{said}"
            );
        }
    }
}

#[test]
fn an_owner_whom_no_source_tells_is_said_to_be_unknown() {
    let network = fact(
        "network_company",
        "Volcano Engine",
        "AS137718",
        "A list",
        "",
    );
    check(
        destination("a.example", None, vec![network, edge()]),
        "Sent to names whose owner no source tells: 1,000 bytes in 2 connections, and 50 received: a.example (by TLS).",
    );
}

#[test]
fn sources_that_contradict_each_other_decide_nothing() {
    let one = fact("owner", "One", "a.example", "A list", "");
    let two = fact("owner", "Two", "a.example", "Another", "");
    check(
        destination("a.example", None, vec![two, one]),
        "Sent to names of which sources contradict each other (One, Two): \
         1,000 bytes in 2 connections, and 50 received: a.example (by TLS).",
    );
}

#[test]
fn an_address_has_no_owner_and_a_loss_is_told() {
    let mut address = destination("192.0.2.53", None, Vec::new());
    address.name_source = "none".to_owned();
    let said = paragraph("app", &[address], 1234);
    let end = "Sent to addresses without a name: 1,000 bytes in 2 connections, and 50 received: 192.0.2.53 (no name). \
               1,234 were lost, so this may be too little.";
    assert!(said.ends_with(end), "{said}");
}

#[test]
fn the_names_of_one_recipient_are_one_sentence() {
    let owner = || {
        vec![fact(
            "owner",
            "DeepSeek",
            "deepseek.com",
            "A list",
            "2026-08-19",
        )]
    };
    let mut quic = destination("b.deepseek.com", Some("DeepSeek"), owner());
    quic.name_source = "quic".to_owned();
    let said = paragraph(
        "app",
        &[
            destination("a.deepseek.com", Some("DeepSeek"), owner()),
            quic,
        ],
        0,
    );
    let expected = "Sent to DeepSeek: 2,000 bytes in 4 connections, and 100 received: \
                    a.deepseek.com (by TLS), b.deepseek.com (by QUIC); owner known (A list, 2026-08-19).";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_commit_is_told_in_few_digits() {
    let source = "A list c975ccef9c19f005a3bfa7a33255d1b406deea64";
    let owner = fact("owner", "DeepSeek", "deepseek.com", source, "2026-08-19");
    let said = paragraph("app", &[destination("a", Some("DeepSeek"), vec![owner])], 0);
    assert!(
        said.contains("owner known (A list c975cce, 2026-08-19)."),
        "{said}"
    );
}

#[test]
fn another_app_is_told_with_the_names_that_both_have() {
    let first = [destination("a.example", None, Vec::new())];
    let other = [destination("b.example", None, Vec::new())];
    let said = "Beside it app began 2 connections with names, and shares none of these names.";
    assert_eq!(beside("app", &other, &first), said);
    let said = "Beside it app began 2 connections with names, and shares a.example.";
    assert_eq!(beside("app", &first, &first), said);
}

#[test]
fn numbers_have_their_thousands_apart() {
    let numbers = [0, 999, 1000, 1_234_567].map(number);
    assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
}
