//! How is the kernel side built, and with which of this machine's Rust toolchains?
//!
//! Only std: `tracer/build.rs` includes this very file, so that the build and `cargo xtask setup` cannot disagree.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian's packaged Rust keeps the `core` that is already built for BPF.
const PREBUILT_CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none";

const TARGET: &str = "bpfel-unknown-none";

/// A Rust toolchain that can build for BPF.
pub struct Toolchain {
    pub cargo: PathBuf,
    pub rustc: PathBuf,
    /// The major version of its LLVM: bpf-linker reads the bitcode it writes, so it must not be older.
    pub llvm: u32,
    /// Whether `core` is there already; otherwise it is built from `rust-src`, which takes nightly.
    pub core_is_prebuilt: bool,
}

/// Builds the package `tracer-ebpf` of `workspace` for programs that run on `arch`, and says where the object lies.
pub fn build(workspace: &Path, target_dir: &Path, arch: &str) -> Result<PathBuf, String> {
    let toolchain = toolchain()?;
    linker(toolchain.llvm)?;
    // One folder for each architecture: the object has the same name in all of them.
    let target_dir = target_dir.join(arch);
    // aya-ebpf knows the variants of riscv64 under one name.
    let arch = if arch.starts_with("riscv64") {
        "riscv64"
    } else {
        arch
    };

    let mut cargo = clean_command(&toolchain.cargo);
    cargo
        .current_dir(workspace)
        // The lock file is shared with the outer cargo, which has just brought it up to date: never write it here.
        .args([
            "build",
            "--locked",
            "--release",
            "--package",
            "tracer-ebpf",
            "--bin",
            "tracer-ebpf",
        ])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .env("RUSTC", &toolchain.rustc)
        .env(
            "RUSTFLAGS",
            format!("--cfg bpf_target_arch=\"{arch}\" -C debuginfo=2 -C link-arg=--btf"),
        )
        // The workspace strips its release binary; here the names and the BTF are what the loader reads.
        .env("CARGO_PROFILE_RELEASE_STRIP", "false")
        // A build script's stdout is read by cargo, line by line.
        .stdout(Stdio::null());
    if toolchain.core_is_prebuilt {
        // Both use what is not stable yet (asm_experimental_arch, core_intrinsics); no other crate may.
        cargo.env("RUSTC_BOOTSTRAP", "aya_ebpf,tracer_ebpf");
    } else {
        cargo.args(["-Z", "build-std=core"]);
    }
    let status = cargo
        .status()
        .map_err(|error| with_hint(&format!("run {}: {error}", toolchain.cargo.display())))?;
    if !status.success() {
        return Err(with_hint(&format!(
            "{} could not build tracer-ebpf ({status})",
            toolchain.cargo.display()
        )));
    }
    let object = target_dir.join(TARGET).join("release/tracer-ebpf");
    Ok(without_debug_information(&object, toolchain.llvm).unwrap_or(object))
}

/// A copy without DWARF, which the linker needs to write the BTF and the loader does not read: four fifths of the object.
/// `None` where LLVM's tools are not installed; the object serves as it is.
fn without_debug_information(object: &Path, llvm: u32) -> Option<PathBuf> {
    let versioned = PathBuf::from(format!("/usr/lib/llvm-{llvm}/bin/llvm-objcopy"));
    let tool = Some(versioned)
        .filter(|path| path.is_file())
        .or_else(|| find_program("llvm-objcopy"))?;
    let copy = object.with_extension("o");
    let status = clean_command(tool)
        .arg("--strip-debug")
        .args([object, &copy])
        .stdout(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success()).then_some(copy)
}

/// The toolchain to use: the first one that bpf-linker fits, else the first one.
pub fn toolchain() -> Result<Toolchain, String> {
    let mut found: Vec<Toolchain> = [debian(), nightly()].into_iter().flatten().collect();
    if found.is_empty() {
        return Err(with_hint(
            "no Rust here builds for BPF: neither Debian's packaged Rust with its BPF core, nor a nightly with rust-src",
        ));
    }
    let fits = found
        .iter()
        .position(|toolchain| linker(toolchain.llvm).is_ok());
    Ok(found.swap_remove(fits.unwrap_or(0)))
}

/// The bpf-linker that can read the bitcode of this LLVM.
pub fn linker(llvm: u32) -> Result<PathBuf, String> {
    let path =
        find_program("bpf-linker").ok_or_else(|| with_hint("bpf-linker is not installed"))?;
    let mut start = Vec::new();
    File::open(&path)
        // The names of the libraries lie at the start of a program; a released bpf-linker is 100 MB long.
        .and_then(|file| file.take(1 << 20).read_to_end(&mut start))
        .map_err(|error| format!("read {}: {error}", path.display()))?;
    match llvm_of_linker(&start) {
        Some(own) if own < llvm => Err(with_hint(&format!(
            "{} is built for LLVM {own}, this Rust has LLVM {llvm}",
            path.display()
        ))),
        _ => Ok(path),
    }
}

