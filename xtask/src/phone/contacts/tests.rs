//! Does the comparison tell each way in which a day can be shown wrongly?

use serde_json::json;

use super::*;
use crate::phone::day::Day;

/// A day with each contact once.
fn truth() -> Tally {
    Day::new(1).truth
}

/// The first contact of a day to the port of TLS.
fn one(truth: &Tally) -> Contact {
    let one = truth.keys().find(|contact| contact.port == "443");
    one.expect("a contact").clone()
}

/// One contact of the truth is seen as another: what is said then.
fn seen_as(change: impl FnOnce(&mut Contact)) -> (Contact, Contact, String) {
    let truth = truth();
    let before = one(&truth);
    let mut after = before.clone();
    change(&mut after);
    let mut seen = truth.clone();
    *seen.get_mut(&before).expect("it is there") -= 1;
    *seen.entry(after.clone()).or_default() += 1;
    let said = compare(&seen, &truth).expect_err("it is not the truth");
    (before, after, said.to_string())
}

#[test]
fn a_day_as_it_was_is_the_truth() {
    compare(&truth(), &truth()).expect("they are equal");
}

#[test]
fn one_that_is_missing_or_too_many_is_told() {
    let truth = truth();
    let one = one(&truth);
    let count = truth[&one];
    for (seen_count, listed) in [(count - 1, true), (count + 1, true), (0, false)] {
        let mut seen = truth.clone();
        if listed {
            seen.insert(one.clone(), seen_count);
        } else {
            seen.remove(&one);
        }
        let said = compare(&seen, &truth).expect_err("it is not the truth");
        assert_eq!(
            said.to_string(),
            format!(
                "1 kinds of contacts are wrong, among them:\n{one}: {seen_count} instead of {count}"
            )
        );
    }
}

#[test]
fn one_that_is_seen_as_another_is_told_with_both() {
    let changes: [fn(&mut Contact); 9] = [
        |contact| contact.app = "com.else".to_owned(),
        |contact| contact.user = "12".to_owned(),
        |contact| contact.direction = "in".to_owned(),
        |contact| contact.protocol = "sctp".to_owned(),
        |contact| contact.destination = "198.18.255.255".to_owned(),
        |contact| contact.port = "444".to_owned(),
        |contact| contact.outcome = "failed: reset".to_owned(),
        |contact| contact.sent = contact.sent.map(|bytes| bytes + 1),
        |contact| contact.received = None,
    ];
    for change in changes {
        let (before, after, said) = seen_as(change);
        let count = truth()[&before];
        assert!(said.starts_with("2 kinds of contacts are wrong"), "{said}");
        let missing = format!("\n{before}: {} instead of {count}", count - 1);
        let extra = format!("\n{after}: 1 instead of 0");
        assert!(said.contains(&missing), "{said}");
        assert!(said.contains(&extra), "{said}");
    }
}

/// A contact as a page has it.
fn said(id: u64, live: bool, direction: &str, sent: u64) -> Value {
    json!({
        "id": id, "live": live, "app": "com.a", "user": "0", "direction": direction, "protocol": "tcp",
        "destination": "198.18.0.1", "port": 443, "outcome": if live { "open" } else { "closed" },
        "reason": null, "sent_bytes": sent, "received_bytes": 0,
    })
}

/// Takes a page with these, of so many in all.
fn take(contacts: &mut Contacts, page: &[Value], sum: u64) -> Result<()> {
    let page =
        json!({ "contacts": page, "next": null, "live": 1, "ended": 2, "forgotten": sum - 3 });
    let (sum, next) = contacts.take(&page)?;
    assert_eq!(next, None);
    contacts.is_whole(&sum)
}

#[test]
fn a_contact_counts_once_and_as_it_was_said_last() {
    let mut contacts = Contacts::default();
    let page = [
        said(1, false, "in", 8),
        said(2, true, "out", 8),
        said(3, false, "out", 9),
    ];
    take(&mut contacts, &page, 3).expect("each is there");
    let page = [
        said(2, false, "out", 9),
        said(3, false, "out", 9),
        said(4, false, "in", 5),
    ];
    take(&mut contacts, &page, 4).expect("each is there");
    let same = Contact::of(&said(2, false, "out", 9));
    assert_eq!(contacts.tally(), Tally::from([(same, 2)]));
}

#[test]
fn one_that_was_counted_and_never_shown_is_told() {
    let page = [said(1, false, "in", 8), said(3, false, "out", 8)];
    let told = take(&mut Contacts::default(), &page, 3).expect_err("one is missing");
    assert_eq!(
        told.to_string(),
        "2 contacts were shown, by their numbers, and 3 were counted"
    );
}

#[test]
fn one_that_changes_after_its_end_is_told() {
    for then in [
        said(3, false, "out", 9),
        said(3, true, "out", 8),
        said(3, false, "in", 8),
    ] {
        let mut contacts = Contacts::default();
        let _ = take(&mut contacts, &[said(3, false, "out", 8)], 3);
        let told = take(&mut contacts, &[then], 3).expect_err("it is another one");
        assert!(
            told.to_string().starts_with("contact 3 had ended"),
            "{told}"
        );
    }
}
