//! Which desktop app does a systemd unit hold?
//!
//! The convention is <https://systemd.io/DESKTOP_ENVIRONMENTS/>: `-` separates the parts, and one inside a part is escaped.

use super::escape::unescape;

/// The app of `STEM.scope`: `app[-LAUNCHER]-APPLICATION-RANDOM`, or a snap, or what Flatpak made before the convention.
pub fn of_scope(stem: &str) -> Option<String> {
    if let Some(rest) = stem.strip_prefix("snap.") {
        let (name, _program) = rest.split_once('.')?;
        return (!name.is_empty()).then(|| name.to_owned());
    }
    if let Some(rest) = stem.strip_prefix("flatpak-") {
        return application("", without_random(rest)?);
    }
    let (launcher, id) = parts(without_random(stem.strip_prefix("app-")?)?);
    application(launcher, id)
}

/// The app of `STEM.service`: `app[-LAUNCHER]-APPLICATION[@RANDOM]`.
pub fn of_service(stem: &str) -> Option<String> {
    let rest = stem.strip_prefix("app-")?;
    let (launcher, id) = parts(rest.split_once('@').map_or(rest, |(named, _random)| named));
    application(launcher, id)
}

fn parts(named: &str) -> (&str, &str) {
    named.split_once('-').unwrap_or(("", named))
}

/// Random parts have no `-`, but for a UUID that somebody did not strip of them.
fn without_random(text: &str) -> Option<&str> {
    let uuid_at = text.len().checked_sub(36);
    if let Some(uuid) = uuid_at.and_then(|at| text.get(at..))
        && is_uuid(uuid)
    {
        return text[..text.len() - uuid.len()].strip_suffix('-');
    }
    text.rsplit_once('-').map(|(named, _random)| named)
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, letter)| match at {
        8 | 13 | 18 | 23 => letter == b'-',
        _ => letter.is_ascii_hexdigit(),
    })
}

fn application(launcher: &str, id: &str) -> Option<String> {
    // A launcher that forgot the random part, or the id: better the executable's name than a wrong one.
    let complete = !id.is_empty() && !launcher.ends_with('-');
    complete.then(|| unescape(id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(unit: &str, expected: Option<&str>) {
        let found = match unit.rsplit_once('.') {
            Some((stem, "scope")) => of_scope(stem),
            Some((stem, "service")) => of_service(stem),
            _ => panic!("{unit} is neither a scope nor a service: mend the test"),
        };
        assert_eq!(found.as_deref(), expected, "{unit}");
    }

    #[test]
    fn a_scope_of_the_convention_is_its_application() {
        check(
            "app-org.mozilla.firefox-1234.scope",
            Some("org.mozilla.firefox"),
        );
        check(
            "app-gnome-org.gnome.Terminal-1234.scope",
            Some("org.gnome.Terminal"),
        );
        check(
            "app-flatpak-org.telegram.desktop-77.scope",
            Some("org.telegram.desktop"),
        );
        check(
            r"app-gnome-visual\x2dstudio\x2dcode-1234.scope",
            Some("visual-studio-code"),
        );
        check(
            "app-org.kde.konsole-0123456789abcdef0123456789abcdef.scope",
            Some("org.kde.konsole"),
        );
        check(
            "app-org.kde.konsole-01234567-89ab-cdef-0123-456789abcdef.scope",
            Some("org.kde.konsole"),
        );
        check("flatpak-org.gimp.GIMP-1234.scope", Some("org.gimp.GIMP"));
    }

    #[test]
    fn a_service_of_the_convention_is_its_application() {
        check(
            "app-org.mozilla.firefox@0f3a.service",
            Some("org.mozilla.firefox"),
        );
        check(
            "app-org.mozilla.firefox.service",
            Some("org.mozilla.firefox"),
        );
        check(
            "app-kde-org.kde.dolphin@0f3a.service",
            Some("org.kde.dolphin"),
        );
        check(
            r"app-gnome\x2dkeyring\x2dssh@autostart.service",
            Some("gnome-keyring-ssh"),
        );
    }

    #[test]
    fn a_snap_is_its_name() {
        check(
            "snap.firefox.firefox-01234567-89ab-cdef-0123-456789abcdef.scope",
            Some("firefox"),
        );
        check(
            "snap.firefox.firefox.01234567-89ab-cdef-0123-456789abcdef.scope",
            Some("firefox"),
        );
        check(
            "snap.my-app.hook.configure-01234567-89ab-cdef-0123-456789abcdef.scope",
            Some("my-app"),
        );
        check("snap.firefox.scope", None);
        check("snap..x.scope", None);
        check("snap.lxd.daemon.service", None);
    }

    #[test]
    fn any_other_unit_is_no_desktop_app() {
        for unit in [
            "session-3.scope",
            "init.scope",
            "vte-spawn-01234567-89ab-cdef-0123-456789abcdef.scope",
            "tmux-spawn-01234567-89ab-cdef-0123-456789abcdef.scope",
            "app-.scope",
            "app-firefox.scope",
            "app--1.scope",
            "app-gnome--1.scope",
            "app-01234567-89ab-cdef-0123-456789abcdef.scope",
            "app-.service",
            "app-@1.service",
            "apple.service",
            "nginx.service",
        ] {
            check(unit, None);
        }
    }

    proptest! {
        #[test]
        fn any_stem_is_taken(stem in r"(app-|snap\.|flatpak-)?[-.@\\xa-f0-9é]{0,60}") {
            let _ = (of_scope(&stem), of_service(&stem));
        }
    }
}
