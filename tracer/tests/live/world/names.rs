//! Which names and addresses has an app of the world? Each has its own, so that no other app's lookups speak of them.

use std::fmt::Write as _;

/// Those of one app.
pub struct Names {
    app: &'static str,
    number: u8,
}

impl Names {
    /// Those of the app with this number, from 1 on.
    pub fn new(app: &'static str, number: usize) -> Self {
        let number = u8::try_from(number).expect("an app for each address of a network");
        Self { app, number }
    }

    /// Puts names and addresses into a text:
    ///
    /// | | |
    /// |---|---|
    /// | `{name}` | `APP.example` |
    /// | `{a}`, `{b}` | its address, over IPv4 and IPv6 |
    /// | `{c}` | a second one, where the same servers are |
    /// | `{private}` | one of a private network |
    /// | `{lost}`, `{lost6}` | where nothing answers |
    /// | `{shut}` | where a router says that there is no way |
    /// | `{n}` | the number |
    pub fn fill(&self, text: &str) -> String {
        let number = self.number;
        let pairs = [
            ("{name}", format!("{}.example", self.app)),
            ("{a}", format!("203.0.113.{number}")),
            ("{b}", format!("2001:db8:51::{number}")),
            ("{c}", format!("198.18.0.{number}")),
            ("{private}", format!("10.66.0.{number}")),
            ("{lost}", format!("198.51.100.{number}")),
            ("{lost6}", format!("2001:db8:dead::{number}")),
            ("{shut}", format!("198.19.0.{number}")),
            ("{n}", number.to_string()),
        ];
        pairs
            .iter()
            .fold(text.to_owned(), |text, (placeholder, value)| {
                text.replace(placeholder, value)
            })
    }

    /// Its records in the zone `example`.
    pub fn zone(&self) -> String {
        let mut zone = self.fill(
            "{name}. A {a}\n{name}. AAAA {b}\n\
             second.{name}. A {a}\nsecond.{name}. AAAA {b}\n\
             four.{name}. A {a}\nsix.{name}. AAAA {b}\nother.{name}. A {c}\n\
             brief.{name}. 1 A {a}\n\
             alias.{name}. CNAME {name}.\nalias.alias.{name}. CNAME alias.{name}.\n\
             xn--bcher-kva.{name}. A {a}\n\
             private.{name}. A {private}\n\
             happy.{name}. A {a}\nhappy.{name}. AAAA {lost6}\n\
             lost.{name}. A {lost}\nshut.{name}. A {shut}\n\
             several.{name}. A {a}\nseveral.{name}. A {c}\n\
             zero.{name}. A 0.0.0.0\nlocal.{name}. A 127.0.0.1\n\
             service.{name}. HTTPS 1 . alpn=h2 ipv4hint={a}\n\
             large.{name}. A {a}\n",
        );
        // More than fits into a datagram.
        for other in 1..40 {
            let _ = writeln!(
                zone,
                "{}",
                self.fill(&format!("large.{{name}}. A 198.18.{other}.{{n}}"))
            );
        }
        zone
    }

    /// Its line in `/etc/hosts`.
    pub fn hosts(&self) -> String {
        self.fill("{a} listed.{name}\n{private} private-listed.{name}\n")
    }
}
