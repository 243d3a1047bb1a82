//! Which programs are there inside, beside the tests?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::archive::Archive;
use super::guest;
use crate::architecture::Architecture;
use crate::cache::{self, Cache};
use crate::packages::Packages;

/// Programs that the tests call and that busybox has not, or has with fewer options.
const PROGRAMS: &[&str] = &[
    "bin/ip",
    "bin/ss",
    "sbin/tc",
    "usr/sbin/nft",
    "bin/bash",
    "usr/bin/setpriv",
    "usr/bin/unshare",
];

/// Their packages, and those of the libraries they need. Only what is needed gets into the archive.
const PACKAGES: &[&str] = &[
    "busybox-static",
    "iproute2",
    "nftables",
    "bash",
    "util-linux",
    "libc6",
    "libbpf1",
    "libbsd0",
    "libcap2",
    "libcap-ng0",
    "libcom-err2",
    "libdb5.3",
    "libedit2",
    "libelf1",
    "libgmp10",
    "libgssapi-krb5-2",
    "libjansson4",
    "libk5crypto3",
    "libkeyutils1",
    "libkrb5-3",
    "libkrb5support0",
    "libmd0",
    "libmnl0",
    "libnftables1",
    "libnftnl11",
    "libpcre2-8-0",
    "libselinux1",
    "libssl3",
    "libtinfo6",
    "libtirpc3",
    "libxtables12",
    "zlib1g",
];

/// What the programs, and the tracer, expect to find.
const FILES: &[(&str, &str)] = &[
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("/etc/hostname", "tracer-vm\n"),
];

/// The shell of busybox takes its own programs for those that are on the PATH; and tests copy bash, as they find it on every
/// Debian.
const LINKS: &[(&str, &str)] = &[
    ("/bin/sh", "/usr/local/bin/bash"),
    ("/bin/bash", "/usr/local/bin/bash"),
];

/// The archive of them.
pub fn archive(cache: &Cache, packages: &Packages, architecture: Architecture) -> Result<PathBuf> {
    let key = cache::key(&(PROGRAMS, PACKAGES, FILES, LINKS, guest::INIT));
    let name = format!("rootfs-{}-{key}", architecture.debian());
    let folder = cache.folder(&name, |folder| {
        let unpacked = folder.join("unpacked");
        packages.unpack(PACKAGES, architecture, &unpacked)?;
        pack(&unpacked, architecture, &folder.join("rootfs.cpio"))?;
        std::fs::remove_dir_all(&unpacked).context("remove the unpacked programs")
    })?;
    Ok(folder.join("rootfs.cpio"))
}

fn pack(unpacked: &Path, architecture: Architecture, archive: &Path) -> Result<()> {
    let mut archive = Archive::create(archive)?;
    for folder in [
        "/dev", "/proc", "/sys", "/tmp", "/run", "/root", "/bin", "/var",
    ] {
        archive.directory(folder)?;
    }
    archive.link("/var/run", "/run")?;
    for (path, destination) in LINKS {
        archive.link(path, destination)?;
    }
    archive.file("/init", guest::INIT.as_bytes())?;
    for (path, contents) in FILES {
        archive.file(path, contents.as_bytes())?;
    }
    archive.copy("/bin/busybox", &unpacked.join("bin/busybox"))?;
    let mut libraries = BTreeSet::new();
    for program in PROGRAMS {
        let source = unpacked.join(program);
        let name = source.file_name().and_then(|name| name.to_str());
        // Not to /bin: there busybox puts its own, and these come first on the PATH.
        let name = name.with_context(|| format!("{program} is no file name"))?;
        archive.copy(&format!("/usr/local/bin/{name}"), &source)?;
        collect(&source, unpacked, architecture, &mut libraries)?;
    }
    for library in &libraries {
        let path = format!("/lib/{}/{library}", architecture.libraries());
        let source = find(library, unpacked, architecture)?;
        if architecture.loader().ends_with(library.as_str()) {
            archive.copy(architecture.loader(), &source)?;
        }
        archive.copy(&path, &source)?;
    }
    archive.finish()
}

/// Adds what a program or a library needs, and what that needs in turn.
fn collect(
    file: &Path,
    unpacked: &Path,
    architecture: Architecture,
    libraries: &mut BTreeSet<String>,
) -> Result<()> {
    for library in needed(file)? {
        if libraries.insert(library.clone()) {
            collect(
                &find(&library, unpacked, architecture)?,
                unpacked,
                architecture,
                libraries,
            )?;
        }
    }
    // Every program needs it, and not every one lists it.
    libraries.extend(architecture.loader().rsplit('/').next().map(str::to_owned));
    Ok(())
}

fn find(library: &str, unpacked: &Path, architecture: Architecture) -> Result<PathBuf> {
    ["lib", "usr/lib"]
        .iter()
        .map(|folder| unpacked.join(folder).join(architecture.libraries()).join(library))
        .find(|path| path.exists())
        .with_context(|| format!("{library} is in none of the packages\nhint: add its package to the list in xtask/src/vm/rootfs.rs"))
}

/// The libraries that an ELF file lists, of whatever architecture.
fn needed(file: &Path) -> Result<Vec<String>> {
    let output = Command::new("readelf")
        .args(["--dynamic", "--wide"])
        .arg(file)
        .env("LC_ALL", "C")
        .output()
        .context("start readelf")?;
    if !output.status.success() {
        bail!("readelf {}: {}", file.display(), output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| Some(line.rsplit_once('[')?.1.trim_end_matches(']').to_owned()))
        .collect())
}
