//! Which app is this program, by the rules of this device and what its files say right now?

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    android,
    container_names::ContainerNames,
    history::History,
    holder::SocketUser,
    linux,
    notice::Notice,
    packages::Packages,
    scout::{Patience, Scout},
    users::Users,
    watched::{Watched, since_boot_ns},
};
use crate::model::{Identity, Program, Unattributed};

/// Nanoseconds between two looks at the users: another thread does the looking, which costs as much as ten looks.
const USERS_NS: u64 = 100_000_000;

/// Names programs. It keeps what it read until the file behind it changes.
pub struct Attribution {
    rules: Rules,
}

/// Where the packages of an Android device are listed.
pub enum List {
    /// It is none.
    None,
    /// There, or it cannot go on.
    Given(PathBuf),
    /// It may come: the device is still being unlocked.
    Awaited(PathBuf),
}

/// The two sets of rules never mix: an Android device has neither `/etc/passwd` nor systemd.
enum Rules {
    Linux {
        file: Watched,
        users: Users,
        containers: ContainerNames,
        scout: Scout,
        /// Nanoseconds since boot of the last look at the users.
        looked_ns: Option<u64>,
    },
    Android {
        file: Watched,
        packages: History,
    },
}

impl Attribution {
    /// Android rules where there is a packages list, Linux rules with the files below `root` otherwise.
    pub fn new(root: &Path, packages_list: List) -> anyhow::Result<Self> {
        let rules = match packages_list {
            List::Awaited(path) => Rules::Android {
                file: Watched::optional(path),
                packages: History::default(),
            },
            List::Given(path) => {
                let mut file = Watched::new(path.clone());
                let contents = file.read_if_changed().map_err(|error| {
                    anyhow::anyhow!(
                        "read packages list {}: {error}\nhint: run as root after the device was unlocked, or name a \
                         readable file with --packages-list",
                        path.display()
                    )
                })?;
                let list = Packages::parse(&contents.unwrap_or_default());
                let mut packages = History::default();
                packages.replace(list, 0, true);
                Rules::Android { file, packages }
            }
            List::None => Rules::Linux {
                file: Watched::optional(root.join("etc/passwd")),
                users: Users::default(),
                containers: ContainerNames::new(root),
                scout: Scout::default(),
                looked_ns: None,
            },
        };
        let mut attribution = Self { rules };
        attribution.refresh_at(&mut Patience::at_start(since_boot_ns()));
        Ok(attribution)
    }

    /// Becomes readable when there may be something to [`Self::refresh`] at once; `None` where nothing is in a hurry.
    pub fn notice(&self) -> Option<Notice> {
        match &self.rules {
            Rules::Linux { .. } => None,
            Rules::Android { file, .. } => Notice::of(file.path()),
        }
    }

    /// Reads again what changed. It costs one `stat` where nothing did.
    pub fn refresh(&mut self) {
        self.refresh_at(&mut Patience::at(since_boot_ns()));
    }

    fn refresh_at(&mut self, patience: &mut Patience) {
        match &mut self.rules {
            Rules::Linux {
                file,
                users,
                scout,
                looked_ns,
                ..
            } => {
                let now_ns = patience.now_ns();
                if looked_ns.is_some_and(|looked| now_ns < looked.saturating_add(USERS_NS)) {
                    return;
                }
                *looked_ns = Some(now_ns);
                let question = file.question();
                let seen = scout.look(file.path(), patience, move || Some(question.ask()));
                if let Some(contents) = seen.and_then(|seen| file.learn(seen)) {
                    *users = Users::parse(&contents);
                }
            }
            // Android's list is on the device's own storage, and in a hurry.
            Rules::Android { file, packages } => {
                let is_first = !file.was_read();
                if let Some(contents) = file.changed() {
                    packages.replace(Packages::parse(&contents), file.since_ns(), is_first);
                }
            }
        }
    }

    /// The app of a program that was there at a moment (nanoseconds since boot; `None` is now). It refreshes first, so that a
    /// package installed a moment ago is known.
    pub fn identify(
        &mut self,
        program: &Program,
        moment_ns: Option<u64>,
    ) -> Result<Identity, Unattributed> {
        let mut patience = Patience::at(since_boot_ns());
        self.refresh_at(&mut patience);
        match &mut self.rules {
            Rules::Android { packages, .. } => {
                let list = packages.at(moment_ns, |list| android::is_listed(program, list));
                Ok(android::identify(program, list))
            }
            Rules::Linux {
                users,
                containers,
                scout,
                ..
            } => {
                let found = linux::app(program, |id, path| {
                    containers.name(id, &users.homes(path), scout, &mut patience)
                })?;
                Ok(Identity {
                    app: found.app,
                    user: users.name(program.uid),
                    uid: program.uid,
                    kind: found.kind,
                    version: Arc::from(""),
                })
            }
        }
    }

