//! Which packages does an Android device have, and which app ids are theirs?
//!
//! `packages.list` has one package per line. Fields were only ever added at the end: `name uid debuggable dataDir` in
//! Android 4, then `seinfo gids` (5), `profileableFromShell versionCode` (10), `profileable installer` (12).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Ten times what app ids there are for apps.
const CAPACITY: usize = 100_000;

/// As long as Android lets a package name be, with room.
const LONGEST: usize = 255;

/// `uid / USER` is the user, `uid % USER` the app id.
pub use tracer_common::map::ANDROID_USER as USER;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub name: Arc<str>,
    /// The part of its uids that is the same for all users.
    pub app_id: u32,
    /// `versionCode`; empty where the list does not say it.
    pub version: Arc<str>,
}

/// The packages of a device. No two have the same name.
#[derive(Default)]
pub struct Packages {
    list: Vec<Package>,
    by_name: HashMap<Arc<str>, usize>,
    by_app_id: HashMap<u32, Vec<usize>>,
}

impl Packages {
    pub fn parse(file: &[u8]) -> Self {
        let mut packages = Self {
            list: parse(file),
            ..Self::default()
        };
        for (at, package) in packages.list.iter().enumerate() {
            packages.by_name.insert(package.name.clone(), at);
            packages
                .by_app_id
                .entry(package.app_id)
                .or_default()
                .push(at);
        }
        packages
    }

    pub fn named(&self, name: &str) -> Option<&Package> {
        self.by_name.get(name).map(|at| &self.list[*at])
    }

    /// All packages that share an app id.
    pub fn of(&self, app_id: u32) -> impl Iterator<Item = &Package> {
        self.by_app_id
            .get(&app_id)
            .into_iter()
            .flatten()
            .map(|at| &self.list[*at])
    }
}

impl PartialEq for Packages {
    /// In any order.
    fn eq(&self, others: &Self) -> bool {
        let same = |package: &&Package| others.named(&package.name) == Some(package);
        self.list.len() == others.list.len()
            && self.list.iter().filter(same).count() == self.list.len()
    }
}

/// The packages of a list, in its order. What is no package is left out; of two lines with one name the first counts.
pub fn parse(file: &[u8]) -> Vec<Package> {
    let mut names = HashSet::new();
    file.split(|byte| *byte == b'\n')
        .filter_map(package)
        .filter(|package| names.insert(package.name.clone()))
        .take(CAPACITY)
        .collect()
}

fn package(line: &[u8]) -> Option<Package> {
    let mut fields = line.split(|byte| *byte == b' ');
    let name = fields.next().filter(|name| {
        !name.is_empty() && name.len() <= LONGEST && name.iter().all(u8::is_ascii_graphic)
    })?;
    let uid: u32 = number(fields.next()?)?.parse().ok()?;
    // APEX modules and SDK libraries have no uid of their own, which is written as -1.
    if uid == u32::MAX {
        return None;
    }
    let version = fields.nth(5).and_then(number).unwrap_or_default();
    Some(Package {
        name: Arc::from(std::str::from_utf8(name).ok()?),
        app_id: uid % USER,
        version: Arc::from(version),
    })
}

