//! What is folded, when, and that nothing falls.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::{Destination, Direction, Protocol};

fn place(identity: u32, port: u16) -> Place {
    Place {
        identity,
        destination: Destination::Address {
            address: [192, 0, 2, 1].into(),
            port,
        },
        company: "",
        country: crate::model::Country::default(),
        direction: Direction::Out,
        protocol: Protocol::Tcp,
    }
}

fn connections(count: u64) -> Totals {
    Totals {
        connections: count,
        ..Totals::default()
    }
}

fn of(rows: &[Arc<Vec<Row>>], destination: &Destination) -> Totals {
    let mut found = Totals::default();
    rows.iter()
        .flat_map(|block| block.iter())
        .filter(|row| row.destination == *destination)
        .for_each(|row| {
            sum(&mut found, &row.totals());
        });
    found
}

#[test]
fn what_is_retired_stays_and_what_lives_is_added_anew() {
    let (mut rows, app) = (Rows::new(10), Arc::from("curl"));
    rows.retire(&app, place(1, 80), &connections(5));
    for _ in 0..3 {
        rows.begin();
        rows.add(&app, place(1, 80), &connections(2));
        assert_eq!(of(&rows.finish(), &place(1, 80).destination).connections, 7);
    }
}

#[test]
fn beyond_the_bound_of_an_app_destinations_are_folded_and_none_is_lost() {
    let (mut rows, app, other) = (Rows::new(2), Arc::from("scanner"), Arc::from("curl"));
    rows.begin();
    for port in 1..=1000 {
        rows.add(&app, place(1, port), &connections(1));
    }
    rows.add(&other, place(2, 80), &connections(1));
    let read = rows.finish();
    assert_eq!(of(&read, &Destination::Other).connections, 998);
    assert_eq!(rows.folded(), 998);
    assert_eq!(read.iter().map(|block| block.len()).sum::<usize>(), 4);
}

#[test]
fn a_snapshot_does_not_change_when_the_ledger_goes_on() {
    let (mut rows, app) = (Rows::new(10), Arc::from("curl"));
    rows.begin();
    rows.add(&app, place(1, 80), &connections(1));
    let before = rows.finish();
    rows.begin();
    rows.add(&app, place(1, 80), &connections(9));
    let after = rows.finish();
    assert_eq!(of(&before, &place(1, 80).destination).connections, 1);
    assert_eq!(of(&after, &place(1, 80).destination).connections, 9);
}

#[test]
fn bytes_never_go_down_while_a_connection_moves_from_live_to_ended() {
    let (mut rows, app) = (Rows::new(10), Arc::from("curl"));
    for (sent, shown) in [(100, 100), (0, 100), (120, 120)] {
        rows.begin();
        rows.add(
            &app,
            place(1, 80),
            &Totals {
                sent,
                ..Totals::default()
            },
        );
        assert_eq!(of(&rows.finish(), &place(1, 80).destination).sent, shown);
    }
}

/// So many retired contacts of `identity`, each of another port from `first` on.
fn retire(rows: &mut Rows, identity: u32, first: u16, count: u16) {
    let app = Arc::from(identity.to_string());
    for port in first..first + count {
        rows.retire(&app, place(identity, port), &connections(1));
    }
}

/// How many rows of their own an app's destinations have, and how many contacts its row `~other` has.
fn of_app(rows: &mut Rows, identity: u32) -> (usize, u64) {
    rows.begin();
    let read = rows.finish();
    let all = read.iter().flat_map(|block| block.iter());
    let (other, own): (Vec<&Row>, Vec<&Row>) = all
        .filter(|row| row.identity == identity)
        .partition(|row| row.destination == Destination::Other);
    let folded = other.iter().map(|row| row.sums.connections);
    (own.len(), folded.sum())
}

#[test]
fn beyond_the_bound_of_all_the_app_that_has_been_silent_longest_is_folded() {
    let mut rows = Rows::bounded(100, 32);
    retire(&mut rows, 1, 0, 10);
    retire(&mut rows, 2, 0, 10);
    retire(&mut rows, 1, 0, 1);
    retire(&mut rows, 3, 0, 20);
    assert_eq!(of_app(&mut rows, 1), (10, 0));
    assert_eq!(of_app(&mut rows, 2), (0, 10));
    assert_eq!(of_app(&mut rows, 3), (20, 0));
    assert_eq!(rows.folded(), 10);
}

#[test]
fn a_destination_that_was_folded_counts_on_in_other_and_a_new_one_has_a_row() {
    let mut rows = Rows::bounded(100, 32);
    retire(&mut rows, 1, 0, 20);
    retire(&mut rows, 2, 0, 20);
    assert_eq!(of_app(&mut rows, 1), (0, 20));
    retire(&mut rows, 1, 5, 1);
    assert_eq!(of_app(&mut rows, 1), (0, 21));
    retire(&mut rows, 1, 50, 1);
    assert_eq!(of_app(&mut rows, 1), (1, 21));
}

#[test]
fn a_row_that_a_living_program_adds_to_is_not_folded_however_long_it_stays_the_same() {
    let mut rows = Rows::bounded(100, 32);
    let app: Arc<str> = "1".into();
    for _ in 0..5 {
        rows.begin();
        for port in 0..20 {
            rows.add(&app, place(1, port), &connections(1));
        }
        rows.finish();
    }
    retire(&mut rows, 2, 0, 100);
    let read = rows.table.blocks();
    let kept = read.iter().flat_map(|block| block.iter());
    assert_eq!(kept.filter(|row| row.identity == 1).count(), 20);
    assert_eq!(rows.table.len(), 33);
}

