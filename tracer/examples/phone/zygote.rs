//! Where apps come from.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::charges::Charges;
use crate::contact;
use crate::control;
use crate::daemon::{self, Daemon};
use crate::line::{Line, Visit};
use crate::packages::Packages;
use crate::process::{self, CommandLine};
use crate::resolver;

struct Zygote {
    command_line: CommandLine,
    cgroup: Option<PathBuf>,
    packages: Packages,
    charges: Option<Rc<Charges>>,
    /// It stays root, and acts for everybody.
    netd: Daemon,
    /// By uid and name.
    downloaders: HashMap<(u32, String), Daemon>,
    /// Apps that were told late what they are.
    early: Vec<Daemon>,
}

/// Obeys until this process is ended. The answer to a line is how many contacts were made.
pub fn run(
    socket: &Path,
    packages: Packages,
    charges: Option<&Path>,
    cgroup: Option<PathBuf>,
    resolver: bool,
) -> Result<()> {
    let command_line = CommandLine::find()?;
    let be_netd = || {
        name(command_line, "/system/bin/netd")?;
        if resolver { resolver::serve() } else { Ok(()) }
    };
    let mut zygote = Zygote {
        command_line,
        cgroup,
        packages,
        charges: charges.map(Charges::pin).transpose()?.map(Rc::new),
        netd: Daemon::start(be_netd, daemon::resolve)?,
        downloaders: HashMap::new(),
        early: Vec::new(),
    };
    zygote.command_line.overwrite("zygote64")?;
    process::name_thread("main");
    control::obey(socket, |line| zygote.obey(line))
}

impl Zygote {
    fn obey(&mut self, text: &str) -> Result<String> {
        match &Line::parse(text)? {
            Line::Install(name, app_id, version) => {
                self.packages.install(name, *app_id, *version)?;
                Ok(String::new())
            }
            Line::Uninstall(name) => {
                self.packages.uninstall(name)?;
                Ok(String::new())
            }
            Line::Wait(seconds) => {
                std::thread::sleep(Duration::from_secs(*seconds));
                Ok(String::new())
            }
            Line::App(user, name, contacts) => {
                self.app(*user, name, || contact::make_all(contacts, &mut alone))
            }
            Line::Named(user, name, visits) => self.app(*user, name, || visit_all(visits)),
            Line::Early(user, name, _) => self.early(*user, name, text),
            Line::Lookups(..) | Line::Sort(..) => self.netd.tell(text),
            Line::Download(user, name, ..) => self.downloader(*user, name)?.tell(text),
        }
    }

    /// An app that has become what it is before it does anything.
    fn app(
        &self,
        user: u32,
        as_whom: &str,
        work: impl FnOnce() -> Result<u32> + Send,
    ) -> Result<String> {
        let (child, said) = process::in_child(|| {
            self.specialise(user)?;
            name(self.command_line, as_whom)?;
            Ok(process::in_thread("OkHttp Dispatch", work)?.to_string())
        })?;
        self.bury(user, child);
        Ok(said)
    }

    /// One that makes contacts first, and is told its name then. It stays: it takes a while until somebody looks at it.
    fn early(&mut self, user: u32, as_whom: &str, text: &str) -> Result<String> {
        let (command_line, as_whom) = (self.command_line, as_whom.to_owned());
        let become_it = || process::become_user(user);
        let mut app = Daemon::start(become_it, |line| {
            let Line::Early(_, _, contacts) = line else {
                bail!("it does nothing else");
            };
            let made = contact::make_all(contacts, &mut alone)?;
            name(command_line, &as_whom)?;
            Ok(made)
        })?;
        let said = app.tell(text)?;
        self.early.push(app);
        Ok(said)
    }

    /// The one of that name, which is started where there is none yet.
    fn downloader(&mut self, user: u32, as_whom: &str) -> Result<&mut Daemon> {
        let key = (user, as_whom.to_owned());
        if !self.downloaders.contains_key(&key) {
            let charges = self.charges.clone().context("there is no map of charges")?;
            let become_it = || {
                process::become_user(user)?;
                name(self.command_line, as_whom)
            };
            let started = Daemon::start(become_it, |line| daemon::fetch(&charges, line))?;
            self.downloaders.insert(key.clone(), started);
        }
        self.downloaders.get_mut(&key).context("it was started")
    }

    fn specialise(&self, user: u32) -> Result<()> {
        if let Some(root) = &self.cgroup {
            process::enter_group(root, user)?;
        }
        process::become_user(user)
    }

    fn bury(&self, user: u32, child: i32) {
        if let Some(root) = &self.cgroup {
            process::remove_group(root, user, child);
        }
    }
}

fn name(command_line: CommandLine, name: &str) -> Result<()> {
    process::name_thread(name);
    command_line.overwrite(name)
}

/// Each name is asked for, and who has it is contacted.
fn visit_all(visits: &[Visit]) -> Result<u32> {
    let visits = visits.iter().map(|visit| {
        resolver::ask(visit)?;
        contact::make(&visit.contacts, &mut alone)
    });
    visits.sum()
}

/// For sockets that are nobody else's business.
#[expect(clippy::unnecessary_wraps, reason = "others fail")]
fn alone(_: RawFd) -> Result<()> {
    Ok(())
}