/// A decimal number that 64 bits can hold, as it is written.
fn number(field: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(field).ok()?;
    (text.bytes().all(|letter| letter.is_ascii_digit()) && text.parse::<u64>().is_ok())
        .then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All forms in the order of their age, with what is to be left out between them.
    const SAMPLE: &[u8] = b"com.four 10001 0 /data/data/com.four\n\
        com.five 10002 1 /data/data/com.five default 3003,1028\n\
        com.nine 10003 0 /data/user/0/com.nine default:targetSdkVersion=28 none\n\
        com.ten 10004 0 /data/user/0/com.ten default:targetSdkVersion=29 none 0 500\n\
        com.twelve 10005 0 /data/user/0/com.twelve platform:privapp:targetSdkVersion=31 1065,3003 0 9223372036854775807 1 @system\n\
        com.next 10006 0 /data/user/0/com.next default none 0 7 1 @null something new\n\
        com.android.apex 4294967295 0 /data/user/0/x default none 0 1 1 @system\n\
        com.android.library -1 0 /data/user/0/x default none 0 1 1 @system\n\
        \n\
        garbage\n\
        com.words many 0 /data\n\
        \xff\xfe 10007 0 /data\n\
        com.ten 10008 0 /data/again\n\
        android 1000 0 /data/system platform:privapp none 0 34 1 @system\n\
        com.android.settings 1000 0 /data/user_de/0/com.android.settings platform none 0 34 1 @system\n";

    /// `name app_id version` of each package, separated by `;`.
    fn check(file: &[u8], expected: &str) {
        let found: Vec<String> = parse(file)
            .iter()
            .map(|package| {
                format!("{} {} {}", package.name, package.app_id, package.version)
                    .trim_end()
                    .to_owned()
            })
            .collect();
        assert_eq!(found.join(";"), expected);
    }

    #[test]
    fn every_form_a_list_ever_had_is_read() {
        check(
            SAMPLE,
            "com.four 10001;com.five 10002;com.nine 10003;com.ten 10004 500;com.twelve 10005 9223372036854775807;\
             com.next 10006 7;android 1000 34;com.android.settings 1000 34",
        );
    }

    #[test]
    fn two_fields_are_enough_and_one_is_not() {
        check(b"com.one 10001", "com.one 10001");
        check(b"com.one 1010001", "com.one 10001");
        check(b"com.one", "");
        check(b"com.one ", "");
        check(b" 10001", "");
        check(b"", "");
    }

    #[test]
    fn a_field_that_is_no_number_is_no_version() {
        check(b"com.one 10001 0 /d s none 0 v7", "com.one 10001");
        check(
            b"com.one 10001 0 /d s none 0 99999999999999999999",
            "com.one 10001",
        );
        check(b"com.one 10001 0 /d s none 0  7", "com.one 10001");
    }

    #[test]
    fn no_more_packages_are_kept_than_there_is_room_for() {
        let lines: Vec<String> = (0..CAPACITY + 10)
            .map(|at| format!("com.n{at} 10001"))
            .collect();
        assert_eq!(
            parse(
                lines
                    .join(
                        "
"
                    )
                    .as_bytes()
            )
            .len(),
            CAPACITY
        );
    }

    #[test]
    fn packages_are_found_by_name_and_by_app_id() {
        let packages = Packages::parse(SAMPLE);
        assert_eq!(
            packages.named("com.ten").map(|package| package.app_id),
            Some(10_004)
        );
        assert_eq!(packages.named("garbage"), None);
        let names: Vec<&str> = packages.of(1000).map(|package| &*package.name).collect();
        assert_eq!(names, ["android", "com.android.settings"]);
        assert_eq!(packages.of(4242).count(), 0);
    }

    #[test]
    fn every_prefix_of_a_list_gives_a_prefix_of_its_packages() {
        let all = parse(SAMPLE);
        for end in 0..=SAMPLE.len() {
            let whole_lines = SAMPLE[..end]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let kept = parse(&SAMPLE[..whole_lines]);
            assert_eq!(
                kept,
                all[..kept.len()],
                "whole lines of the first {end} bytes"
            );
            let found = parse(&SAMPLE[..end]);
            assert_eq!(found[..kept.len()], kept, "the first {end} bytes");
            assert!(
                found.len() <= kept.len() + 1,
                "the first {end} bytes gave more than one package for the cut line"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(file in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Packages::parse(&file);
        }

        #[test]
        fn any_bytes_that_look_like_a_list_are_taken(file in "([a-c.]{0,3} [0-9-]{0,11}( [0-9a-z]{0,3}){0,9}\n?){0,9}") {
            for package in parse(file.as_bytes()) {
                prop_assert!(!package.name.is_empty() && package.app_id < USER);
            }
        }
    }
}
