//! What does the running kernel's release tell? Only what cannot be asked of the kernel in another way.

use std::fs;

use anyhow::bail;

/// The running kernel's release, such as `6.12.90-amd64`; empty where it cannot be read.
pub fn running() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default()
}

/// Major and minor number of a release; `None` where it has none.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release
        .trim()
        .split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

/// Whether a task may preempt a program at a tracepoint on a kernel of that release.
pub fn preempts_programs(release: &str) -> bool {
    version(release).is_some_and(|version| version >= (7, 0))
}

/// Fails on a kernel that lacks what nothing makes up for. One whose version cannot be read is tried.
pub fn require(release: &str) -> anyhow::Result<()> {
    if version(release).is_some_and(|version| version < (5, 10)) {
        bail!(
            "kernel {release} is too old: programs that are run on demand came with 5.10\nhint: take a newer kernel; \
             phones sold with Android 12 or later have one"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_is_too_old_is_refused_with_a_hint() {
        for release in [
            "5.10.198-android12-9",
            "6.1.0-50-cloud-arm64",
            "10.0",
            "",
            "x",
        ] {
            require(release).expect("new enough, or unknown");
        }
        for release in ["4.19.278-perf+", "5.9.16", "3.18"] {
            let error = require(release).expect_err("too old").to_string();
            assert!(
                error.contains(release) && error.contains("\nhint: "),
                "{error}"
            );
        }
    }

    #[test]
    fn from_linux_7_on_a_task_may_preempt_a_program() {
        for (release, expected) in [
            ("7.0.0", true),
            ("7.3.4+deb14-cloud-amd64", true),
            ("10.1", true),
            ("6.18.5", false),
            ("5.10.198-android12-9", false),
            ("", false),
            ("7", false),
        ] {
            assert_eq!(preempts_programs(release), expected, "{release}");
        }
    }
}
