//! Moments as text.

use crate::day::date;

/// A moment of the wall clock, in nanoseconds since the Unix epoch, as RFC 3339 writes it in UTC, with nine decimals so
/// that nothing is lost: `2026-11-28T12:00:00.000000001Z`. Total: the last moment is in the year 2554.
pub fn rfc3339(nanoseconds: u64) -> String {
    let (seconds, fraction) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z")
}

/// Nanoseconds as seconds, with nine decimals.
pub fn seconds(nanoseconds: u64) -> String {
    format!(
        "{}.{:09}",
        nanoseconds / 1_000_000_000,
        nanoseconds % 1_000_000_000
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_is_written_as_date_writes_it() {
        let check = |nanoseconds, expected: &str| assert_eq!(rfc3339(nanoseconds), expected);
        check(0, "1970-01-01T00:00:00.000000000Z");
        check(951_782_399_999_999_999, "2000-02-28T23:59:59.999999999Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z");
        check(951_868_800_000_000_001, "2000-03-01T00:00:00.000000001Z");
        check(1_795_867_971_000_000_042, "2026-11-28T12:12:51.000000042Z");
        check(4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z");
        check(u64::MAX, "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn seconds_keep_their_nanoseconds() {
        assert_eq!(seconds(0), "0.000000000");
        assert_eq!(seconds(12_000_000_345), "12.000000345");
        assert_eq!(seconds(u64::MAX), "18446744073.709551615");
    }

    proptest! {
        #[test]
        fn text_is_in_the_order_of_time(one: u64, other: u64) {
            prop_assert_eq!(one.cmp(&other), rfc3339(one).cmp(&rfc3339(other)));
            prop_assert_eq!(rfc3339(one).len(), 30);
        }
    }
}
