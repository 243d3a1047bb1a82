//! What does `tracer data` answer, and with which exit code?

use std::process::{Command, Output};

fn data(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tracer"))
        .arg("data")
        .args(arguments)
        .output()
        .expect("the tracer runs")
}

#[track_caller]
fn check(arguments: &[&str], code: i32, says: &str) {
    let output = data(arguments);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(
        text.contains(says),
        "{arguments:?} does not say {says:?}: {text}"
    );
}

#[test]
fn a_known_owner_is_shown_with_source_and_date() {
    check(
        &["show", "open.volcengineapi.com"],
        0,
        "Volcano Engine, a ByteDance company",
    );
    check(
        &["show", "Open.VolcEngineAPI.com."],
        0,
        "https://github.com/volcengine/volcengine-go-sdk",
    );
    check(&["show", "api.deepseek.com"], 0, "data of    20");
}

#[test]
fn an_unknown_owner_is_said_to_be_unknown_and_why() {
    check(&["show", "nobody.example"], 1, "no source has this name");
    check(
        &["show", "bucket.tos-cn-beijing.volces.com"],
        1,
        "run by: Volcano Engine, a ByteDance company",
    );
    check(
        &["show", "bdurl.net"],
        1,
        "the sources contradict each other",
    );
    check(&["show", "tiktokv.us"], 1, "not settled");
}

#[test]
fn a_resolver_is_shown_with_its_kind_and_list() {
    check(&["show", "dns.google"], 1, "resolver   dns.google: doh");
    check(&["show", "dns.google"], 1, "list category-doh");
    check(
        &["show", "a.httpdns.pro"],
        1,
        "resolver   httpdns.pro and what lies below: httpdns",
    );
    let output = data(&["show", "--json", "a.dns.google"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(answer["resolver"].is_null(), "{answer}");
}

#[test]
fn an_address_gives_a_network_and_never_an_owner() {
    check(
        &["show", "8.8.8.8"],
        0,
        "an address says nothing of who controls a name",
    );
    check(&["show", "192.0.2.1"], 1, "unknown");
}

#[test]
fn what_is_neither_name_nor_address_ends_with_a_hint() {
    check(&["show", "https://tiktok.com/"], 2, "hint: ");
    check(&["show", "bücher.example"], 2, "hint: ");
    check(&["verify", "--files", "/nowhere/at/all"], 2, "hint: ");
}

#[test]
fn the_same_is_said_in_json() {
    let output = data(&["show", "--json", "www.tiktok.com"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["owner"]["company"], "TikTok");
    assert_eq!(answer["owner"]["parent"], "ByteDance");
    assert!(answer["claims"].as_array().is_some_and(|claims| {
        claims
            .iter()
            .all(|claim| claim["source"]["address"].is_string())
    }));
}

#[test]
fn the_built_in_tables_and_the_files_are_those_of_the_lock() {
    check(&["verify"], 0, "as built");
    check(
        &[
            "verify",
            "--files",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../data"),
        ],
        0,
        "as built  domains.toml",
    );
}

#[test]
fn a_file_that_is_not_that_of_the_lock_is_told() {
    let folder = std::env::temp_dir().join(format!("tracer-data-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("domains.toml"), "domain = []").expect("a file");
    check(
        &["verify", "--files", &folder.to_string_lossy()],
        1,
        "CHANGED   domains.toml",
    );
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn a_database_that_somebody_put_there_is_read_to_its_end() {
    let folder = std::env::temp_dir().join(format!("tracer-databases-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("origin-asn.mmdb");
    std::fs::write(&path, b"none").expect("a file");
    let named = folder.display().to_string();
    check(&["verify", "--data-dir", &named], 1, "DAMAGED");
    std::fs::remove_file(&path).expect("remove it");
    check(&["verify", "--data-dir", &named], 0, "as built");
    // One that cannot be read is not taken for one that is not there.
    std::fs::create_dir(&path).expect("a folder in its place");
    check(&["verify", "--data-dir", &named], 2, "origin-asn.mmdb");
    std::fs::remove_dir_all(&folder).expect("remove it");
}
