//! The programs of a phone that is none: scripts, and of this machine's programs only what every Android has.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::{find, program};

/// All of toybox and the shell that our scripts may use.
const TOYBOX: &[&str] = &[
    "cat", "chmod", "date", "mkdir", "mv", "rm", "setsid", "sh", "sleep", "tail", "tr", "wc",
];

/// What tells one phone from another.
#[derive(Clone, Copy)]
pub struct Traits {
    /// adbd's name of what the build allows.
    pub profile: &'static str,
    pub su: Su,
    pub kernel: &'static str,
    pub abi: &'static str,
    /// Whether what adbd has started dies with it, as init sees to. It takes root, and control groups, to play that.
    pub has_init: bool,
}

#[derive(Clone, Copy)]
pub enum Su {
    None,
    /// `su -c COMMAND`.
    Magisk,
    /// `su 0 PROGRAM…`; it takes `-c` for somebody's name.
    Android,
}

/// A phone as it is sold, with Magisk.
pub const PHONE: Traits = Traits {
    profile: "user",
    su: Su::Magisk,
    kernel: "5.10.177-android13-4",
    abi: "arm64-v8a",
    has_init: false,
};

pub fn install(folder: &Path, traits: Traits) {
    for name in TOYBOX {
        let program = find::program(name).unwrap_or_else(|| panic!("this machine has no {name}"));
        symlink(program, folder.join(name)).expect("link a program");
    }
    let Traits { kernel, abi, .. } = traits;
    script(
        folder,
        "uname",
        &format!("case $1 in -m) echo aarch64;; -r) echo {kernel};; esac"),
    );
    script(
        folder,
        "getprop",
        &format!(
            "case $1 in
            ro.product.model) echo 'Pixel 6';;
            ro.build.version.release) echo 13;;
            ro.product.cpu.abi) echo {abi};;
            esac"
        ),
    );
    // Nobody becomes root here; su leaves a word that this understands.
    let id = find::program("id").expect("this machine has no id");
    script(
        folder,
        "id",
        &format!(
            "[ -z \"$FAKE_ROOT\" ] || {{ echo 0; exit; }}\nexec {} \"$@\"",
            id.display()
        ),
    );
    match traits.su {
        Su::None => {}
        Su::Magisk => script(
            folder,
            "su",
            "[ \"$1\" = -c ] || exit 1\nFAKE_ROOT=1 exec sh -c \"$2\"",
        ),
        Su::Android => script(
            folder,
            "su",
            "[ \"$1\" = 0 ] || { echo \"su: invalid uid/gid '$1'\" >&2; exit 1; }\nshift\nFAKE_ROOT=1 exec \"$@\"",
        ),
    }
}

pub fn script(folder: &Path, name: &str, text: &str) {
    program::write(&folder.join(name), &format!("#!/bin/sh\n{text}\n"));
}
