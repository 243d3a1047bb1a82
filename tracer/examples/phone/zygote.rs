//! Where apps come from.

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::charges::Charges;
use crate::contact;
use crate::control;
use crate::line::{Contacts, Line};
use crate::packages::Packages;
use crate::process::{self, CommandLine};

struct Zygote {
    command_line: CommandLine,
    cgroup: Option<PathBuf>,
    packages: Packages,
    charges: Option<Charges>,
}

/// Obeys until this process is ended. The answer to a line is how many contacts were made.
pub fn run(
    socket: &Path,
    packages: Packages,
    charges: Option<&Path>,
    cgroup: Option<PathBuf>,
) -> Result<()> {
    let mut zygote = Zygote {
        command_line: CommandLine::find()?,
        cgroup,
        packages,
        charges: charges.map(Charges::pin).transpose()?,
    };
    zygote.command_line.overwrite("zygote64")?;
    process::name_thread("main");
    control::obey(socket, |line| zygote.obey(&Line::parse(line)?))
}

impl Zygote {
    fn obey(&mut self, line: &Line) -> Result<String> {
        match line {
            Line::Install(name, app_id, version) => {
                self.packages.install(name, *app_id, *version)?;
                Ok(String::new())
            }
            Line::Uninstall(name) => {
                self.packages.uninstall(name)?;
                Ok(String::new())
            }
            Line::App(user, name, contacts) => self.app(*user, name, || make(contacts, &mut alone)),
            Line::Early(user, name, contacts) => self.early(*user, name, contacts),
            Line::Lookups(to, times, users) => self.netd(|| {
                let mut count = 0;
                for user in users {
                    let contacts = Contacts {
                        kind: crate::line::Kind::Udp,
                        to: *to,
                        times: *times,
                        sent: 40,
                        received: 120,
                    };
                    count +=
                        contact::make(&contacts, &mut |socket| Ok(contact::give(socket, *user)?))?;
                }
                Ok(count)
            }),
            Line::Sort(to, times, users) => self.netd(|| {
                for user in users {
                    for _ in 0..*times {
                        contact::sort(*to, &mut |socket| Ok(contact::give(socket, *user)?))?;
                    }
                }
                Ok(0)
            }),
            Line::Download(user, name, charged, contacts) => {
                let charges = self
                    .charges
                    .as_ref()
                    .context("there is no map of charges")?;
                self.app(*user, name, || {
                    let mut last = None;
                    let mut charge = |socket: RawFd| {
                        let cookie = contact::cookie(socket)?;
                        // As netd's own hook does when a socket is released.
                        if let Some(before) = last.replace(cookie) {
                            charges.forget(before)?;
                        }
                        charges.charge(cookie, *charged)
                    };
                    make(contacts, &mut charge)
                })
            }
        }
    }

    /// An app that has become what it is before it does anything.
    fn app(
        &self,
        user: u32,
        name: &str,
        work: impl FnOnce() -> Result<u32> + Send,
    ) -> Result<String> {
        let (child, said) = process::in_child(|| {
            self.specialise(user)?;
            self.name(name)?;
            Ok(process::in_thread("OkHttp Dispatch", work)?.to_string())
        })?;
        self.bury(user, child);
        Ok(said)
    }

    /// One that makes contacts first, and is told its name then.
    fn early(&self, user: u32, name: &str, contacts: &[Contacts]) -> Result<String> {
        let (child, said) = process::in_child(|| {
            self.specialise(user)?;
            let made = make(contacts, &mut alone)?;
            self.name(name)?;
            // Until it has been looked at.
            std::thread::sleep(std::time::Duration::from_secs(3));
            Ok(made.to_string())
        })?;
        self.bury(user, child);
        Ok(said)
    }

    /// A daemon that stays root.
    fn netd(&self, work: impl FnOnce() -> Result<u32> + Send) -> Result<String> {
        let (_, said) = process::in_child(|| {
            self.name("/system/bin/netd")?;
            Ok(process::in_thread("DnsTlsSocket", work)?.to_string())
        })?;
        Ok(said)
    }

    fn specialise(&self, user: u32) -> Result<()> {
        if let Some(root) = &self.cgroup {
            process::enter_group(root, user)?;
        }
        process::become_user(user)
    }

    fn name(&self, name: &str) -> Result<()> {
        process::name_thread(name);
        self.command_line.overwrite(name)
    }

    fn bury(&self, user: u32, child: i32) {
        if let Some(root) = &self.cgroup {
            process::remove_group(root, user, child);
        }
    }
}

/// For sockets that are nobody else's business.
#[expect(clippy::unnecessary_wraps, reason = "others fail")]
fn alone(_: RawFd) -> Result<()> {
    Ok(())
}

fn make(list: &[Contacts], each: &mut impl FnMut(RawFd) -> Result<()>) -> Result<u32> {
    list.iter()
        .map(|contacts| contact::make(contacts, each))
        .sum()
}
