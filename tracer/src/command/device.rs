//! Is this machine an Android device, and which one?
//!
//! Of a phone that is sold, the files that say so may be root's alone; that they are there everybody sees.

use std::{fs, path::Path};

/// Files with properties of the device (`NAME=VALUE` lines), below the root. The first is on every Android.
const PROPERTIES: [&str; 5] = [
    "system/build.prop",
    "product/etc/build.prop",
    "product/build.prop",
    "odm/etc/build.prop",
    "vendor/build.prop",
];

/// Parts of the system that say what the device is called, the one that a user knows first.
const PARTS: [&str; 5] = ["product.", "odm.", "vendor.", "system.", ""];

/// What an Android device says of itself; empty where it does not.
#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    /// Maker and model.
    pub name: String,
    /// The version of Android, as its maker writes it.
    pub release: String,
    /// Its number.
    pub sdk: String,
    /// `user` of a device that is sold, `userdebug` of one that gives root to `adb`.
    pub build: String,
}

impl Device {
    /// What of it is to be told, with a name each.
    pub fn facts(&self) -> [(&'static str, String); 2] {
        let said = |text: &str| if text.is_empty() { "unknown" } else { text }.to_owned();
        let version = match (&*self.release, &*self.sdk, &*self.build) {
            ("", ..) => "unknown".to_owned(),
            (release, sdk, build) => {
                format!("{release} (SDK {}, build {})", said(sdk), said(build))
            }
        };
        [("device", said(&self.name)), ("android", version)]
    }

    /// The device whose files are below `root`; `None` where it is no Android.
    pub fn at(root: &Path) -> Option<Self> {
        if !root.join(PROPERTIES[0]).exists() {
            return None;
        }
        let files: Vec<String> = PROPERTIES
            .iter()
            .map(|path| fs::read(root.join(path)))
            .map(|file| String::from_utf8_lossy(&file.unwrap_or_default()).into_owned())
            .collect();
        let property = |name: &str| files.iter().find_map(|file| value(file, name));
        let product = |name: &str| {
            let named = |part| property(&format!("ro.product.{part}{name}"));
            PARTS.iter().find_map(named).unwrap_or_default()
        };
        let (maker, model) = (product("manufacturer"), product("model"));
        Some(Self {
            name: format!("{maker} {model}").trim().to_owned(),
            release: property("ro.build.version.release")
                .unwrap_or_default()
                .to_owned(),
            sdk: property("ro.build.version.sdk")
                .unwrap_or_default()
                .to_owned(),
            build: property("ro.build.type").unwrap_or_default().to_owned(),
        })
    }
}

/// Whether the kernel below `root` is an Android's, whosever files these are: a container of a phone has others, and shares
/// its control groups.
pub fn has_kernel(root: &Path) -> bool {
    let release = fs::read_to_string(root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
    root.join(PROPERTIES[0]).exists() || release.contains("-android")
}

fn value<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    file.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// What is told of a device with these files, and whether its kernel is an Android's.
    fn check(files: &[(&str, &str)], expected: Option<[&str; 2]>, is_android: bool) {
        static CHECKS: AtomicU32 = AtomicU32::new(0);
        let number = CHECKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("tracer-device-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        for (path, contents) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("create it");
            fs::write(path, contents).expect("write it");
        }
        let found = Device::at(&root).map(|device| device.facts().map(|(_, value)| value));
        let kernel = has_kernel(&root);
        let _ = fs::remove_dir_all(&root);
        assert_eq!(found, expected.map(|values| values.map(str::to_owned)));
        assert_eq!(kernel, is_android, "{files:?}");
    }

    const SYSTEM: &str = "# begin\nro.build.version.sdk=35\nro.build.version.release=15\nro.build.type=userdebug\n\
        ro.product.system.manufacturer=Google\nro.product.system.model=mainline\n";

    #[test]
    fn a_device_is_known_by_its_properties() {
        check(&[], None, false);
        check(
            &[("vendor/build.prop", "ro.product.vendor.model=x\n")],
            None,
            false,
        );
        let product = "ro.product.product.model=Pixel 8\nro.product.product.manufacturer=Google\n";
        check(
            &[
                ("system/build.prop", SYSTEM),
                ("product/etc/build.prop", product),
            ],
            Some(["Google Pixel 8", "15 (SDK 35, build userdebug)"]),
            true,
        );
        check(
            &[("system/build.prop", SYSTEM)],
            Some(["Google mainline", "15 (SDK 35, build userdebug)"]),
            true,
        );
        check(
            &[("system/build.prop", "ro.build.version.release=9\n")],
            Some(["unknown", "9 (SDK unknown, build unknown)"]),
            true,
        );
        for unreadable in ["", "ro.build.version.sdk=\n\u{0}=\n="] {
            check(
                &[("system/build.prop", unreadable)],
                Some(["unknown", "unknown"]),
                true,
            );
        }
    }

    #[test]
    fn a_container_of_a_phone_has_its_kernel() {
        let release = "proc/sys/kernel/osrelease";
        check(&[(release, "6.1.75-android14-11-g1\n")], None, true);
        check(&[(release, "6.1.0-31-arm64\n")], None, false);
    }
}