#[test]
fn an_app_that_is_given_up_leaves_its_counts_to_its_heir() {
    let mut rows = Rows::new(10);
    retire(&mut rows, 1, 0, 20);
    retire(&mut rows, 2, 0, 5);
    rows.give_up(&HashSet::from([1]), 3);
    assert_eq!(of_app(&mut rows, 1), (0, 0));
    assert_eq!(of_app(&mut rows, 2), (5, 0));
    assert_eq!(of_app(&mut rows, 3), (0, 20));
    assert_eq!(rows.silent_since(1), 0);
}

#[derive(Clone, Debug)]
enum Step {
    /// A living program makes contacts.
    Grow(u32, u16, u64),
    /// It ends.
    End(u32, u16),
    Read,
    /// A reading that stops after so many counters, as one that fails.
    ReadPart(usize),
    GiveUp(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_u32..6, 0_u16..12, 0_u64..9).prop_map(|(app, port, count)| Step::Grow(app, port, count)),
        6 => (1_u32..6, 0_u16..12).prop_map(|(app, port)| Step::End(app, port)),
        3 => Just(Step::Read),
        1 => (0_usize..20).prop_map(Step::ReadPart),
        1 => (1_u32..5).prop_map(Step::GiveUp),
    ]
}

/// Contacts and bytes.
fn counted(count: u64) -> Totals {
    Totals {
        connections: count,
        sent: 3 * count,
        ..Totals::default()
    }
}

fn read(rows: &mut Rows, living: &BTreeMap<(u32, u16), u64>, most: usize) {
    rows.begin();
    for ((identity, port), count) in living.iter().take(most) {
        let app = Arc::from(identity.to_string());
        rows.add(&app, place(*identity, *port), &counted(*count));
    }
}

proptest! {
    #[test]
    fn no_counter_falls_and_none_is_lost_whatever_is_folded(
        steps in proptest::collection::vec(step(), 0..200),
        maximum in 0_u32..15,
        bound in 0_usize..40,
    ) {
        let mut rows = Rows::bounded(maximum, bound);
        let (mut living, mut gone) = (BTreeMap::<(u32, u16), u64>::new(), BTreeSet::new());
        let mut all = 0;
        let mut by_app = BTreeMap::<u32, u64>::new();
        let mut series = BTreeMap::<String, (u64, u64)>::new();
        let mut folded = 0;
        for step in steps.into_iter().chain([Step::Read]) {
            match step {
                Step::Grow(identity, port, count) if !gone.contains(&identity) => {
                    *living.entry((identity, port)).or_default() += count;
                    *by_app.entry(identity).or_default() += count;
                    all += count;
                }
                Step::End(identity, port) => if let Some(count) = living.remove(&(identity, port)) {
                    rows.retire(&Arc::from(identity.to_string()), place(identity, port), &counted(count));
                },
                Step::GiveUp(identity) if !living.keys().any(|(living, _)| *living == identity) => {
                    rows.give_up(&HashSet::from([identity]), 9);
                    gone.insert(identity);
                    by_app.remove(&identity);
                }
                Step::ReadPart(most) => read(&mut rows, &living, most),
                Step::Read => {
                    read(&mut rows, &living, usize::MAX);
                    let finished = rows.finish();
                    let mut sums = BTreeMap::<u32, u64>::new();
                    for row in finished.iter().flat_map(|block| block.iter()) {
                        *sums.entry(row.identity).or_default() += row.sums.connections;
                        prop_assert_eq!(row.sums.sent, 3 * row.sums.connections);
                        let now = (row.sums.connections, row.sums.sent);
                        let before = series.insert(format!("{:?}", Place::of(row)), now);
                        prop_assert!(before.is_none_or(|before| before <= now), "{:?} fell", row);
                    }
                    prop_assert_eq!(sums.values().sum::<u64>(), all);
                    for (identity, count) in &by_app {
                        prop_assert_eq!(sums.get(identity).copied().unwrap_or(0), *count);
                    }
                    let others = finished.iter().flat_map(|block| block.iter())
                        .filter(|row| row.destination == Destination::Other).count();
                    prop_assert!(rows.table.len() <= bound + others);
                    prop_assert!(rows.folded() >= folded, "folded fell");
                    folded = rows.folded();
                }
                _ => {}
            }
        }
    }

    #[test]
    fn the_sum_over_all_rows_is_the_sum_of_all_additions(
        entries in proptest::collection::vec((0_u32..5, 0_u16..50, 0_u64..1000, any::<bool>()), 0..300),
        maximum in 0_u32..40,
    ) {
        let mut rows = Rows::new(maximum);
        rows.begin();
        for (identity, port, count, gone) in &entries {
            let app = Arc::from(identity.to_string());
            if *gone {
                rows.retire(&app, place(*identity, *port), &connections(*count));
            }
        }
        rows.begin();
        for (identity, port, count, gone) in &entries {
            let app = Arc::from(identity.to_string());
            if !gone {
                rows.add(&app, place(*identity, *port), &connections(*count));
            }
        }
        let read = rows.finish();
        let sum: u64 = read.iter().flat_map(|block| block.iter()).map(|row| row.sums.connections).sum();
        prop_assert_eq!(sum, entries.iter().map(|entry| entry.2).sum::<u64>());
    }
}
