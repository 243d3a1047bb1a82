//! Where does each table come from: its publisher, a mirror, a folder or a file of the user's?

use std::fmt;
use std::path::{Path, PathBuf};

use super::super::failure::Failure;
use super::super::sets::{self, LICENCE, published_sum};
use crate::enrich::mmdb::Kind;

/// A place that bytes can be had from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address of HTTP or HTTPS.
    Web(String),
    /// A file of this machine.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(address) => formatter.write_str(address),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

/// A table to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which table.
    pub kind: Kind,
    /// Where it is.
    pub table: Place,
    /// Where its sum may be.
    pub sum: Place,
    /// Its licence; `unknown` where the user says where it comes from.
    pub licence: &'static str,
}

impl Origin {
    /// What the file is called where it comes from.
    pub fn name(&self) -> String {
        let place = self.table.to_string();
        place.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

/// Where the tables come from, by what the user said. `only` leaves the other table out.
pub fn origins(from: &[String], only: Option<Kind>) -> Result<Vec<Origin>, Failure> {
    let wanted = |kind: &Kind| only.is_none_or(|only| only == *kind);
    if from.is_empty() {
        let kinds = Kind::ALL.into_iter().filter(wanted);
        return Ok(kinds.map(published).collect());
    }
    let mut origins: Vec<Origin> = Vec::new();
    for place in from {
        for origin in at(place, only)? {
            if origins.iter().any(|other| other.kind == origin.kind) {
                let what = origin.kind.label();
                return Err(
                    Failure::could_not_run(format!("--from names the {what} table twice"))
                        .hint("name a folder, or each table once"),
                );
            }
            origins.push(origin);
        }
    }
    Ok(origins)
}

fn published(kind: Kind) -> Origin {
    Origin {
        kind,
        table: Place::Web(sets::published(kind)),
        sum: Place::Web(published_sum(kind)),
        licence: LICENCE,
    }
}

/// The tables at one place: that of a file, and all that are wanted of a folder.
fn at(place: &str, only: Option<Kind>) -> Result<Vec<Origin>, Failure> {
    let is_web = ["http://", "https://"]
        .iter()
        .any(|scheme| place.starts_with(scheme));
    if !is_web && place.contains("://") {
        return Err(Failure::could_not_run(format!(
            "--from {place}: tables are not fetched that way"
        ))
        .hint("give an address that begins with http:// or https://, a folder or a file"));
    }
    // The lock, which everybody may read, keeps the address.
    let authority = place.split('/').nth(2).unwrap_or_default();
    if is_web && (place.contains(['?', '#']) || authority.contains('@')) {
        return Err(Failure::could_not_run(
            "--from: an address with a password, a token or a question is not kept",
        )
        .hint("fetch it with another program, and give the file with --from"));
    }
    let place_of = |text: &str| {
        if is_web {
            Place::Web(text.to_owned())
        } else {
            Place::File(PathBuf::from(text))
        }
    };
    let one = |kind, table: &str| Origin {
        kind,
        table: place_of(table),
        sum: place_of(&format!("{table}.sha256")),
        licence: "unknown",
    };
    if Path::new(place)
        .extension()
        .is_none_or(|extension| extension != "mmdb")
    {
        let folder = place.trim_end_matches('/');
        let kinds = Kind::ALL.into_iter();
        let kinds = kinds.filter(|kind| only.is_none_or(|only| only == *kind));
        return Ok(kinds
            .map(|kind| one(kind, &format!("{folder}/{}", kind.file_name())))
            .collect());
    }
    let name = place.rsplit('/').next().unwrap_or_default();
    let named = Kind::ALL.into_iter().find(|kind| kind.file_name() == name);
    match (only, named) {
        (Some(kind), _) | (None, Some(kind)) => Ok(vec![one(kind, place)]),
        (None, None) => Err(Failure::could_not_run(format!(
            "--from {place}: its name does not say which table it is"
        ))
        .hint("add --only network or --only country")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &[&str], only: Option<Kind>, expected: &[(&str, &str)]) {
        let from: Vec<String> = from.iter().map(|&place| place.to_owned()).collect();
        let found: Vec<(String, String)> = origins(&from, only)
            .expect("it is clear")
            .iter()
            .map(|origin| (origin.table.to_string(), origin.sum.to_string()))
            .collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_publisher_is_asked_where_nothing_is_said() {
        let at = "https://github.com/sapics/ip-location-db/releases/download";
        check(
            &[],
            Some(Kind::Country),
            &[(
                &format!("{at}/latest/server-country.mmdb"),
                &format!("{at}/checksum/server-country.mmdb.sha256"),
            )],
        );
        let all = origins(&[], None).expect("both");
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|origin| origin.licence == "PDDL-1.0"));
    }

    #[test]
    fn a_folder_has_both_and_a_file_is_one() {
        let both = [
            ("m/origin-asn.mmdb", "m/origin-asn.mmdb.sha256"),
            ("m/server-country.mmdb", "m/server-country.mmdb.sha256"),
        ];
        check(&["m/"], None, &both);
        check(&["m"], Some(Kind::Network), &both[..1]);
        check(&[both[1].0, both[0].0], None, &[both[1], both[0]]);
        let other = [("http://h/@a/b@1/a.mmdb", "http://h/@a/b@1/a.mmdb.sha256")];
        check(&[other[0].0], Some(Kind::Country), &other);
    }

    #[test]
    fn what_is_not_clear_is_asked_back() {
        let check = |from: &[&str]| {
            let from: Vec<String> = from.iter().map(|&place| place.to_owned()).collect();
            assert!(origins(&from, None).is_err(), "{from:?}");
        };
        check(&["GeoLite2-ASN.mmdb"]);
        check(&["one", "two"]);
        check(&["ftp://h/origin-asn.mmdb"]);
        check(&["https://me:secret@h/origin-asn.mmdb"]);
        check(&["https://h/origin-asn.mmdb?token=secret"]);
    }
}