/// Looks for a program where cargo installs, on the PATH, and where root's programs lie.
pub fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(&search_path())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// A command that knows nothing of the cargo, and of the rustup toolchain, that started this process.
pub fn clean_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_outer_build) {
            command.env_remove(name);
        }
    }
    command.env("PATH", search_path());
    command
}

/// Debian's packages: rustc-web, cargo-web and libstd-rust-web-dev-bpf.
fn debian() -> Option<Toolchain> {
    let (cargo, rustc) = (
        PathBuf::from("/usr/bin/cargo"),
        PathBuf::from("/usr/bin/rustc"),
    );
    if !Path::new(PREBUILT_CORE).is_dir() || !cargo.is_file() {
        return None;
    }
    let llvm = llvm_of_rustc(&rustc)?;
    Some(Toolchain {
        cargo,
        rustc,
        llvm,
        core_is_prebuilt: true,
    })
}

/// rustup's nightly with rust-src. The plain `nightly` sorts behind the dated ones, and is preferred.
fn nightly() -> Option<Toolchain> {
    let rustup = env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".rustup")))?;
    let folder = fs::read_dir(rustup.join("toolchains"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"nightly"))
        })
        .filter(|path| path.join("lib/rustlib/src/rust/library/core").is_dir())
        .max()?;
    let (cargo, rustc) = (folder.join("bin/cargo"), folder.join("bin/rustc"));
    let llvm = llvm_of_rustc(&rustc)?;
    Some(Toolchain {
        cargo,
        rustc,
        llvm,
        core_is_prebuilt: false,
    })
}

fn llvm_of_rustc(rustc: &Path) -> Option<u32> {
    let output = clean_command(rustc).arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

/// The LLVM a bpf-linker loads (`libLLVM.so.22.1`, `libLLVM-22.so`); none when it is linked in, as in the released one.
fn llvm_of_linker(program: &[u8]) -> Option<u32> {
    program
        .windows(7)
        .enumerate()
        .filter(|(_, window)| window == b"libLLVM")
        .find_map(|(at, _)| {
            let rest = &program[at + 7..];
            let rest = rest
                .strip_prefix(b".so.")
                .or_else(|| rest.strip_prefix(b"-"))?;
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
        })
}

/// Whether a variable describes the build we are in. Where crates come from, and proxies, stay as they are.
fn is_of_outer_build(name: &str) -> bool {
    let kept = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_SOURCE_",
    ];
    // LD_LIBRARY_PATH: cargo points it at the libraries of its own toolchain, which are not those of this one.
    let dropped = [
        "CARGO",
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "MAKEFLAGS",
        "MFLAGS",
        "LD_LIBRARY_PATH",
    ];
    dropped.iter().any(|start| name.starts_with(start))
        && !kept.iter().any(|start| name.starts_with(start))
}

fn search_path() -> OsString {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = cargo_home
        .map(|home| home.join("bin"))
        .into_iter()
        .chain(env::split_paths(&path))
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    // A folder with a colon in its name cannot be on a PATH; then the PATH as it was is the best there is.
    env::join_paths(folders).unwrap_or(path)
}

fn with_hint(what: &str) -> String {
    format!("{what}\nhint: run cargo xtask setup")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_llvm_of_a_linker_is_read_from_the_library_it_loads() {
        let check = |program: &[u8], expected| assert_eq!(llvm_of_linker(program), expected);
        check(b"\x7fELF..libLLVM.so.22.1\0libc.so.6", Some(22));
        check(b"libLLVM-21.so.1", Some(21));
        check(b"libLLVMCore.a, then libLLVM.so.23", Some(23));
        check(b"linked in", None);
        check(b"libLLVM", None);
    }

    #[test]
    fn the_outer_build_is_forgotten_and_the_registry_is_not() {
        for dropped in [
            "CARGO",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTUP_TOOLCHAIN",
            "MAKEFLAGS",
        ] {
            assert!(
                is_of_outer_build(dropped),
                "{dropped} must not reach the inner cargo"
            );
        }
        for kept in [
            "CARGO_HOME",
            "CARGO_REGISTRIES_CRATES_IO_PROTOCOL",
            "HTTPS_PROXY",
            "CARGO_NET_OFFLINE",
            "RUSTUP_HOME",
        ] {
            assert!(
                !is_of_outer_build(kept),
                "{kept} must reach the inner cargo"
            );
        }
    }
}
