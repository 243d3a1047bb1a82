//! Do the recording rules sum up what they say? By the real promtool.

use std::process::Command;

#[test]
fn the_rules_sum_by_company_and_by_whoever_controls_it_what_is_folded_included() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../dashboards/tracer.rules.test.yml"
    );
    let output = Command::new("promtool")
        .args(["test", "rules", file])
        .output()
        .expect("cannot run promtool; hint: apt-get install prometheus");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
