//! How does what is missing get onto this machine?

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{self, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::needs::Need;
use crate::step;

/// Packages that bring a service, which would be started with the machine.
const SERVICES: [(&str, &str); 3] = [
    ("prometheus", "prometheus.service"),
    ("unbound", "unbound.service"),
    ("ngtcp2-server", "ngtcp2d.service"),
];

/// Where Debian asks before it starts a service that a package brings.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs all packages at once, then runs the commands in order.
pub fn install(missing: &[Need]) -> Result<()> {
    let all: Vec<&Need> = missing.iter().collect();
    let packages = absent_packages(&all);
    if !packages.is_empty() {
        if !is_debian() || !step::is_root() {
            bail!(
                "not installed: this takes Debian and root\nhint: {}",
                advice(&all)
            );
        }
        if let Err(error) = install_packages(&packages) {
            bail!(
                "{error:#}\nhint: without these packages: {}",
                elsewhere(missing)
            );
        }
    }
    for need in missing {
        if let [program, arguments @ ..] = need.remedy.command.as_slice() {
            eprintln!("setup: {}", need.remedy.command.join(" "));
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::null());
            if let Some(folder) = need.remedy.path.as_deref().filter(|folder| folder.is_dir()) {
                let path = env::var("PATH").unwrap_or_default();
                command.env("PATH", format!("{}:{path}", folder.display()));
            }
            if let Err(error) = step::finish(&mut command) {
                bail!(
                    "install {}: {error:#}\nhint: {}",
                    need.name,
                    need.remedy.elsewhere
                );
            }
        }
    }
    Ok(())
}

/// What to type to get all of this, by hand.
pub fn advice(missing: &[&Need]) -> String {
    let packages = absent_packages(missing);
    let mut commands = Vec::new();
    if is_debian() && !packages.is_empty() {
        let sudo = if step::is_root() { "" } else { "sudo " };
        commands.push(format!(
            "{sudo}apt-get install -y --no-install-recommends {}",
            packages.join(" ")
        ));
    }
    for need in missing {
        let remedy = &need.remedy;
        if !is_debian() {
            commands.push(remedy.elsewhere.clone());
        } else if !remedy.command.is_empty() {
            let path = remedy.path.as_ref().map_or(String::new(), |path| {
                format!("PATH={}:$PATH ", path.display())
            });
            commands.push(format!("{path}{}", remedy.command.join(" ")));
        }
    }
    commands.join(" && ")
}

/// Without those that are in already and only serve a command: then somebody who is not root can go on.
fn absent_packages<'need>(missing: &[&'need Need]) -> Vec<&'need str> {
    let is_absent = |package: &str| {
        // dpkg keeps this file of a package exactly as long as it is installed.
        !Path::new(&format!("/var/lib/dpkg/info/{package}.md5sums")).exists()
    };
    let needed = missing.iter().map(|need| &need.remedy);
    needed
        .flat_map(|remedy| {
            remedy
                .packages
                .iter()
                .map(move |package| (remedy, package.as_str()))
        })
        .filter(|(remedy, package)| remedy.command.is_empty() || is_absent(package))
        .map(|(_, package)| package)
        .collect()
}

fn elsewhere(missing: &[Need]) -> String {
    let ways: Vec<&str> = missing
        .iter()
        .map(|need| need.remedy.elsewhere.as_str())
        .collect();
    ways.join("; ")
}

fn install_packages(packages: &[&str]) -> Result<()> {
    eprintln!(
        "setup: apt-get install {} (a minute or two; services are not started)",
        packages.join(" ")
    );
    let quiet = ServicesStayOff::begin()?;
    // A source that cannot be reached need not be the one that has these packages: the install will tell.
    if let Err(error) = step::finish(apt_get().args(["-qq", "update"])) {
        eprintln!("setup: {error:#}");
    }
    step::finish(
        apt_get()
            .args(["-qq", "install", "-y", "--no-install-recommends"])
            .args(packages),
    )?;
    drop(quiet);
    if !Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    for (package, service) in SERVICES {
        if packages.contains(&package) {
            eprintln!("setup: {service} is disabled, only the programs of {package} are wanted");
            step::finish(Command::new("systemctl").args(["disable", service]))?;
        }
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        // Somebody else's apt-get may be at work, an unattended upgrade for example.
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        // What dpkg does file by file; errors come on stderr.
        .stdout(Stdio::null());
    command
}

fn is_debian() -> bool {
    fs::read_to_string("/etc/os-release")
        .is_ok_and(|text| text.lines().any(|line| line == "ID=debian"))
}

/// While it lives, packages do not start their services. Does nothing where a policy is in force already.
struct ServicesStayOff {
    ours: bool,
}

impl ServicesStayOff {
    fn begin() -> Result<Self> {
        let ours = !Path::new(SERVICE_POLICY).exists();
        if ours {
            // Bound to this process: left behind by a kill, it forbids nothing any more.
            let pid = process::id();
            let policy = format!(
                "#!/bin/sh\n# Left by a killed `cargo xtask setup`: delete it.\n[ ! -d /proc/{pid} ] || exit 101\n"
            );
            fs::write(SERVICE_POLICY, policy).context(SERVICE_POLICY)?;
            fs::set_permissions(SERVICE_POLICY, fs::Permissions::from_mode(0o755))
                .context(SERVICE_POLICY)?;
        }
        Ok(Self { ours })
    }
}

impl Drop for ServicesStayOff {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(SERVICE_POLICY)
        {
            eprintln!("setup: {SERVICE_POLICY} stays behind: {error}\nhint: delete it");
        }
    }
}
