//! A day in the life of a phone: what its apps do, and what the tracer must therefore say.
//!
//! Thirty apps of three users, a thousand destinations, and everything by which Android makes it hard to say whose a contact
//! is. Nothing is left to chance, so that two days are alike.

use super::actors::{Actor, actors};
use super::contact::{Contact, Tally};
use super::inside::{NAME_SERVER, TCP_PORTS, UDP};

/// Android's own number, and two more: somebody else's, and a work profile.
const USERS: [u32; 3] = [0, 10, 11];
/// `uid / USER` is the user.
const USER: u32 = 100_000;
const DESTINATIONS: u32 = 1000;
/// Destinations of one app of one user.
const EACH: u32 = 11;
/// How often it contacts each, before noon and after, on a whole day.
pub const TIMES: u32 = 10;
/// Lines that are done at a time of a day on which each is contacted once; of a longer day it is fewer.
const LINES: u32 = 39 * TIMES;
/// Nobody answers there.
const CLOSED: u16 = 9;

/// Lines for the zygote, and what they come to.
pub struct Day {
    times: u32,
    pub morning: Vec<String>,
    pub evening: Vec<String>,
    pub truth: Tally,
}

/// The seventh leaves at noon, and somebody else gets its uid.
const LEAVES: u32 = 7;
const LEFT: &str = "com.example.app07";
const COMES: &str = "com.new.app07";

impl Day {
    /// A day on which an app contacts each destination so often in either half.
    pub fn new(times: u32) -> Self {
        let mut day = Self {
            times,
            morning: Vec::new(),
            evening: Vec::new(),
            truth: Tally::new(),
        };
        for number in 1..=19 {
            day.morning.push(format!(
                "install com.example.app{number:02} {} 1",
                10_100 + number
            ));
        }
        for (name, id) in [
            ("a1", 10_060),
            ("a2", 10_060),
            ("b1", 10_061),
            ("b2", 10_061),
        ] {
            day.morning.push(format!("install com.share.{name} {id} 1"));
        }
        let actors = actors();
        let mut next = 0;
        let mut plans = Vec::new();
        for user in USERS {
            for actor in &actors {
                plans.push((user, actor, next..next + EACH));
                next += EACH;
            }
        }
        // What is left goes to the first.
        if let Some((_, _, range)) = plans.first().cloned() {
            let rest = next..DESTINATIONS;
            plans.push((
                USERS[0],
                &actors[0],
                if rest.is_empty() { range } else { rest },
            ));
        }
        for (user, actor, range) in &plans {
            let line = day.contacts(*user, actor, &actor.process, &actor.app, range.clone());
            day.morning.push(line);
        }
        day.oddities();
        let before = day.for_the_seventh(LEFT);
        day.morning.extend(before);
        day.noon();
        for (user, actor, range) in &plans {
            let leaves = actor.id == 10_100 + LEAVES;
            let (process, app) = if leaves {
                (COMES, COMES)
            } else {
                (&*actor.process, &*actor.app)
            };
            let line = day.contacts(*user, actor, process, app, range.clone());
            day.evening.push(line);
        }
        let after = day.for_the_seventh(COMES);
        day.evening.extend(after);
        day
    }

    /// As many lines at a time that the tracer still has all contacts when it is asked for them between one time and the next,
    /// other than at noon: each of them twice, as who makes it and as who accepts it.
    pub fn at_a_time(&self) -> usize {
        (LINES / self.times).max(1) as usize
    }

    /// How many contacts the day has.
    pub fn total(&self) -> u64 {
        self.truth.values().sum()
    }

    /// What one app of one user does in half a day: TCP in both ways, once a closed port, once UDP.
    fn contacts(
        &mut self,
        user: u32,
        actor: &Actor,
        process: &str,
        app: &str,
        range: std::ops::Range<u32>,
    ) -> String {
        let mut words = vec![format!("app {} {process}", user * USER + actor.id)];
        for place in range.clone() {
            let address = address(place);
            let port = TCP_PORTS[place as usize % TCP_PORTS.len()];
            let to = if address.contains(':') {
                format!("[{address}]:{port}")
            } else {
                format!("{address}:{port}")
            };
            let kind = if place % 3 == 0 { "native" } else { "tcp" };
            let (sent, received) = (8 + place * 7 % 500, place * 13 % 2000);
            words.push(format!("{kind} {to} {} {sent} {received}", self.times));
            self.add(app, user, &to, ("tcp", self.times, sent, received));
        }
        let closed = format!("{}:{CLOSED}", address(range.start % 900));
        words.push(format!("refused {closed} 1 0 0"));
        self.add(app, user, &closed, ("refused", 1, 0, 0));
        let server = UDP[1 + actor.id as usize % (UDP.len() - 1)];
        words.push(format!("udp {server} 2 120 1200"));
        self.add(app, user, server, ("udp", 2, 120, 1200));
        words.join(" ")
    }

