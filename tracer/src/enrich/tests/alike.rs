//! Names that look like a company's and are not have no owner, and no text does harm.

use proptest::prelude::*;

use super::*;

const KNOWN: &[&str] = &[
    "tiktok.com",
    "bytedance.com",
    "volcengine.com",
    "deepseek.com",
    "google.com",
    "facebook.com",
    "alipay.com",
    "qq.com",
    "baidu.com",
    "huawei.com",
    "microsoft.com",
    "apple.com",
    "amazon.com",
    "appsflyer.com",
    "adjust.com",
    "applovin.com",
    "instagram.com",
    "openai.com",
    "byteplus.com",
    "unity3d.com",
];

/// Names that only look like the known ones. A homograph is its A-label.
fn alike() -> Vec<String> {
    let mut names = Vec::new();
    for known in KNOWN {
        let (first, top) = known.split_once('.').expect("two labels");
        names.extend([
            format!("not{known}"),
            format!("{first}-free-gift.{top}"),
            format!("my{first}analytics.{top}"),
            format!("{first}.example.org"),
            format!("{known}.example.org"),
            format!("{first}.{top}.phish.example"),
            format!("{first}x.invalid"),
            format!("xn--{first}-9wf.{top}"),
            format!("{first}.github.io"),
            format!("{first}.s3.amazonaws.com"),
            format!("{first}.volces.com"),
            format!("{first}.oss-cn-beijing.aliyuncs.com"),
        ]);
    }
    names
}

#[test]
fn two_hundred_names_that_look_like_a_companys_have_no_owner() {
    let names = alike();
    assert!(names.len() >= 200, "{}", names.len());
    for name in &names {
        assert_eq!(company(name), None, "{name}");
    }
}

#[test]
fn labels_are_matched_whole() {
    check_unknown("notbytedance.com", State::Unknown);
    check_unknown("tiktok.example.org", State::Unknown);
    check_unknown("com.tiktok", State::Unknown);
    check("a.b.c.d.tiktok.com", "TikTok", Some("ByteDance"));
}

#[test]
fn what_is_no_name_has_no_owner() {
    for text in [
        "",
        ".",
        "..",
        ".tiktok.com",
        "tiktok.com.",
        "a..tiktok.com",
        "TIKTOK.COM",
        "tïktok.com",
        "71.18.0.1",
        "2001:db8::1",
        "~other",
    ] {
        assert_eq!(owner(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_has_an_answer(text in "\\PC*") {
        let facts = facts(&text);
        prop_assert_eq!(facts.owner, owner(&text));
    }

    #[test]
    fn any_labels_before_a_known_name_keep_its_owner(label in "[a-z0-9]{1,20}") {
        let name = format!("{label}.deepseek.com");
        prop_assert_eq!(company(&name), Some("DeepSeek"));
    }

    #[test]
    fn any_letters_joined_to_a_known_name_have_no_owner(letters in "[a-z0-9]{6,20}") {
        let name = format!("{letters}deepseek.com");
        prop_assert_eq!(company(&name), None);
    }
}
