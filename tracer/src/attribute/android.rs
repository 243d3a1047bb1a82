//! Which app is a program, by the rules of Android?
//!
//! The uid decides: apps are forked from a zygote and never executed, so executable and control group say nothing. It is
//! also why a process that is not yet an app (`zygote64`, `usap64`, `<pre-initialized>`) goes by its uid, that of root.

use std::sync::Arc;

use tracer_common::map::ANDROID_FIRST_APP;

use super::{
    aid,
    packages::{Package, Packages, USER},
};
use crate::model::{Identity, Kind, Program};

/// The first app id of an app, and how many there are. The ranges are of `android_filesystem_config.h` (AOSP).
const APPS: u32 = ANDROID_FIRST_APP;
/// The SDK sandbox of an app has the app's id plus this.
const SANDBOX: u32 = 10_000;
/// The first of the isolated processes that no app zygote made.
const ISOLATED: u32 = 99_000;

/// The identity of a program. Its uid is the app's, so that the sandbox and the isolated processes of an app are the app.
pub fn identify(program: &Program, packages: &Packages) -> Identity {
    let process = program.command.as_deref().unwrap_or_default();
    let app = if program.kernel_thread {
        App::of("kernel", 0)
    } else {
        app(app_id(program.uid), process, packages)
    };
    let user = if program.kernel_thread {
        0
    } else {
        program.uid / USER
    };
    Identity {
        app: app.name,
        user: Arc::from(user.to_string()),
        uid: user * USER + app.id,
        kind: Kind::Android,
        version: app.version,
    }
}

/// The part of a uid that the packages list has: that of the app, for the app's sandbox too.
fn app_id(uid: u32) -> u32 {
    match uid % USER {
        sandbox @ 20_000..=29_999 => sandbox - SANDBOX,
        id => id,
    }
}

/// Whether the uid of a program is one of the list.
pub fn is_listed(program: &Program, packages: &Packages) -> bool {
    packages.of(app_id(program.uid)).next().is_some()
}

/// Whether a process is one that a zygote keeps ready, which gets its name when it becomes an app's.
pub fn is_unspecialised(process: &str) -> bool {
    matches!(
        process,
        "zygote" | "zygote32" | "zygote64" | "usap32" | "usap64" | "<pre-initialized>"
    )
}

struct App {
    name: Arc<str>,
    id: u32,
    version: Arc<str>,
}

impl App {
    fn of(name: &str, id: u32) -> Self {
        Self {
            name: Arc::from(name),
            id,
            version: Arc::from(""),
        }
    }

    fn package(package: &Package) -> Self {
        Self {
            name: package.name.clone(),
            id: package.app_id,
            version: package.version.clone(),
        }
    }
}

fn app(id: u32, process: &str, packages: &Packages) -> App {
    match id {
        0..APPS => of_system(id, process, packages),
        10_000..=19_999 => of_app(id, process, packages),
        // 90000 up are children of an app's own zygote. An isolated process has no uid that tells its app; its name may.
        90_000..USER => named(process, |name| packages.named(name))
            .map_or_else(|| App::of("isolated", ISOLATED), App::package),
        _ => App::of(&format!("uid:{id}"), id),
    }
}

/// A daemon, or a package that runs under a uid of the platform.
fn of_system(id: u32, process: &str, packages: &Packages) -> App {
    if let Some(package) = named(process, |name| {
        packages.named(name).filter(|package| package.app_id == id)
    }) {
        return App::package(package);
    }
    match aid::name(id) {
        Some(name) => App::of(&name, id),
        None => App::of(&format!("uid:{id}"), id),
    }
}

fn of_app(id: u32, process: &str, packages: &Packages) -> App {
    let mut sharing = packages.of(id);
    match (sharing.next(), sharing.next()) {
        (None, _) => App::of(&format!("uid:{id}"), id),
        (Some(package), None) => App::package(package),
        // The first would be a guess: the uid is all they have in common.
        _ => match named(process, |name| {
            packages.named(name).filter(|package| package.app_id == id)
        }) {
            Some(package) => App::package(package),
            None => App::of(&format!("shared:a{}", id - APPS), id),
        },
    }
}