    /// The app of a program that holds a socket, which on Android it may use for another.
    pub fn identify_holder(
        &mut self,
        mut program: Program,
        socket: &SocketUser,
    ) -> Result<Identity, Unattributed> {
        if matches!(self.rules, Rules::Android { .. }) {
            program.uid = socket.acts_for(program.uid);
        }
        self.identify(&program, None)
    }

    /// Whether the packages of Android have changed since this was asked for last.
    pub fn take_changed(&mut self) -> bool {
        match &mut self.rules {
            Rules::Android { packages, .. } => packages.take_changed(),
            Rules::Linux { .. } => false,
        }
    }

    /// Looks at files that were given up because they took too long; names are short of what they say.
    pub fn late(&self) -> u64 {
        match &self.rules {
            Rules::Linux { scout, .. } => scout.late(),
            Rules::Android { .. } => 0,
        }
    }

    /// How often a file that was readable before could not be read again. The last good contents stay in use; a file
    /// that stays unreadable counts once.
    pub fn reload_failures(&self) -> u64 {
        match &self.rules {
            Rules::Linux { file, .. } | Rules::Android { file, .. } => file.failures(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::attribute::{since_boot_ns, tree::Tree};

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn program(uid: u32, executable: &str, cgroup: &str) -> Program {
        Program {
            uid,
            executable: Some(executable.to_owned()),
            command: Some(executable.to_owned()),
            cgroup: Some(cgroup.to_owned()),
            ..Program::default()
        }
    }

    /// Looks at the users, as after a while.
    fn look_again(attribution: &mut Attribution) {
        let mut patience = Patience::at(since_boot_ns() + USERS_NS);
        attribution.refresh_at(&mut patience);
        if let Rules::Linux { looked_ns, .. } = &mut attribution.rules {
            *looked_ns = None;
        }
    }

    fn open(tree: &Tree, list: Option<PathBuf>) -> Attribution {
        let list = list.map_or(List::None, List::Given);
        Attribution::new(tree.root(), list).expect("the list was written")
    }

    /// `expected` is `app user kind version`, the version left out where it is empty.
    fn check(attribution: &mut Attribution, program: &Program, expected: &str) {
        let found = attribution
            .identify(program, None)
            .expect("the program has a name");
        let kind = found.kind.label();
        let text = format!("{} {} {kind} {}", found.app, found.user, found.version);
        assert_eq!(text.trim_end(), expected, "{program:?}");
        assert_eq!(found.uid, program.uid);
    }

    #[test]
    fn without_a_packages_list_linux_rules_hold() {
        let tree = Tree::new();
        tree.write("etc/passwd", "www:x:33:33::/var/www:/bin/false\n");
        tree.write(
            &format!("var/lib/docker/containers/{ID}/config.v2.json"),
            r#"{"Name":"/web"}"#,
        );
        let mut attribution = open(&tree, None);
        let contained = program(0, "nginx", &format!("/docker/{ID}"));
        check(&mut attribution, &contained, "web 0 container");
        let service = program(33, "nginx", "/system.slice/nginx.service");
        check(&mut attribution, &service, "nginx.service www service");
        check(
            &mut attribution,
            &program(33, "curl", "/"),
            "curl www executable",
        );
        assert_eq!(
            attribution.identify(&Program::default(), None),
            Err(Unattributed::NoName)
        );
        assert_eq!(attribution.reload_failures(), 0);
    }

    #[test]
    fn a_rootless_container_is_named_by_the_files_of_its_user() {
        let tree = Tree::new();
        tree.write("etc/passwd", "anna:x:1000:1000::/home/anna:/bin/sh\n");
        tree.write(
            "home/anna/.local/share/containers/storage/overlay-containers/containers.json",
            format!(r#"[{{"id":"{ID}","names":["blog"]}}]"#),
        );
        let path = format!(
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"
        );
        let mut attribution = open(&tree, None);
        check(
            &mut attribution,
            &program(100_999, "php", &path),
            "blog 100999 container",
        );
        check(
            &mut attribution,
            &program(1000, "php", &path),
            "blog anna container",
        );
    }

    #[test]
    fn a_user_added_while_running_is_known_and_one_file_lost_is_counted_once() {
        let tree = Tree::new();
        let mut attribution = open(&tree, None);
        check(
            &mut attribution,
            &program(7, "curl", "/"),
            "curl 7 executable",
        );
        tree.write("etc/passwd", "new:x:7:7::/:/bin/sh\n");
        look_again(&mut attribution);
        check(
            &mut attribution,
            &program(7, "curl", "/"),
            "curl new executable",
        );
        fs::remove_file(tree.root().join("etc/passwd"))
            .expect("the temporary directory is writable");
        look_again(&mut attribution);
        check(
            &mut attribution,
            &program(7, "curl", "/"),
            "curl new executable",
        );
        check(
            &mut attribution,
            &program(7, "curl", "/"),
            "curl new executable",
        );
        assert_eq!(attribution.reload_failures(), 1);
    }

    #[test]
    fn a_packages_list_replaced_by_rename_while_running_is_noticed() {
        let tree = Tree::new();
        let list = tree.write("packages.list", "com.one 10001 0 /d s none 0 11\n");
        let mut attribution = open(&tree, Some(list.clone()));
        check(
            &mut attribution,
            &program(10_001, "app_process64", "/"),
            "com.one 0 android 11",
        );
        let next = tree.write("packages.list.tmp", "com.two 10001 0 /d s none 0 22\n");
        fs::rename(next, &list).expect("the temporary directory is writable");
        check(
            &mut attribution,
            &program(10_001, "app_process64", "/"),
            "com.two 0 android 22",
        );
        fs::remove_file(list).expect("the temporary directory is writable");
        check(
            &mut attribution,
            &program(10_001, "app_process64", "/"),
            "com.two 0 android 22",
        );
        assert_eq!(attribution.reload_failures(), 1);
    }

    #[test]
    fn a_list_that_is_awaited_is_read_when_it_comes() {
        let tree = Tree::new();
        let path = tree.root().join("packages.list");
        let mut attribution =
            Attribution::new(tree.root(), List::Awaited(path)).expect("it need not be there");
        let program = program(10_001, "app_process64", "/");
        check(&mut attribution, &program, "uid:10001 0 android");
        tree.write("packages.list", "com.one 10001 0 /d s none 0 11\n");
        check(&mut attribution, &program, "com.one 0 android 11");
        assert_eq!(attribution.reload_failures(), 0);
    }

    #[test]
    fn a_program_is_named_by_the_list_of_its_time() {
        let tree = Tree::new();
        let list = tree.write("packages.list", "com.one 10001 0 /d s none 0 11\n");
        let mut attribution = open(&tree, Some(list.clone()));
        let next = tree.write("packages.list.tmp", "com.two 10001 0 /d s none 0 22\n");
        let before = since_boot_ns();
        // The clock of files is coarse: a tick of the kernel.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::rename(next, &list).expect("the temporary directory is writable");
        let program = program(10_001, "app_process64", "/");
        let mut name = |moment| {
            let found = attribution.identify(&program, moment);
            found.expect("Android always has a name").app.to_string()
        };
        assert_eq!(name(None), "com.two");
        assert_eq!(name(Some(before)), "com.one");
        assert_eq!(name(Some(since_boot_ns() + 20_000_000)), "com.two");
    }

    #[test]
    fn a_socket_is_of_whom_it_is_used_for_on_android_alone() {
        let tree = Tree::new();
        let list = tree.write("packages.list", "com.one 10001\n");
        let socket = SocketUser {
            user: 10_001,
            charged: Some(10_001),
        };
        for (list, app) in [(Some(list), "com.one"), (None, "netd")] {
            let mut attribution = open(&tree, list);
            let found = attribution.identify_holder(program(0, "netd", "/"), &socket);
            assert_eq!(&*found.expect("it has a name").app, app);
        }
    }

    #[test]
    fn with_a_packages_list_android_rules_hold_for_every_program() {
        let tree = Tree::new();
        let list = tree.write("packages.list", "com.one 10001\n");
        let mut attribution = open(&tree, Some(list));
        let service = program(0, "netd", "/system.slice/nginx.service");
        check(&mut attribution, &service, "root 0 android");
    }

    #[test]
    fn a_packages_list_that_cannot_be_read_is_an_error_that_names_it_and_gives_a_hint() {
        let tree = Tree::new();
        let missing = tree.root().join("packages.list");
        let error = Attribution::new(tree.root(), List::Given(missing.clone()))
            .err()
            .expect("the list is missing")
            .to_string();
        assert!(
            error.contains(&missing.display().to_string()),
            "the error does not name the file: {error}"
        );
        assert!(
            error.contains("\nhint: "),
            "the error gives no hint: {error}"
        );
    }
}
