//! Feeds any bytes as `/etc/passwd`, the last line also as the path of a control group whose owner's home is asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::attribute::users::Users;

fuzz_target!(|file: &[u8]| {
    let users = Users::parse(file);
    for uid in [0, 1000, u32::MAX] {
        assert!(!users.name(uid).is_empty(), "a user without a name");
    }
    let path = file
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    assert!(
        users.homes(&String::from_utf8_lossy(path)).len() <= 64,
        "too many homes to look into"
    );
    assert!(
        users.homes("/user.slice/user-1000.slice").len() <= 1,
        "one user has one home"
    );
});
