//! What does Android call a user id of its own?
//!
//! The ids and names of `system/core/libcutils/include/private/android_filesystem_config.h` (AOSP). They never change
//! meaning: new ones are added.

use std::borrow::Cow;

/// The name of a platform's app id.
pub fn name(app_id: u32) -> Option<Cow<'static, str>> {
    if let Ok(at) = NAMES.binary_search_by_key(&app_id, |(id, _)| *id) {
        return Some(Cow::Borrowed(NAMES[at].1));
    }
    // AID_OEM_RESERVED_* of the same file: the maker of the device names them, Android's C library calls them so.
    matches!(app_id, 2900..=2999 | 5000..=5999).then(|| Cow::Owned(format!("oem_{app_id}")))
}

/// In the order of the ids.
const NAMES: [(u32, &str); 100] = [
    (0, "root"),
    (1, "daemon"),
    (2, "bin"),
    (3, "sys"),
    (1_000, "system"),
    (1_001, "radio"),
    (1_002, "bluetooth"),
    (1_003, "graphics"),
    (1_004, "input"),
    (1_005, "audio"),
    (1_006, "camera"),
    (1_007, "log"),
    (1_008, "compass"),
    (1_009, "mount"),
    (1_010, "wifi"),
    (1_011, "adb"),
    (1_012, "install"),
    (1_013, "media"),
    (1_014, "dhcp"),
    (1_015, "sdcard_rw"),
    (1_016, "vpn"),
    (1_017, "keystore"),
    (1_018, "usb"),
    (1_019, "drm"),
    (1_020, "mdnsr"),
    (1_021, "gps"),
    (1_023, "media_rw"),
    (1_024, "mtp"),
    (1_026, "drmrpc"),
    (1_027, "nfc"),
    (1_028, "sdcard_r"),
    (1_029, "clat"),
    (1_030, "loop_radio"),
    (1_031, "media_drm"),
    (1_032, "package_info"),
    (1_033, "sdcard_pics"),
    (1_034, "sdcard_av"),
    (1_035, "sdcard_all"),
    (1_036, "logd"),
    (1_037, "shared_relro"),
    (1_038, "dbus"),
    (1_039, "tlsdate"),
    (1_040, "media_ex"),
    (1_041, "audioserver"),
    (1_042, "metrics_coll"),
    (1_043, "metricsd"),
    (1_044, "webserv"),
    (1_045, "debuggerd"),
    (1_046, "media_codec"),
    (1_047, "cameraserver"),
    (1_048, "firewall"),
    (1_049, "trunks"),
    (1_050, "nvram"),
    (1_051, "dns"),
    (1_052, "dns_tether"),
    (1_053, "webview_zygote"),
    (1_054, "vehicle_network"),
    (1_055, "media_audio"),
    (1_056, "media_video"),
    (1_057, "media_image"),
    (1_058, "tombstoned"),
    (1_059, "media_obb"),
    (1_060, "ese"),
    (1_061, "ota_update"),
    (1_062, "automotive_evs"),
    (1_063, "lowpan"),
    (1_064, "hsm"),
    (1_065, "reserved_disk"),
    (1_066, "statsd"),
    (1_067, "incidentd"),
    (1_068, "secure_element"),
    (1_069, "lmkd"),
    (1_070, "llkd"),
    (1_071, "iorapd"),
    (1_072, "gpu_service"),
    (1_073, "network_stack"),
    (1_074, "gsid"),
    (1_075, "fsverity_cert"),
    (1_076, "credstore"),
    (1_077, "external_storage"),
    (1_078, "ext_data_rw"),
    (1_079, "ext_obb_rw"),
    (1_080, "context_hub"),
    (1_081, "virtualizationservice"),
    (1_082, "artd"),
    (1_083, "uwb"),
    (1_084, "thread_network"),
    (1_085, "diced"),
    (1_086, "dmesgd"),
    (1_087, "jc_weaver"),
    (1_088, "jc_strongbox"),
    (1_089, "jc_identitycred"),
    (1_090, "sdk_sandbox"),
    (1_091, "security_log_writer"),
    (1_092, "prng_seeder"),
    (1_093, "uprobestats"),
    (2_000, "shell"),
    (2_001, "cache"),
    (2_002, "diag"),
    (9_999, "nobody"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(app_id: u32, expected: Option<&str>) {
        assert_eq!(name(app_id).as_deref(), expected);
    }

    #[test]
    fn a_platform_id_has_its_name_of_aosp() {
        check(0, Some("root"));
        check(1000, Some("system"));
        check(1001, Some("radio"));
        check(1051, Some("dns"));
        check(1073, Some("network_stack"));
        check(2000, Some("shell"));
        check(9999, Some("nobody"));
        check(2900, Some("oem_2900"));
        check(5999, Some("oem_5999"));
    }

    #[test]
    fn an_id_that_aosp_does_not_name_has_none() {
        for app_id in [4, 999, 1022, 2899, 3000, 6000, 10_000, 65_534, u32::MAX] {
            check(app_id, None);
        }
    }

    #[test]
    fn the_table_is_in_order_so_that_the_search_finds_each() {
        assert!(NAMES.is_sorted_by(|left, right| left.0 < right.0));
    }
}
