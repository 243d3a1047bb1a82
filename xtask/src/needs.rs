//! What does this machine need before tracer can be built, tested and benchmarked, and what is there?

use std::env;
use std::path::PathBuf;

use crate::{cases, ebpf};

/// The LLVM of Debian's packaged Rust: what to install while there is no Rust to ask.
const LLVM: u32 = 22;

/// The last bpf-linker seen to work with these LLVMs.
const LINKER_VERSION: &str = "0.13.0";

/// What the machine is wanted for. Each purpose includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Build,
    /// Binaries for arm64.
    Cross,
    /// Tests on other kernels, in emulated machines.
    Vm,
    Test,
    Bench,
}

/// One thing that must be there.
pub struct Need {
    pub purpose: Purpose,
    pub name: &'static str,
    pub found: Option<PathBuf>,
    pub remedy: Remedy,
}

/// How it gets here.
pub struct Remedy {
    /// Debian packages: all that is needed, or what `command` needs in turn.
    pub packages: Vec<String>,
    /// Started after the packages are in; the first word is the program.
    pub command: Vec<String>,
    /// Put in front of the PATH of `command`.
    pub path: Option<PathBuf>,
    /// What to type where there are no such packages.
    pub elsewhere: String,
}

/// Everything `purpose` needs, in the order in which it is to be installed.
pub fn needs(purpose: Purpose) -> Vec<Need> {
    let mut needs = vec![
        toolchain(),
        linker(),
        arm_linker(),
        program("qemu-system-x86_64", "qemu-system-x86"),
        program("qemu-system-aarch64", "qemu-system-arm"),
        program("readelf", "binutils"),
        program("xz", "xz-utils"),
        component("rustfmt", "cargo-fmt"),
        component("clippy", "cargo-clippy"),
        program("git", "git"),
        program("ip", "iproute2"),
        program("nft", "nftables"),
        program("iptables", "iptables"),
        program("promtool", "prometheus"),
        program("bpftool", "bpftool"),
        program("curl", "curl"),
        // What `tracer names` is compared with.
        program("tshark", "tshark"),
        adb(),
        // The shells and tools of Android, in which the module's scripts are tested.
        program("busybox", "busybox-static"),
        program("mksh", "mksh"),
        program("toybox", "toybox"),
        // The servers and the clients of the world in which names are tried.
        program("python3", "python3"),
        program("openssl", "openssl"),
        program("unbound", "unbound"),
        program("kdig", "knot-dnsutils"),
        program("gnutls-cli", "gnutls-bin"),
        program("wget", "wget"),
        program("gtlsserver", "ngtcp2-server"),
        program("gtlsclient", "ngtcp2-client"),
        // Programs with a C library of their own.
        program("musl-gcc", "musl-tools"),
        narrow_compiler(),
        program("chromium-headless-shell", "chromium-headless-shell"),
        deny(),
        program("tcplife", "libbpf-tools"),
    ];
    if cases::runner().is_some() {
        needs.push(program("gcc", "gcc"));
    }
    needs.retain(|need| need.purpose <= purpose);
    needs
}

fn toolchain() -> Need {
    Need {
        purpose: Purpose::Build,
        name: "Rust for BPF",
        found: ebpf::toolchain().ok().map(|toolchain| toolchain.rustc),
        remedy: Remedy {
            packages: words("rustc-web cargo-web libstd-rust-web-dev-bpf"),
            command: Vec::new(),
            path: None,
            elsewhere: "rustup toolchain install nightly --profile minimal --component rust-src"
                .to_owned(),
        },
    }
}

fn linker() -> Need {
    let llvm = ebpf::toolchain().map_or(LLVM, |toolchain| toolchain.llvm);
    let install = format!(
        "cargo install bpf-linker --version {LINKER_VERSION} --locked --no-default-features --features llvm-{llvm}"
    );
    Need {
        purpose: Purpose::Build,
        name: "bpf-linker",
        found: ebpf::linker(llvm).ok(),
        remedy: Remedy {
            // g++ for libstdc++, which LLVM is written against.
            packages: words(&format!("llvm-{llvm}-dev g++")),
            command: words(&install),
            path: Some(PathBuf::from(format!("/usr/lib/llvm-{llvm}/bin"))),
            elsewhere: format!(
                "{install} (with LLVM {llvm} on the PATH; or take the released binary from \
                 https://github.com/aya-rs/bpf-linker/releases)"
            ),
        },
    }
}

/// What talks to phones. It is all that a phone needs whose binary is there.
pub fn adb() -> Need {
    program("adb", "adb")
}

/// What the demo is built with, and its servers and clients.
pub fn demo() -> Vec<Need> {
    let mut needs = needs(Purpose::Build);
    needs.extend([
        program("ip", "iproute2"),
        program("curl", "curl"),
        program("openssl", "openssl"),
        program("unbound", "unbound"),
        program("gtlsserver", "ngtcp2-server"),
        program("gtlsclient", "ngtcp2-client"),
    ]);
    needs
}

/// What is built for arm64 is linked with this, and against the C library beside it.
fn arm_linker() -> Need {
    let mut need = program("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu");
    need.remedy.packages = words("gcc-aarch64-linux-gnu libc6-dev-arm64-cross");
    need
}

/// What builds a program with pointers of 32 bits, and its C library. Not `gcc-multilib`, which drives the compiler for arm64 out.
fn narrow_compiler() -> Need {
    let mut need = program("i686-linux-gnu-gcc", "gcc-i686-linux-gnu");
    need.remedy.packages = words("gcc-i686-linux-gnu libc6-dev-i386-cross");
    need
}

fn deny() -> Need {
    let install = "cargo install --locked cargo-deny";
    Need {
        purpose: Purpose::Test,
        name: "cargo-deny",
        found: ebpf::find_program("cargo-deny"),
        remedy: Remedy {
            packages: Vec::new(),
            command: words(install),
            path: None,
            elsewhere: install.to_owned(),
        },
    }
}

/// A part of the Rust that runs us. rustup leaves a proxy in its place when it is missing, so look beside cargo itself.
fn component(name: &'static str, program: &str) -> Need {
    let found = match env::var_os("CARGO") {
        Some(cargo) => {
            Some(PathBuf::from(cargo).with_file_name(program)).filter(|path| path.is_file())
        }
        None => ebpf::find_program(program),
    };
    let install = format!("rustup component add {name}");
    Need {
        purpose: Purpose::Test,
        name,
        found,
        remedy: Remedy {
            packages: Vec::new(),
            command: words(&install),
            path: None,
            elsewhere: install,
        },
    }
}

fn program(name: &'static str, package: &str) -> Need {
    Need {
        purpose: match name {
            "aarch64-linux-gnu-gcc" => Purpose::Cross,
            "qemu-system-x86_64" | "qemu-system-aarch64" | "readelf" | "xz" => Purpose::Vm,
            "tcplife" => Purpose::Bench,
            _ => Purpose::Test,
        },
        name,
        found: ebpf::find_program(name),
        remedy: Remedy {
            packages: words(package),
            command: Vec::new(),
            path: None,
            elsewhere: format!(
                "install {name} with this system's package manager (Debian: the package {package})"
            ),
        },
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
