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
mod tests;
