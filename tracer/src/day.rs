//! Days of the calendar.

/// The day of a moment in seconds since the Unix epoch, like `2026-11-28`.
pub fn day(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a number of days since 1970-01-01: `civil_from_days` of
/// <https://howardhinnant.github.io/date_algorithms.html>. Its years begin in March, so that a leap day is the last.
pub fn date(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01 on, in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let day = day - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (era * 400 + year + u64::from(month <= 2), month, day)
}
