//! A day in the life of a phone: what its apps do, and what the tracer must therefore say.
//!
//! Thirty apps of three users, a thousand destinations, and everything by which Android makes it hard to say whose a contact
//! is. Nothing is left to chance, so that two days are alike.

use std::collections::BTreeMap;

use super::actors::{Actor, actors};
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
/// Nobody answers there.
const CLOSED: u16 = 9;

/// Which series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub app: String,
    pub user: u32,
    pub destination: String,
    pub protocol: &'static str,
}

/// And what is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub contacts: u64,
    pub sent: u64,
    pub received: u64,
}

impl Counts {
    /// So many contacts, with so many bytes over each.
    fn of(times: u32, sent: u32, received: u32) -> Self {
        Self {
            contacts: times.into(),
            sent: (times * sent).into(),
            received: (times * received).into(),
        }
    }
}

/// Lines for the zygote, and what they come to.
pub struct Day {
    times: u32,
    pub morning: Vec<String>,
    pub evening: Vec<String>,
    pub truth: BTreeMap<Row, Counts>,
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
            truth: BTreeMap::new(),
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

    /// How many contacts the day has.
    pub fn total(&self) -> u64 {
        self.truth.values().map(|counts| counts.contacts).sum()
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
            self.add(
                app,
                user,
                &address,
                "tcp",
                Counts::of(self.times, sent, received),
            );
        }
        let closed = address(range.start % 900);
        words.push(format!("refused {closed}:{CLOSED} 1 0 0"));
        self.add(app, user, &closed, "tcp", Counts::of(1, 0, 0));
        let server = UDP[1 + actor.id as usize % (UDP.len() - 1)];
        words.push(format!("udp {server} 2 120 1200"));
        self.add(app, user, host(server), "udp", Counts::of(2, 120, 1200));
        words.join(" ")
    }

    /// Contacts that others make for an app, or that an app makes before it has its name.
    fn oddities(&mut self) {
        self.morning
            .push("early 10060 com.share.a1 tcp 198.18.0.1:443 3 20 30".to_owned());
        self.add(
            "com.share.a1",
            0,
            "198.18.0.1",
            "tcp",
            Counts::of(3, 20, 30),
        );
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
                self.add(app, user, host(NAME_SERVER), "udp", Counts::of(4, 40, 120));
            }
        }
        self.morning
            .push(format!("sort 198.19.0.99:53 5 {}", uids.join(" ")));
        self.morning.push(
            "download 10050 android.process.media 10102 tcp 198.18.0.2:443 5 60 20000".to_owned(),
        );
        self.add(
            "com.example.app02",
            0,
            "198.18.0.2",
            "tcp",
            Counts::of(5, 60, 20_000),
        );
    }

    /// What the system does for the uid that has two owners that day, through the same processes.
    fn for_the_seventh(&mut self, app: &str) -> [String; 2] {
        let id = 10_100 + LEAVES;
        self.add(app, 0, host(NAME_SERVER), "udp", Counts::of(4, 40, 120));
        self.add(app, 0, "198.18.0.3", "tcp", Counts::of(3, 60, 9000));
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

    fn add(
        &mut self,
        app: &str,
        user: u32,
        destination: &str,
        protocol: &'static str,
        more: Counts,
    ) {
        let row = Row {
            app: app.to_owned(),
            user,
            destination: destination.to_owned(),
            protocol,
        };
        let counts = self.truth.entry(row).or_default();
        counts.contacts += more.contacts;
        counts.sent += more.sent;
        counts.received += more.received;
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

/// Without the port.
fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_day_is_as_long_as_it_is_to_be() {
        let day = Day::new(TIMES);
        assert_eq!(day.total(), 20_604);
        let places: BTreeSet<_> = day.truth.keys().map(|row| &row.destination).collect();
        assert_eq!(places.len(), 1000 + UDP.len());
        let apps: BTreeSet<_> = day.truth.keys().map(|row| &row.app).collect();
        assert_eq!(apps.len(), 30);
        let users: BTreeSet<_> = day.truth.keys().map(|row| row.user).collect();
        assert_eq!(users, BTreeSet::from(USERS));
    }

    #[test]
    fn who_leaves_does_nothing_in_the_evening_and_who_comes_nothing_before() {
        let day = Day::new(TIMES);
        let of = |app: &str| -> u64 {
            let rows = day.truth.iter().filter(|(row, _)| row.app == app);
            rows.map(|(_, counts)| counts.contacts).sum()
        };
        assert_eq!(of(LEFT), of(COMES));
        assert!(
            day.evening
                .iter()
                .all(|line| !line.contains(&format!("app 10107 {LEFT}")))
        );
        assert!(day.morning.iter().all(|line| !line.contains(COMES)));
    }
}
