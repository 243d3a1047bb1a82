//! Does the module install itself where it can run, and say why where it cannot?

use std::fs;
use std::process::Output;

use crate::phone::{Phone, Shell, in_both_shells, read, scripts};

/// Sources `customize.sh` as an installer does, on a phone with this processor and kernel.
fn install(phone: &Phone, arch: &str, kernel: &str) -> Output {
    for folder in ["arm64-v8a", "x86_64"] {
        fs::create_dir_all(phone.path("module/bin").join(folder)).expect("create a folder");
        phone.write(&format!("module/bin/{folder}/tracer"), folder);
    }
    phone.write(
        "installer",
        "ui_print() { echo \"$1\"; }\n\
         abort() { echo \"! $1\"; exit 1; }\n\
         set_perm() { echo \"$*\" >>ROOT/modes; }\n\
         uname() { echo \"$KERNEL\"; }\n\
         . ROOT/module/customize.sh\n\
         echo 'the installer goes on'\n",
    );
    let mut sh = phone.sh();
    sh.arg(phone.path("installer"))
        .env("ARCH", arch)
        .env("API", "31")
        .env("KERNEL", kernel)
        .env("MODPATH", phone.path("module"));
    sh.output().expect("start the shell")
}

#[test]
fn the_program_of_the_processor_is_taken() {
    for (arch, folder) in [("arm64", "arm64-v8a"), ("x64", "x86_64")] {
        in_both_shells(|phone| {
            let output = install(&phone, arch, "5.10.43-android12-9-00001");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{said}");
            assert!(said.ends_with("the installer goes on\n"), "{said}");
            assert_eq!(output.stderr, b"");
            assert_eq!(phone.lines("module/tracer"), [folder]);
            assert!(!phone.path("module/bin").exists());
            let tracer = phone.path("module/tracer").display().to_string();
            assert_eq!(phone.lines("modes"), [format!("{tracer} 0 0 0755")]);
            let options = read(&scripts().join("options"));
            assert_eq!(read(&phone.path("data/options")), options);
            assert!(!phone.path("module/options").exists());
        });
    }
}

#[test]
fn options_survive_an_update() {
    in_both_shells(|phone| {
        fs::create_dir(phone.path("data")).expect("create the folder");
        phone.write("data/options", "--log debug\n");
        assert!(install(&phone, "arm64", "6.1.0").status.success());
        assert_eq!(phone.lines("data/options"), ["--log debug"]);
    });
}

#[test]
fn other_processors_and_older_kernels_are_refused() {
    let check = |arch, kernel, expected: Option<&str>| {
        in_both_shells(|phone| {
            let output = install(&phone, arch, kernel);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.success(), expected.is_none(), "{said}");
            if let Some(expected) = expected {
                assert_eq!(said, format!("! {expected}\n"));
                assert!(!phone.path("data").exists());
            }
        });
    };
    let none = "tracer runs on arm64 and x64 only, not on";
    check("arm", "5.10.1", Some(&format!("{none} arm")));
    check("x86", "5.10.1", Some(&format!("{none} x86")));
    let old = "tracer needs Linux 5.10 or newer, this phone has";
    check("arm64", "4.19.110", Some(&format!("{old} 4.19.110")));
    check("arm64", "5.4.86-qgki", Some(&format!("{old} 5.4.86-qgki")));
    check("arm64", "5.7", Some(&format!("{old} 5.7")));
    check("arm64", "5.10-rc1", None);
    check("arm64", "6.1.0+", None);
    check("arm64", "10.0", None);
    let unread = "the kernel's version unknown cannot be read";
    check("arm64", "unknown", Some(unread));
}

#[test]
fn every_script_is_one_in_every_shell() {
    let mut names: Vec<_> = fs::read_dir(scripts())
        .expect("list the module")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .collect();
    names.push(scripts().join("META-INF/com/google/android/update-binary"));
    assert_eq!(names.len(), 9);
    for shell in [Shell::BusyBox, Shell::Android] {
        let phone = Phone::new(shell);
        for name in &names {
            let output = phone.sh().arg("-n").arg(name).output().expect("start");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{shell:?}: {}: {said}",
                name.display()
            );
        }
    }
}
