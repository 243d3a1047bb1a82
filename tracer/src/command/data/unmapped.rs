//! `tracer data unmapped`: to which destinations did apps send, and receive from, of which nobody knows who controls them? It
//! reads `/metrics` of a tracer that runs.

mod read;
mod table;

use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::super::DONE;
use super::failure::Failure;
use super::{answer, visible};
use table::{Destination, Table};

#[derive(clap::Args)]
pub struct Arguments {
    /// The tracer to ask.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9741")]
    from: String,
    /// Answer in JSON, with apps, ports and name sources; `has_more` says where they are too many to list.
    #[arg(long)]
    json: bool,
    /// How many destinations to list, the largest first. The totals are those of all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// How many apps of a destination stand in the text.
const APPS: usize = 4;
/// How many of its ports.
const PORTS: usize = 4;

pub fn unmapped(arguments: &Arguments) -> u8 {
    match run(arguments) {
        Ok(()) => DONE,
        Err(failure) => failure.tell(),
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut table = Table::default();
    read::lines(&arguments.from, &mut |line| table.take(line))?;
    if !table.is_of_a_tracer {
        return Err(Failure::could_not_run(format!(
            "{}: what answers is no tracer",
            arguments.from
        ))
        .hint("give the address of a running `tracer run` with --from"));
    }
    if table.unreadable > 0 {
        return Err(Failure::could_not_run(format!(
            "{}: {} lines with bytes cannot be read, so the sums would be wrong",
            arguments.from, table.unreadable
        )));
    }
    let destinations = table.largest_first();
    let shown = &destinations[..destinations.len().min(arguments.limit)];
    answer(&if arguments.json {
        format!("{:#}\n", as_json(&table, destinations.len(), shown))
    } else {
        as_text(&table, destinations.len(), shown)
    });
    Ok(())
}

/// What kind of name it is, where it is none.
fn kind(name: &str) -> &'static str {
    match name {
        "" => "unknown",
        "~other" => "folded",
        _ if name
            .split('%')
            .next()
            .is_some_and(|name| name.parse::<IpAddr>().is_ok()) =>
        {
            "address"
        }
        _ => "name",
    }
}

fn as_json(table: &Table, count: usize, shown: &[(&String, &Destination)]) -> Value {
    let destinations: Vec<Value> = shown
        .iter()
        .map(|(name, destination)| {
            json!({
                "destination": name, "kind": kind(name), "sent_bytes": destination.sent, "received_bytes": destination.received,
                "apps": destination.apps, "ports": destination.ports, "name_sources": destination.sources,
                "has_more": destination.is_cut,
            })
        })
        .collect();
    json!({
        "destinations": destinations, "count": count,
        "sent_bytes": table.unmapped.sent, "received_bytes": table.unmapped.received,
        "all": { "sent_bytes": table.all.sent, "received_bytes": table.all.received },
    })
}

fn as_text(table: &Table, count: usize, shown: &[(&String, &Destination)]) -> String {
    let mut text = format!(
        "{:>15} {:>15}  destination (how it is known), ports, apps\n",
        "sent", "received"
    );
    for (name, destination) in shown {
        let known = match kind(name) {
            "address" => "an address, no name".to_owned(),
            "folded" => "destinations beyond an app's limit".to_owned(),
            "unknown" => "nobody knows where to".to_owned(),
            _ => some(&destination.sources, usize::MAX),
        };
        let _ = writeln!(
            text,
            "{:>15} {:>15}  {} ({known}), {}, {}{}",
            destination.sent,
            destination.received,
            visible(name),
            some(&destination.ports, PORTS),
            some(&destination.apps, APPS),
            if destination.is_cut {
                ", and others"
            } else {
                ""
            }
        );
    }
    let (all, unmapped) = (table.all, table.unmapped);
    let _ = writeln!(
        text,
        "{:>15} {:>15}  in {count} destinations without a known owner, {} of them listed",
        unmapped.sent,
        unmapped.received,
        shown.len()
    );
    let _ = writeln!(
        text,
        "{:>15} {:>15}  in all contacts that were begun here",
        all.sent, all.received
    );
    text
}

/// The first of some words, and how many more there are.
fn some<'word, Words>(words: &'word Words, most: usize) -> String
where
    &'word Words: IntoIterator<Item = &'word String>,
{
    let words: Vec<String> = words.into_iter().map(|word| visible(word)).collect();
    let text = words[..words.len().min(most)].join(" ");
    match words.len().saturating_sub(most) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
