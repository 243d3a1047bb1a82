//! Who talks to whom, how, how often, and how much? All of this is the demo's own: no report tells it of the app.

use std::fs;

/// An app of the fake phone.
pub struct App {
    pub name: &'static str,
    /// Its UID, as Android gives them to apps.
    pub uid: u32,
}

/// The app that all this is about.
pub const DEEPSEEK: App = App {
    name: "com.deepseek.chat",
    uid: 10_321,
};
/// Another one, which has nothing to do with it.
pub const WEATHER: App = App {
    name: "com.example.weather",
    uid: 10_322,
};

/// A real client, which counts what it sends and receives itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Curl,
    OpenSsl,
    /// That of ngtcp2, over QUIC.
    Quic,
}

/// What an app does with a host.
pub struct Visits {
    pub app: &'static App,
    pub host: &'static str,
    pub client: Client,
    /// How often; each time is a contact.
    pub times: u64,
    /// How many bytes a request carries besides what each has. Only curl carries any.
    pub sent: usize,
    /// How large the file is that is asked for.
    pub received: usize,
    /// Whether the host has an address of IPv6, where the machine has IPv6, and none of IPv4.
    pub is_six: bool,
}

const fn visits(
    app: &'static App,
    host: &'static str,
    client: Client,
    times: u64,
    [sent, received]: [usize; 2],
    is_six: bool,
) -> Visits {
    Visits {
        app,
        host,
        client,
        times,
        sent,
        received,
        is_six,
    }
}

/// A host has one kind of address: else a client that is slow asks for the other one too, which is a contact more.
pub const VISITS: &[Visits] = &[
    visits(
        &DEEPSEEK,
        "hif-leim.deepseek.com",
        Client::Curl,
        3,
        [400, 1500],
        false,
    ),
    visits(
        &DEEPSEEK,
        "hif-dliq.deepseek.com",
        Client::Quic,
        2,
        [0, 1500],
        false,
    ),
    visits(
        &WEATHER,
        "api.weather.example",
        Client::Curl,
        2,
        [100, 9000],
        true,
    ),
    visits(
        &DEEPSEEK,
        "gator.volces.com",
        Client::Curl,
        4,
        [6000, 200],
        false,
    ),
    visits(
        &DEEPSEEK,
        "tab.volces.com",
        Client::OpenSsl,
        2,
        [0, 800],
        false,
    ),
    visits(
        &DEEPSEEK,
        "apmplus.volces.com",
        Client::Curl,
        3,
        [3000, 200],
        true,
    ),
    visits(
        &WEATHER,
        "api.weather.example",
        Client::Curl,
        3,
        [100, 4000],
        true,
    ),
    visits(
        &DEEPSEEK,
        "fp-it.fengkongcloud.com",
        Client::Curl,
        2,
        [5000, 600],
        false,
    ),
    visits(
        &DEEPSEEK,
        "fp-it-tracker.fengkongcloud.com",
        Client::OpenSsl,
        1,
        [0, 200],
        false,
    ),
    visits(
        &DEEPSEEK,
        "api-fp-retry-bj.fengkongcloud.com",
        Client::Curl,
        1,
        [2500, 600],
        true,
    ),
];

/// The hosts of the stage, each with its number.
pub fn hosts() -> Vec<(usize, &'static Visits)> {
    let mut hosts: Vec<(usize, &Visits)> = Vec::new();
    for visits in VISITS {
        if hosts.iter().all(|(_, known)| known.host != visits.host) {
            hosts.push((hosts.len() + 1, visits));
        }
    }
    hosts
}

/// The address of a host, of those that are set aside for documentation.
pub fn address(number: usize, visits: &Visits) -> String {
    if visits.is_six && has_six() {
        format!("2001:db8:51::{number}")
    } else {
        format!("198.51.100.{number}")
    }
}

/// Whether this machine's kernel has IPv6.
pub fn has_six() -> bool {
    fs::exists("/proc/net/if_inet6").unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::hosts;

    #[test]
    fn the_app_talks_to_each_host_that_is_reported_for_it_and_to_no_other() {
        let talked = VISITS
            .iter()
            .filter(|visits| visits.app.uid == DEEPSEEK.uid);
        let mut talked: Vec<&str> = talked.map(|visits| visits.host).collect();
        let mut reported: Vec<&str> = hosts::hosts().iter().map(|host| host.name).collect();
        talked.sort_unstable();
        reported.sort_unstable();
        assert_eq!(talked, reported);
    }
}
