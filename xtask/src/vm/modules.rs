//! Which parts of a kernel are loaded before the tests, and from where?

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::archive::Archive;
use super::kernels::{Kernel, Package};
use crate::cache::{self, Cache};
use crate::packages::Packages;

/// What the tests, and the programs they call, would have a full system load by itself. What a kernel has built in, or
/// has not at all, is no module of its package and is left out.
const WANTED: &[&str] = &[
    // The way out of the machine for what the tests say.
    "virtio_pci",
    "virtio_console",
    // The cable of a phone (`cargo xtask phone`).
    "virtio_net",
    "veth",
    "dummy",
    "macvlan",
    "tun",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
    "raw_diag",
    // sctp asks for the checksum by name, which no dependency tells.
    "crc32c_generic",
    "sctp",
    "sctp_diag",
    "mptcp_diag",
    "sch_tbf",
    "sch_netem",
    "nf_tables",
    "nft_reject_inet",
    "nft_reject_ipv4",
    "nft_reject_ipv6",
    "nft_ct",
    "nft_chain_nat",
    "nft_masq",
    "nft_nat",
    "nfnetlink_queue",
    "nft_queue",
    "nft_tproxy",
    "vxlan",
    "vrf",
    // IPsec, and what it encrypts with, which it asks for by name.
    "xfrm_user",
    "esp4",
    "esp6",
    "seqiv",
    "echainiv",
    "gcm",
    "ghash_generic",
    "ctr",
    "aes_generic",
    "drbg",
    "hmac",
    "sha512_generic",
    "sha256_generic",
    "ip_tables",
];

/// Where the modules lie inside, and the list of them in the order in which they can be loaded.
pub const FOLDER: &str = "/vm/modules";

/// A kernel that is ready to be started.
pub struct Image {
    pub kernel: PathBuf,
    /// The archive of its modules.
    pub modules: PathBuf,
}

/// Takes the kernel and what is needed of its modules from its Debian packages.
pub fn image(cache: &Cache, kernel: &Kernel) -> Result<Image> {
    let key = cache::key(&(kernel.suite, kernel.package, WANTED));
    // Kernels that differ in how they are started only share one folder.
    let name = format!("kernel-{}-{key}", kernel.package.end().trim_matches('-'));
    let folder = cache.folder(&name, |folder| {
        let packages = Packages::of(cache, kernel.suite);
        let unpacked = folder.join("unpacked");
        let (release, image, modules) = unpack(&packages, kernel, &unpacked)?;
        let image = unpacked.join(image);
        fs::rename(&image, folder.join("vmlinuz"))
            .with_context(|| format!("take {} from the package", image.display()))?;
        pack(&unpacked.join(modules), &folder.join("modules.cpio"))?;
        fs::write(folder.join("release"), release).context("write the release")?;
        fs::remove_dir_all(&unpacked).context("remove the unpacked kernel")
    })?;
    Ok(Image {
        kernel: folder.join("vmlinuz"),
        modules: folder.join("modules.cpio"),
    })
}

/// Unpacks the newest; says its release, and where in the folder its image and its modules are.
fn unpack(
    packages: &Packages,
    kernel: &Kernel,
    folder: &Path,
) -> Result<(String, String, &'static str)> {
    let unpack =
        |starts: &[&str], end| packages.unpack_newest(starts, end, kernel.architecture, folder);
    match kernel.package {
        Package::Whole { start, end } => {
            let release = format!("{start}{}{end}", unpack(&[start], end)?);
            let release = release
                .trim_start_matches("linux-image-")
                .trim_end_matches("-unsigned");
            let image = format!("boot/vmlinuz-{release}");
            Ok((release.to_owned(), image, "lib/modules"))
        }
        Package::Split { end } => {
            let version = unpack(&["linux-binary-", "linux-modules-"], end)?;
            let release = format!("{version}{end}");
            let image = format!("usr/lib/modules/{release}/vmlinuz");
            Ok((release, image, "usr/lib/modules"))
        }
    }
}

fn pack(modules: &Path, archive: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    find(modules, &mut files)?;
    let mut archive = Archive::create(archive)?;
    let mut order = Vec::new();
    for name in WANTED {
        add(name, &files, &mut archive, &mut order)?;
    }
    archive.file(&format!("{FOLDER}/order"), order.join("\n").as_bytes())?;
    archive.finish()
}

/// Adds a module behind those that it depends on.
fn add(
    name: &str,
    files: &BTreeMap<String, PathBuf>,
    archive: &mut Archive,
    order: &mut Vec<String>,
) -> Result<()> {
    let Some(path) = files.get(name) else {
        return Ok(());
    };
    if order.iter().any(|there| there == name) {
        return Ok(());
    }
    let contents = read(path)?;
    for dependency in dependencies(&contents) {
        add(&dependency, files, archive, order)?;
    }
    archive.file(&format!("{FOLDER}/{name}.ko"), &contents)?;
    order.push(name.to_owned());
    Ok(())
}

/// Module files by the name of the module, which has no hyphens.
fn find(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry.context("list the modules")?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if let Some((name, "ko" | "ko.xz")) = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.split_once('.'))
        {
            files.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

/// The module itself: busybox can load no compressed one.
fn read(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(path).with_context(|| format!("read {}", path.display()));
    }
    let output = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(path)
        .output()
        .context("start xz")?;
    if !output.status.success() {
        bail!("xz {}: {}", path.display(), output.status);
    }
    Ok(output.stdout)
}

/// A module carries this list itself: the packages have no `modules.dep`, which depmod makes after an installation.
fn dependencies(module: &[u8]) -> Vec<String> {
    const MARK: &[u8] = b"\0depends=";
    let Some(at) = module.windows(MARK.len()).position(|window| window == MARK) else {
        return Vec::new();
    };
    let list = &module[at + MARK.len()..];
    let end = list.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&list[..end])
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_depends_on() {
        let check = |module: &[u8], expected: &[&str]| assert_eq!(dependencies(module), expected);
        check(
            b"ELF\0license=GPL\0depends=udp_tunnel,ip6-udp\0name=sctp\0",
            &["udp_tunnel", "ip6_udp"],
        );
        check(b"ELF\0depends=\0name=veth\0", &[]);
        check(b"ELF\0name=veth\0", &[]);
        check(b"ELF\0depends=cut", &[]);
    }
}
