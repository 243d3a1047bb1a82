//! A place for a new app where there is none left.

use std::collections::HashSet;

use super::programs::Programs;
use crate::ledger::{BypassesByApp, DurationsByApp, Identities, LookupsByApp, Rows};

/// How many apps give up their places at once: their rows are found by a look at all rows, some milliseconds.
const TOGETHER: usize = 256;

/// Adds the apps that have been silent longest, and of which no program lives, to the app `~other`. Returns who
/// gave up its place: nobody where all live.
pub(super) fn make(
    programs: &Programs,
    identities: &mut Identities,
    rows: &mut Rows,
    durations: &mut DurationsByApp,
    (lookups, bypasses): (&mut LookupsByApp, &mut BypassesByApp),
) -> HashSet<u32> {
    let living: HashSet<u32> = programs.identities().collect();
    let mut silent: Vec<(u64, u32)> = identities
        .numbers()
        .filter(|number| !living.contains(number))
        .map(|number| (rows.silent_since(number), number))
        .collect();
    silent.sort_unstable();
    let leaving: HashSet<u32> = silent
        .into_iter()
        .take(TOGETHER)
        .map(|(_, number)| number)
        .collect();
    if leaving.is_empty() {
        return leaving;
    }
    let heir = identities.other();
    rows.give_up(&leaving, heir);
    durations.give_up(&leaving, heir);
    lookups.give_up(&leaving, heir);
    bypasses.give_up(&leaving, heir);
    identities.give_up(&leaving);
    leaving
}

#[cfg(test)]
mod tests {
    use tracer_common::outcome::REASONS;

    use super::*;
    use crate::{
        ledger::Place,
        model::{Country, Destination, Direction, Identity, Kind, Protocol, Totals},
        pipeline::programs::{Known, NAMELESS},
    };

    fn identity(number: u32) -> Identity {
        Identity {
            app: number.to_string().into(),
            user: "root".into(),
            uid: 0,
            kind: Kind::Executable,
            version: "".into(),
        }
    }

    fn contact(rows: &mut Rows, identities: &Identities, number: u32) {
        let place = Place {
            identity: number,
            destination: Destination::Unknown,
            company: "",
            country: Country::default(),
            direction: Direction::Out,
            protocol: Protocol::Raw,
        };
        let totals = Totals {
            connections: 1,
            failed: [0; REASONS],
            ..Totals::default()
        };
        rows.retire(identities.app(number), place, &totals);
    }

    #[test]
    fn the_apps_that_have_been_silent_longest_make_room_but_not_one_of_which_a_program_lives() {
        let mut programs = Programs::default();
        let (mut identities, mut rows) = (Identities::default(), Rows::new(10));
        let mut durations = DurationsByApp::default();
        let mut apps = 0;
        while !identities.is_full_for(&identity(apps)) {
            let number = identities.number(&identity(apps));
            contact(&mut rows, &identities, number);
            apps += 1;
        }
        let first = identities.number(&identity(0));
        let second = identities.number(&identity(1));
        contact(&mut rows, &identities, second);
        programs.insert(
            7,
            Known {
                identity: first,
                unattributed: None,
                ..NAMELESS
            },
        );
        let gone = make(
            &programs,
            &mut identities,
            &mut rows,
            &mut durations,
            (&mut LookupsByApp::new(1), &mut BypassesByApp::default()),
        );
        assert_eq!(gone.len(), TOGETHER);
        let kept = [0, 1, TOGETHER as u32 + 2];
        for app in kept {
            let number = identities.number(&identity(app));
            assert_eq!(**identities.app(number), *app.to_string());
        }
        let newcomer = identities.number(&identity(apps));
        assert_eq!(**identities.app(newcomer), *apps.to_string());
        let gone = identities.number(&identity(2));
        assert_eq!(&**identities.app(gone), "~other");
        rows.begin();
        let read = rows.finish();
        let all = read.iter().flat_map(|block| block.iter());
        assert_eq!(
            all.map(|row| row.sums.connections).sum::<u64>(),
            u64::from(apps) + 1
        );
    }
}
