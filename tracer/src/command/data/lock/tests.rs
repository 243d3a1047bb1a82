//! Is what is written into the lock read again, and does anything else give a reason?

use proptest::{collection::vec, option, prelude::*};

use super::*;

fn sum(digit: char) -> Sum {
    Sum::parse(&digit.to_string().repeat(64)).expect("a sum")
}

fn with(current: Option<Entry>, next: Option<Entry>) -> Locked {
    Locked { current, next }
}

fn entries() -> impl Strategy<Value = Entry> {
    (
        "\\PC{0,40}",
        "[0-9a-f]{64}",
        any::<[u64; 3]>(),
        "\\PC{0,20}",
        option::of("\\PC{0,20}"),
        option::of("\\PC{0,20}"),
    )
        .prop_map(
            |(from, sum, [size, built, fetched], licence, etag, modified)| Entry {
                from,
                sha256: Sum::parse(&sum).expect("64 digits"),
                size,
                built,
                fetched,
                checked: licence.clone(),
                licence,
                etag,
                modified,
            },
        )
}

fn locks() -> impl Strategy<Value = Lock> {
    let one = || {
        (option::of(entries()), option::of(entries()))
            .prop_map(|(current, next)| with(current, next))
    };
    (one(), one()).prop_map(|(network, country)| Lock { network, country })
}

proptest! {
    #[test]
    fn what_is_written_is_read(lock in locks()) {
        prop_assert_eq!(Lock::parse(lock.text().as_bytes()), Ok(lock));
    }

    #[test]
    fn any_bytes_are_a_lock_or_a_reason(bytes in vec(any::<u8>(), 0..512)) {
        if let Err(why) = Lock::parse(&bytes) {
            prop_assert!(!why.is_empty());
        }
    }

    #[test]
    fn a_lock_that_was_cut_is_none(lock in locks(), cut in any::<prop::sample::Index>()) {
        let text = lock.text();
        // The last two bytes close the object and end the line.
        let end = cut.index(text.len() - 2);
        prop_assert!(Lock::parse(&text.as_bytes()[..end]).is_err());
    }

    #[test]
    fn a_sum_is_read_as_it_is_written(text in "[0-9a-fA-F]{64}") {
        prop_assert_eq!(Sum::parse(&text).map(|sum| sum.to_string()), Some(text.to_ascii_lowercase()));
    }
}

#[test]
fn a_file_is_told_by_its_sum() {
    let mut old = proptest_entry();
    old.sha256 = sum('a');
    let mut new = old.clone();
    new.sha256 = sum('b');
    let check = |current: Option<&Entry>, next: Option<&Entry>, found, expected| {
        let locked = with(current.cloned(), next.cloned());
        assert_eq!(locked.standing(found), expected);
    };
    let (a, b, c) = (sum('a'), sum('b'), sum('c'));
    check(None, None, None, Standing::Nothing);
    check(None, None, Some(&a), Standing::Unlocked);
    check(Some(&old), None, Some(&a), Standing::Same);
    check(Some(&old), None, None, Standing::Missing);
    check(Some(&old), Some(&new), Some(&a), Standing::Same);
    check(Some(&old), Some(&new), Some(&b), Standing::Replaced);
    check(Some(&old), Some(&new), Some(&c), Standing::Changed);
    check(None, Some(&new), Some(&b), Standing::Replaced);
    check(None, Some(&new), None, Standing::Nothing);
}

fn proptest_entry() -> Entry {
    Entry {
        from: "https://tables.example/origin-asn.mmdb".to_owned(),
        sha256: sum('0'),
        size: 1,
        built: 2,
        fetched: 3,
        licence: "unknown".to_owned(),
        etag: None,
        modified: None,
        checked: "the size".to_owned(),
    }
}

#[test]
fn what_is_no_sum_is_none() {
    assert_eq!(Sum::parse(&"a".repeat(63)), None);
    assert_eq!(Sum::parse(&"a".repeat(65)), None);
    assert_eq!(Sum::parse(&"g".repeat(64)), None);
}

#[test]
fn another_version_is_not_guessed_at() {
    assert_eq!(
        Lock::parse(br#"{"version":2,"files":{}}"#),
        Err("it is not of version 1".to_owned())
    );
    assert_eq!(
        Lock::parse(br#"{"version":1,"files":{"origin-asn.mmdb":{"current":{}}}}"#),
        Err("origin-asn.mmdb has no valid entry \"current\"".to_owned())
    );
}
