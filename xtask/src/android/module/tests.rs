//! Is what is in the module what an installer expects?

use std::io::{Cursor, Read};
use std::{env, process};

use zip::ZipArchive;

use super::*;

/// What a program begins with, as far as it is looked at.
fn program(machine: u16) -> Vec<u8> {
    let mut program = b"\x7fELF".to_vec();
    program.resize(18, 0);
    program.extend(machine.to_le_bytes());
    program
}

/// Makes a module of programs for these machines, in a folder of the test's own.
fn make(name: &str, arm64: u16, x86_64: u16) -> Result<Vec<u8>> {
    let folder = env::temp_dir().join(format!("tracer-module-{name}-{}", process::id()));
    fs::create_dir_all(&folder).expect("create a folder");
    let binaries = Binaries {
        arm64: folder.join("arm64"),
        x86_64: folder.join("x86_64"),
    };
    fs::write(&binaries.arm64, program(arm64)).expect("write a program");
    fs::write(&binaries.x86_64, program(x86_64)).expect("write a program");
    let output = folder.join("deep/module.zip");
    let result = module(&binaries, &output);
    let written = fs::read(&output);
    fs::remove_dir_all(&folder).expect("remove the folder");
    assert_eq!(written.is_ok(), result.is_ok(), "a failure leaves no file");
    result.map(|()| written.expect("read the module"))
}

/// Name, mode and content of each entry.
fn entries(bytes: Vec<u8>) -> Vec<(String, u32, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    (0..zip.len())
        .map(|at| {
            let mut entry = zip.by_index(at).expect("an entry");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("its content");
            let mode = entry.unix_mode().expect("its mode");
            (entry.name().to_owned(), mode, content)
        })
        .collect()
}

#[test]
fn a_module_has_these_files_and_modes() {
    let module = entries(make("content", 183, 62).expect("make a module"));
    let found: Vec<_> = module
        .iter()
        .map(|(name, mode, _)| (name.as_str(), *mode))
        .collect();
    let regular = 0o100_000;
    let expected = [
        ("META-INF/com/google/android/update-binary", 0o755),
        ("META-INF/com/google/android/updater-script", 0o644),
        ("module.prop", 0o644),
        ("customize.sh", 0o755),
        ("service.sh", 0o755),
        ("boot-completed.sh", 0o755),
        ("action.sh", 0o755),
        ("uninstall.sh", 0o755),
        ("tracer-service.sh", 0o755),
        ("state.sh", 0o644),
        ("tell.sh", 0o644),
        ("options", 0o644),
        ("LICENSE-MIT", 0o644),
        ("LICENSE-APACHE", 0o644),
        ("bin/arm64-v8a/tracer", 0o755),
        ("bin/x86_64/tracer", 0o755),
    ]
    .map(|(name, mode)| (name, regular | mode));
    assert_eq!(found, expected);

    for (name, _, content) in &module {
        if !name.starts_with("bin/") {
            assert!(!content.contains(&b'\r'), "{name} has a carriage return");
            assert!(content.ends_with(b"\n"), "{name} ends within a line");
            let gap = content.windows(8).any(|window| window == b"@VERSION");
            assert!(!gap, "{name} was not filled in");
        }
    }
    assert_eq!(module[1].2, b"#MAGISK\n");
    assert_eq!(module[14].2, program(183));
    assert_eq!(module[15].2, program(62));
}

#[test]
fn every_file_of_the_folder_is_in_the_module() {
    fn walk(folder: &Path, top: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("list the folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, top, found);
            } else {
                let name = path.strip_prefix(top).expect("below the top");
                found.push(name.display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(&folder(), &folder(), &mut found);
    found.sort();
    let mut expected: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn module_prop_has_the_keys_and_an_integer() {
    let module = entries(make("prop", 183, 62).expect("make a module"));
    let text = str::from_utf8(&module[2].2).expect("text");
    let pairs: Vec<_> = text
        .lines()
        .map(|line| line.split_once('=').expect("a key and a value"))
        .collect();
    let keys: Vec<_> = pairs.iter().map(|(key, _)| *key).collect();
    assert_eq!(
        keys,
        [
            "id",
            "name",
            "version",
            "versionCode",
            "author",
            "description"
        ]
    );
    assert_eq!(pairs[0].1, "tracer");
    assert_eq!(pairs[2].1, format!("v{VERSION}"));
    let code: u32 = pairs[3].1.parse().expect("an integer");
    assert_eq!(Some(code), version_code(VERSION).ok());
}

#[test]
fn a_higher_version_has_a_higher_number() {
    let check = |version, expected| assert_eq!(version_code(version).ok(), expected, "{version}");
    check("0.1.0", Some(100));
    check("0.1.1-rc.1", Some(101));
    check("1.2.3", Some(10_203));
    check("12.0.99+build", Some(120_099));
    check("0.100.0", None);
    check("0.1", None);
    check("one", None);
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let first = make("first", 183, 62).expect("make a module");
    assert!(first == make("second", 183, 62).expect("make a module"));
}

#[test]
fn a_program_for_another_machine_is_refused() {
    let check = |arm64, x86_64, expected: &str| {
        let error = make("wrong", arm64, x86_64).expect_err("it was taken");
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    };
    check(62, 62, "is no program for arm64-v8a");
    check(183, 183, "is no program for x86_64");
}