/// The package that a process is named after: `com.foo`, `com.foo:push`, and, as Android itself names them,
/// `com.foo_zygote` and `com.foo_sdk_sandbox`.
fn named<'a>(process: &str, package: impl Fn(&str) -> Option<&'a Package>) -> Option<&'a Package> {
    let name = process.split(':').next().unwrap_or_default();
    let of_android = || {
        let suffixes = ["_zygote", "_sdk_sandbox"];
        suffixes
            .iter()
            .find_map(|suffix| package(name.strip_suffix(suffix)?))
    };
    package(name).or_else(of_android)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: &[u8] = b"com.foo 10055 0 /d s none 0 7\n\
        com.bar_zygote 10056 0 /d s none 0 8\n\
        com.share.one 10060 0 /d s none 0 1\n\
        com.share.two 10060 0 /d s none 0 2\n\
        com.google.android.webview 10070 0 /d s none 0 99\n\
        android 1000 0 /d s none 0 34\n\
        com.android.settings 1000 0 /d s none 0 34\n\
        com.android.phone 1001 0 /d s none 0 34\n\
        com.android.networkstack 1073 0 /d s none 0 34\n";

    /// `expected` is `app user uid version`, the version left out where it is empty.
    fn check(uid: u32, process: &str, expected: &str) {
        let program = Program {
            uid,
            executable: Some("app_process64".to_owned()),
            command: (!process.is_empty()).then(|| process.to_owned()),
            cgroup: Some("/system.slice/nginx.service".to_owned()),
            ..Program::default()
        };
        let found = identify(&program, &Packages::parse(LIST));
        assert_eq!(found.kind, Kind::Android);
        let text = format!(
            "{} {} {} {}",
            found.app, found.user, found.uid, found.version
        );
        assert_eq!(text.trim_end(), expected, "{uid} {process}");
    }

    #[test]
    fn an_app_alone_on_its_uid_is_its_package_whatever_its_process_is_called() {
        check(10_055, "com.foo", "com.foo 0 10055 7");
        check(10_055, "com.foo:push", "com.foo 0 10055 7");
        check(10_055, "another.name", "com.foo 0 10055 7");
        check(10_055, "usap64", "com.foo 0 10055 7");
        check(10_055, "", "com.foo 0 10055 7");
    }

    #[test]
    fn the_user_is_the_number_before_the_app_id() {
        check(1_010_055, "com.foo", "com.foo 10 1010055 7");
        check(1_001_000, "system_server", "system 10 1001000");
    }

    #[test]
    fn packages_on_one_uid_are_told_apart_by_the_process() {
        check(10_060, "com.share.one", "com.share.one 0 10060 1");
        check(10_060, "com.share.two:remote", "com.share.two 0 10060 2");
        check(10_060, "com.foo", "shared:a60 0 10060");
        check(10_060, "android.process.media", "shared:a60 0 10060");
        check(10_060, "", "shared:a60 0 10060");
        check(1_010_060, "x", "shared:a60 10 1010060");
    }

    #[test]
    fn a_uid_of_the_platform_has_its_aosp_name_but_for_its_own_packages() {
        check(0, "/system/bin/netd", "root 0 0");
        check(1000, "system_server", "system 0 1000");
        check(
            1000,
            "com.android.settings",
            "com.android.settings 0 1000 34",
        );
        check(
            1000,
            "com.android.settings:search",
            "com.android.settings 0 1000 34",
        );
        check(1000, "com.foo", "system 0 1000");
        check(1001, "com.android.phone", "com.android.phone 0 1001 34");
        check(1001, "/vendor/bin/hw/rild", "radio 0 1001");
        check(1051, "/system/bin/netd", "dns 0 1051");
        check(
            1073,
            "com.android.networkstack.process",
            "network_stack 0 1073",
        );
        check(2000, "sh", "shell 0 2000");
        check(2901, "x", "oem_2901 0 2901");
        check(3456, "x", "uid:3456 0 3456");
    }

    #[test]
    fn a_zygote_goes_by_its_uid() {
        for process in [
            "zygote",
            "zygote64",
            "usap32",
            "usap64",
            "<pre-initialized>",
        ] {
            check(0, process, "root 0 0");
        }
        check(1053, "webview_zygote", "webview_zygote 0 1053");
    }

    #[test]
    fn the_sandbox_of_an_app_is_the_app() {
        check(20_055, "com.foo_sdk_sandbox", "com.foo 0 10055 7");
        check(1_020_055, "", "com.foo 10 1010055 7");
        check(
            20_060,
            "com.share.two_sdk_sandbox",
            "com.share.two 0 10060 2",
        );
        check(20_099, "x", "uid:10099 0 10099");
    }

    #[test]
    fn an_isolated_process_is_the_package_it_is_named_after() {
        let renderer = "com.google.android.webview:sandboxed_process0:org.chromium.content.app.SandboxedProcessService0:0";
        check(99_012, renderer, "com.google.android.webview 0 10070 99");
        check(90_123, "com.foo_zygote", "com.foo 0 10055 7");
        check(90_123, "com.bar_zygote", "com.bar_zygote 0 10056 8");
        check(1_099_012, "com.foo:isolated", "com.foo 10 1010055 7");
        check(99_012, "unknown", "isolated 0 99000");
        check(98_999, "", "isolated 0 99000");
    }

    #[test]
    fn a_uid_of_nobody_is_its_number() {
        check(10_099, "com.gone", "uid:10099 0 10099");
        check(50_055, "x", "uid:50055 0 50055");
        check(65_534, "x", "uid:65534 0 65534");
    }

    #[test]
    fn a_thread_of_the_kernel_is_the_kernel() {
        let program = Program {
            kernel_thread: true,
            ..Program::default()
        };
        assert_eq!(&*identify(&program, &Packages::parse(LIST)).app, "kernel");
    }

    proptest! {
        #[test]
        fn any_program_has_an_app_and_stays_with_its_user(uid: u32, process in ".*") {
            let program = Program { uid, command: Some(process), ..Program::default() };
            let found = identify(&program, &Packages::parse(LIST));
            prop_assert!(!found.app.is_empty());
            prop_assert_eq!(found.uid / USER, uid / USER);
        }
    }
}
