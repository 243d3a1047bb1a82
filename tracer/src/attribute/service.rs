//! What is the label of a systemd service, and is it an app at all?

use super::{container::is_id, escape::unescape};

/// The label of the unit `STEM.service`, `None` where it names no app but holds whatever was started in it.
pub fn label(stem: &str) -> Option<String> {
    if stem.is_empty() || is_user_manager(stem) || is_transient(stem) {
        return None;
    }
    if let Some(name) = bus_name(stem) {
        return Some(name);
    }
    match stem.split_once('@') {
        Some((template, instance)) if is_connection(instance) => {
            Some(format!("{template}@.service"))
        }
        _ => Some(format!("{stem}.service")),
    }
}

/// `user@1000`: all that a user starts runs below it.
fn is_user_manager(stem: &str) -> bool {
    stem.strip_prefix("user@").is_some_and(is_number)
}

/// What `systemd-run` and Podman's health checks make up: `run-u12`, `run-r<hex>`, `run-p12-i34`, `run-12`, `<id>-<hex>`.
fn is_transient(stem: &str) -> bool {
    if stem.get(..64).is_some_and(is_id) {
        return true;
    }
    let Some(rest) = stem.strip_prefix("run-") else {
        return false;
    };
    let hexadecimal =
        |text: &str| !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_hexdigit());
    is_number(rest)
        || rest.strip_prefix('u').is_some_and(is_number)
        || rest.strip_prefix('r').is_some_and(hexadecimal)
        || rest
            .strip_prefix('p')
            .and_then(|numbers| numbers.split_once("-i"))
            .is_some_and(|(process, invocation)| is_number(process) && is_number(invocation))
}

/// The bus starts `dbus-:1.25-org.freedesktop.problems@0`: its own connection, the name asked for, a running number.
fn bus_name(stem: &str) -> Option<String> {
    let (_connection, name) = stem.strip_prefix("dbus-:")?.split_once('-')?;
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    (!name.is_empty()).then(|| unescape(name))
}

/// A socket unit with `Accept=yes` gives each connection an instance: `0-10.0.0.1:22-10.0.0.2:5555`, or, for a Unix
/// socket, `0-PID-UID` (`0-PID_PIDFDID-UID` since systemd 257). Labels would never end.
fn is_connection(instance: &str) -> bool {
    let digits_only = || {
        instance
            .bytes()
            .all(|letter| matches!(letter, b'0'..=b'9' | b'-' | b'_'))
    };
    instance.contains(':') || (instance.split('-').count() == 3 && digits_only())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(stem: &str, expected: Option<&str>) {
        assert_eq!(label(stem).as_deref(), expected, "{stem}");
    }

    #[test]
    fn a_service_is_labelled_as_systemd_prints_it() {
        check("nginx", Some("nginx.service"));
        check(r"my\x2dservice", Some(r"my\x2dservice.service"));
        check("postgresql@16-main", Some("postgresql@16-main.service"));
        check("getty@tty1", Some("getty@tty1.service"));
        check(
            "user-runtime-dir@1000",
            Some("user-runtime-dir@1000.service"),
        );
        check("run-backup", Some("run-backup.service"));
        check("run-u", Some("run-u.service"));
        check("run-p12-x", Some("run-p12-x.service"));
        check("user@anna", Some("user@anna.service"));
        check("snap.lxd.daemon", Some("snap.lxd.daemon.service"));
    }

    #[test]
    fn an_instance_that_holds_a_connection_is_left_out() {
        check(
            "sshd@0-192.168.1.1:22-192.168.1.2:5555",
            Some("sshd@.service"),
        );
        check("sshd@1-[::1]:22-[::1]:5555", Some("sshd@.service"));
        check(
            "systemd-coredump@0-1234-0",
            Some("systemd-coredump@.service"),
        );
        check(
            "polkit-agent-helper@3-1234_5678-1000",
            Some("polkit-agent-helper@.service"),
        );
    }

    #[test]
    fn a_name_started_by_the_bus_is_the_name_alone() {
        check(
            "dbus-:1.25-org.freedesktop.problems@0",
            Some("org.freedesktop.problems"),
        );
        check(r"dbus-:1.2-org.a\x2db@12", Some("org.a-b"));
        check("dbus-:1.2-@0", Some("dbus-:1.2-@0.service"));
        check("dbus-broker", Some("dbus-broker.service"));
    }

    #[test]
    fn a_unit_that_holds_whatever_was_started_is_no_app() {
        let check_of = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for stem in [
            "",
            "user@1000",
            "run-u12",
            "run-r0f3a",
            "run-p12-i34",
            "run-1234",
            check_of,
        ] {
            check(stem, None);
        }
        check(&format!("{check_of}-5f3a"), None);
    }

    proptest! {
        #[test]
        fn any_stem_is_taken(stem in r"(run-|user@|dbus-:|x@)?[-:@_a-f0-9é]{0,90}") {
            let _ = label(&stem);
        }
    }
}
