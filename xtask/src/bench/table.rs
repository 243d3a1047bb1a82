//! How is a figure shown, beside its goal?
#![expect(
    clippy::print_stdout,
    reason = "the table is what the benchmark was asked for"
)]

/// Says what the columns are.
pub fn head() {
    println!(
        "{:<58} {:>14} {:>14}  {:<6}  note",
        "what", "value", "goal", ""
    );
}

/// A fact about the machine or the method.
pub fn fact(text: &str) {
    println!("{text}");
}

/// A figure without a goal.
pub fn figure(what: &str, value: f64, unit: &str, note: &str) {
    let value = format!("{} {unit}", number(value));
    println!("{what:<58} {value:>14} {:>14}  {:<6}  {note}", "", "");
}

/// A figure that is to be at most `goal`.
pub fn judged(what: &str, value: f64, goal: f64, unit: &str, note: &str) {
    verdict(what, value, ("<=", goal, value <= goal), unit, note);
}

/// A figure that is to be at least `goal`.
pub fn judged_at_least(what: &str, value: f64, goal: f64, unit: &str, note: &str) {
    verdict(what, value, (">=", goal, value >= goal), unit, note);
}

fn verdict(what: &str, value: f64, goal: (&str, f64, bool), unit: &str, note: &str) {
    let (sign, goal, is_kept) = goal;
    let verdict = if is_kept { "ok" } else { "MISSED" };
    let value = format!("{} {unit}", number(value));
    let goal = format!("{sign} {} {unit}", number(goal));
    println!("{what:<58} {value:>14} {goal:>14}  {verdict:<6}  {note}");
}

/// Enough digits to tell a goal that was missed by little.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1_000.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_digits_that_mean_something() {
        let check = |value, expected| assert_eq!(number(value), expected);
        check(0.0, "0");
        check(0.05, "0.05");
        check(-0.0194, "-0.019");
        check(0.5, "0.5");
        check(31.94, "31.9");
        check(160.1, "160.1");
        check(4_940.3, "4940");
    }
}
