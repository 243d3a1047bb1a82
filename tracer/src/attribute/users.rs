//! What is a user called, and where is their home?

use std::{collections::HashMap, sync::Arc};

/// Far more than any `/etc/passwd` holds; the rest go by their numbers.
const CAPACITY: usize = 100_000;

/// How many homes are looked into where a path does not say whose it is.
const HOMES: usize = 64;

/// The users of `/etc/passwd`. Those of other sources (LDAP, systemd's dynamic users) go by their numbers: a static binary
/// has no name service switch.
#[derive(Default)]
pub struct Users {
    by_uid: HashMap<u32, User>,
}

struct User {
    name: Arc<str>,
    home: String,
}

impl Users {
    /// What is no line of `/etc/passwd` is left out. Of two lines with one uid the first counts, as for `getpwuid`.
    pub fn parse(file: &[u8]) -> Self {
        let mut by_uid = HashMap::new();
        for line in file.split(|byte| *byte == b'\n') {
            if by_uid.len() >= CAPACITY {
                break;
            }
            if let Some((uid, user)) = std::str::from_utf8(line).ok().and_then(user) {
                by_uid.entry(uid).or_insert(user);
            }
        }
        Self { by_uid }
    }

    /// The name of a user, else the number.
    pub fn name(&self, uid: u32) -> Arc<str> {
        self.by_uid
            .get(&uid)
            .map_or_else(|| Arc::from(uid.to_string()), |user| user.name.clone())
    }

    /// The homes in which the files of a control group's owner may be: that of the user whose slice it is in, else any.
    pub fn homes(&self, cgroup: &str) -> Vec<&str> {
        if let Some(uid) = slice_user(cgroup) {
            let owner = self.by_uid.get(&uid).into_iter();
            return owner.map(|user| user.home.as_str()).collect();
        }
        let all = self.by_uid.values();
        let mut homes: Vec<&str> = all.map(|user| user.home.as_str()).collect();
        homes.sort_unstable();
        homes.dedup();
        homes.truncate(HOMES);
        homes
    }
}

fn user(line: &str) -> Option<(u32, User)> {
    let mut fields = line.split(':');
    let name = fields
        .next()
        .filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let uid = fields.nth(1)?.parse().ok()?;
    let home = fields.nth(2).unwrap_or_default();
    Some((
        uid,
        User {
            name: Arc::from(name),
            home: home.to_owned(),
        },
    ))
}

/// `/user.slice/user-1000.slice/…` and `…/user@1000.service/…` are of user 1000.
fn slice_user(cgroup: &str) -> Option<u32> {
    cgroup.split('/').find_map(|component| {
        let of_slice = component
            .strip_prefix("user-")
            .and_then(|rest| rest.strip_suffix(".slice"));
        let of_manager = || {
            component
                .strip_prefix("user@")
                .and_then(|rest| rest.strip_suffix(".service"))
        };
        of_slice.or_else(of_manager)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "root:x:0:0:root:/root:/bin/bash\n\
        # a comment:x:5:5::/:/bin/sh\n\
        toor:x:0:0::/elsewhere:/bin/sh\n\
        short:x:7\n\
        garbage\n\
        :x:8:8::/:/bin/sh\n\
        wrong:x:-1:8::/:/bin/sh\n\
        anna:x:1000:1000:Anna:/home/anna:/bin/sh";

    fn check(file: impl AsRef<[u8]>, uid: u32, name: &str) {
        assert_eq!(&*Users::parse(file.as_ref()).name(uid), name);
    }

    fn check_homes(cgroup: &str, expected: &[&str]) {
        assert_eq!(
            Users::parse(FILE.as_bytes()).homes(cgroup),
            expected,
            "{cgroup}"
        );
    }

    #[test]
    fn a_user_has_the_name_of_the_first_line_with_the_uid() {
        check(FILE, 0, "root");
        check(FILE, 7, "short");
        check(FILE, 1000, "anna");
    }

    #[test]
    fn a_user_of_no_line_is_its_number() {
        check(FILE, 5, "5");
        check(FILE, 8, "8");
        check(FILE, u32::MAX, "4294967295");
        check("", 0, "0");
        check(b"\xff\xfe:x:0:0::/:/\nroot:x:0:", 0, "root");
    }

    #[test]
    fn homes_are_those_of_the_slices_user_or_all() {
        check_homes(
            "/user.slice/user-1000.slice/user@1000.service/x.scope",
            &["/home/anna"],
        );
        check_homes("…/user@0.service/x.scope", &["/root"]);
        check_homes("/user.slice/user-4.slice/x.scope", &[]);
        check_homes("/docker", &["", "/home/anna", "/root"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(file in proptest::collection::vec(any::<u8>(), 0..200), cgroup in ".*") {
            let users = Users::parse(&file);
            prop_assert!(!users.name(0).is_empty());
            let _ = users.homes(&cgroup);
        }

        #[test]
        fn a_cut_file_names_as_many_as_it_has_whole_lines(end in 0..FILE.len()) {
            let whole = Users::parse(FILE.as_bytes());
            let whole_lines = FILE[..end].rfind('\n').map_or("", |at| &FILE[..at]);
            for (uid, user) in Users::parse(whole_lines.as_bytes()).by_uid {
                prop_assert_eq!(user.name, whole.name(uid));
            }
        }
    }
}
