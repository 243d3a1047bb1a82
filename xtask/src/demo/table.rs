//! How are an app's destinations printed?

use std::fmt::Write as _;

use super::paragraph::number;
use super::seen::{Destination, Whom};

/// As wide as a terminal is that nobody made narrower.
const WIDTH: usize = 100;

/// The table of an app, one line a destination.
pub fn table(app: &str, destinations: &[Destination]) -> String {
    let mut rows = vec![
        [
            app,
            "company",
            "known by",
            "connections",
            "sent",
            "received",
        ]
        .map(str::to_owned),
    ];
    rows.extend(destinations.iter().map(|destination| {
        let counts = destination.counts;
        [
            destination.name.clone(),
            company(destination),
            destination.name_source.clone(),
            number(counts.contacts),
            number(counts.sent),
            number(counts.received),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let [name, company, known, contacts, sent, received] = row;
        let _ = writeln!(
            text,
            "{name:0$}  {company:1$}  {known:2$}  {contacts:>3$}  {sent:>4$}  {received:>5$}",
            widths[0], widths[1], widths[2], widths[3], widths[4], widths[5]
        );
    }
    text
}

fn company(destination: &Destination) -> String {
    match destination.whom() {
        Whom::Owner(company, _) => company,
        Whom::Tenant(_, platform) => format!("unknown, below {platform}"),
        Whom::Disputed(_) => "disputed".to_owned(),
        Whom::Unknown => "unknown".to_owned(),
        Whom::Unnamed => "-".to_owned(),
    }
}

/// Lines of a text that are no longer than a terminal is wide, unless a word is.
pub fn wrapped(text: &str) -> String {
    let (mut lines, mut length) = (String::new(), 0);
    for word in text.split(' ') {
        if length > 0 && length + 1 + word.len() > WIDTH {
            lines.push('\n');
            length = 0;
        } else if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += word.len();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::counts::Counts;

    #[test]
    fn a_table_has_its_numbers_at_the_right() {
        let destination = Destination {
            name: "a.example".to_owned(),
            name_source: "sni".to_owned(),
            company: None,
            counts: Counts {
                contacts: 3,
                sent: 1234,
                received: 5,
            },
            facts: Vec::new(),
        };
        let expected = "\
            app        company  known by  connections   sent  received\n\
            a.example  unknown  sni                 3  1,234         5\n";
        assert_eq!(table("app", &[destination]), expected);
    }

    #[test]
    fn lines_end_at_words() {
        let word = "x".repeat(60);
        let text = format!("a {word} {word} b");
        assert_eq!(wrapped(&text), format!("a {word}\n{word} b"));
        assert_eq!(wrapped(&"y".repeat(120)), "y".repeat(120));
    }
}