    /// Contacts that others make for an app, or that an app makes before it has its name.
    fn oddities(&mut self) {
        self.morning
            .push("early 10060 com.share.a1 tcp 198.18.0.1:443 3 20 30".to_owned());
        self.add("com.share.a1", 0, "198.18.0.1:443", ("tcp", 3, 20, 30));
        let asking = [
            (10_101, "com.example.app01"),
            (10_102, "com.example.app02"),
            (10_060, "shared:a60"),
        ];
        let uids: Vec<String> = USERS
            .iter()
            .flat_map(|user| {
                asking
                    .iter()
                    .map(move |(id, _)| (user * USER + id).to_string())
            })
            .collect();
        self.morning
            .push(format!("lookups {NAME_SERVER} 4 {}", uids.join(" ")));
        for user in USERS {
            for (_, app) in asking {
                self.add(app, user, NAME_SERVER, ("udp", 4, 40, 120));
            }
        }
        self.morning
            .push(format!("sort 198.19.0.99:53 5 {}", uids.join(" ")));
        self.morning.push(
            "download 10050 android.process.media 10102 tcp 198.18.0.2:443 5 60 20000".to_owned(),
        );
        let fetched = ("tcp", 5, 60, 20_000);
        self.add("com.example.app02", 0, "198.18.0.2:443", fetched);
    }

    /// What the system does for the uid that has two owners that day, through the same processes.
    fn for_the_seventh(&mut self, app: &str) -> [String; 2] {
        let id = 10_100 + LEAVES;
        self.add(app, 0, NAME_SERVER, ("udp", 4, 40, 120));
        self.add(app, 0, "198.18.0.3:443", ("tcp", 3, 60, 9000));
        [
            format!("lookups {NAME_SERVER} 4 {id}"),
            format!("download 10050 android.process.media {id} tcp 198.18.0.3:443 3 60 9000"),
        ]
    }

    /// An app goes, its uid is given to another one, and a third is updated.
    fn noon(&mut self) {
        self.evening.push(format!("uninstall {LEFT}"));
        self.evening
            .push(format!("install {COMES} {} 1", 10_100 + LEAVES));
        self.evening
            .push("install com.example.app08 10108 2".to_owned());
    }

    /// So many contacts with somebody, and so many bytes over each: of a kind as the lines have it, where only Java and native
    /// code differ.
    fn add(&mut self, app: &str, user: u32, to: &str, made: (&str, u32, u32, u32)) {
        let (kind, times, sent, received) = made;
        let (protocol, outcome) = match kind {
            "refused" => ("tcp", "failed: refused"),
            kind => (kind, "closed"),
        };
        let (destination, port) = to.rsplit_once(':').unwrap_or((to, ""));
        let contact = Contact {
            app: app.to_owned(),
            user: user.to_string(),
            direction: "out".to_owned(),
            protocol: protocol.to_owned(),
            destination: destination.trim_matches(['[', ']']).to_owned(),
            port: port.to_owned(),
            outcome: outcome.to_owned(),
            sent: Some(sent.into()),
            received: Some(received.into()),
        };
        *self.truth.entry(contact).or_default() += u64::from(times);
    }
}

/// Most have an address of IPv4 (RFC 2544), the last hundred one of IPv6 (RFC 3849).
fn address(place: u32) -> String {
    if place < 900 {
        format!("198.18.{}.{}", place / 250, place % 250 + 1)
    } else {
        format!("2001:db8::{place:x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_day_is_as_long_as_it_is_to_be() {
        let day = Day::new(TIMES);
        assert_eq!(day.total(), 20_604);
        let places: BTreeSet<_> = day
            .truth
            .keys()
            .map(|contact| &contact.destination)
            .collect();
        assert_eq!(places.len(), 1000 + UDP.len());
        let apps: BTreeSet<_> = day.truth.keys().map(|contact| &contact.app).collect();
        assert_eq!(apps.len(), 30);
        let users: BTreeSet<_> = day
            .truth
            .keys()
            .map(|contact| contact.user.clone())
            .collect();
        assert_eq!(users, USERS.map(|user| user.to_string()).into());
    }

    #[test]
    fn who_leaves_does_nothing_in_the_evening_and_who_comes_nothing_before() {
        let day = Day::new(TIMES);
        let of = |app: &str| -> u64 {
            let rows = day.truth.iter().filter(|(contact, _)| contact.app == app);
            rows.map(|(_, count)| count).sum()
        };
        assert_eq!(of(LEFT), of(COMES));
        assert!(
            day.evening
                .iter()
                .all(|line| !line.contains(&format!("app 10107 {LEFT}")))
        );
        assert!(day.morning.iter().all(|line| !line.contains(COMES)));
    }

    /// What the lines have the phone do, and what the truth is, are written down apart.
    #[test]
    fn the_lines_come_to_as_many_contacts_and_at_no_time_to_more_than_are_kept() {
        for (times, total, most) in [(1, 2_604, 2_604), (TIMES, 20_604, 4_407)] {
            let day = Day::new(times);
            let at_a_time = |lines: &[String]| -> Vec<u64> {
                lines
                    .chunks(day.at_a_time())
                    .map(|lines| lines.iter().map(|line| contacts_of(line)).sum())
                    .collect()
            };
            let mut counts = at_a_time(&day.morning);
            let mut evening = at_a_time(&day.evening).into_iter();
            if let (Some(before), Some(after)) = (counts.last_mut(), evening.next()) {
                *before += after;
            }
            counts.extend(evening);
            assert_eq!(counts.iter().sum::<u64>(), total);
            assert_eq!(day.total(), total);
            assert_eq!(counts.into_iter().max(), Some(most));
        }
    }

    /// How often each of a line is contacted, for each that is named.
    fn contacts_of(line: &str) -> u64 {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().expect("a number");
        if let ["lookups", _, times, users @ ..] = &words[..] {
            return number(times) * users.len() as u64;
        }
        let kinds = ["tcp", "native", "refused", "udp"];
        let contacts = words.windows(3).filter(|words| kinds.contains(&words[0]));
        contacts.map(|words| number(words[2])).sum()
    }
}
