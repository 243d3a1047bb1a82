//! Is this machine an Android device, and which one?

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
    /// The device whose files are below `root`; `None` where it is no Android.
    pub fn at(root: &Path) -> Option<Self> {
        let files: Vec<String> = PROPERTIES
            .iter()
            .map(|path| fs::read(root.join(path)))
            .map(|file| String::from_utf8_lossy(&file.unwrap_or_default()).into_owned())
            .collect();
        if files[0].is_empty() {
            return None;
        }
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

fn value<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    file.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `maker model; release sdk build` of a device with these files.
    fn check(files: &[(&str, &str)], expected: Option<&str>) {
        let root = std::env::temp_dir().join(format!("tracer-device-{}", std::process::id()));
        for (path, contents) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("create it");
            fs::write(path, contents).expect("write it");
        }
        let found = Device::at(&root).map(|found| {
            format!(
                "{}; {} {} {}",
                found.name, found.release, found.sdk, found.build
            )
        });
        let _ = fs::remove_dir_all(&root);
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn a_device_is_known_by_its_properties() {
        check(&[], None);
        check(
            &[("vendor/build.prop", "ro.product.vendor.model=x\n")],
            None,
        );
        let system = "# begin\nro.build.version.sdk=35\nro.build.version.release=15\nro.build.type=userdebug\n\
                      ro.product.system.manufacturer=Google\nro.product.system.model=mainline\n";
        let product = "ro.product.product.model=Pixel 8\nro.product.product.manufacturer=Google\n";
        check(
            &[
                ("system/build.prop", system),
                ("product/etc/build.prop", product),
            ],
            Some("Google Pixel 8; 15 35 userdebug"),
        );
        check(
            &[("system/build.prop", system)],
            Some("Google mainline; 15 35 userdebug"),
        );
        check(
            &[("system/build.prop", "ro.build.version.sdk=\n\u{0}=\n=")],
            Some(";   "),
        );
    }
}
