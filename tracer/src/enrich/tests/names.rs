//! Are the names of those who are most asked about given to the right company, or to nobody?

use super::*;

/// 88 names of apps' traffic, and the only company that may be shown for each; empty: nobody may.
const NAMES: &[(&str, &[&str])] = &[
    (
        "ByteDance",
        &[
            "www.bytedance.com",
            "api.snssdk.com",
            "log.byteoversea.com",
            "p16.ibyteimg.com",
            "sf16.ibytedtos.com",
            "s0.pstatp.com",
            "www.toutiao.com",
            "www.capcut.com",
            "www.doubao.com",
            "open.feishu.cn",
            "api.pangolin-sdk-toutiao.com",
            "www.pangleglobal.com",
            "open.larksuite.com",
        ],
    ),
    (
        "TikTok",
        &[
            "www.tiktok.com",
            "analytics.tiktok.com",
            "p16.tiktokcdn.com",
            "api16.tiktokv.com",
            "www.ttwstatic.com",
            "tiktokfor.business",
        ],
    ),
    (
        "Volcano Engine",
        &[
            "www.volcengine.com",
            "open.volcengineapi.com",
            "ecs.cn-beijing.volcengine-api.com",
        ],
    ),
    ("BytePlus", &["www.byteplus.com", "iam.byteplusapi.com"]),
    (
        "DeepSeek",
        &["chat.deepseek.com", "api.deepseek.com", "www.deepseek.com"],
    ),
    (
        "Shumei",
        &[
            "fp-it.fengkongcloud.com",
            "fp-it.portal101.cn",
            "www.ishumei.com",
        ],
    ),
    (
        "Alibaba",
        &[
            "www.taobao.com",
            "www.alipay.com",
            "h-adashx.ut.taobao.com",
            "restapi.amap.com",
            "www.youku.com",
            "ulogs.umeng.com",
            "www.dingtalk.com",
            "www.alibabacloud.com",
        ],
    ),
    (
        "Tencent",
        &[
            "www.qq.com",
            "wx.qlogo.cn",
            "mi.gdt.qq.com",
            "android.bugly.qq.com",
            "www.tencent.com",
        ],
    ),
    (
        "Baidu",
        &["www.baidu.com", "hm.baidu.com", "ss0.bdstatic.com"],
    ),
    (
        "Huawei",
        &[
            "connect-drcn.dbankcloud.cn",
            "metrics1.data.hicloud.com",
            "consumer.huawei.com",
        ],
    ),
    (
        "Google",
        &[
            "www.google.com",
            "app-measurement.com",
            "firebase-settings.crashlytics.com",
            "googleads.g.doubleclick.net",
            "fonts.googleapis.com",
            "www.gstatic.com",
            "www.youtube.com",
            "i.ytimg.com",
        ],
    ),
    (
        "Meta",
        &[
            "graph.facebook.com",
            "scontent.xx.fbcdn.net",
            "www.instagram.com",
            "g.whatsapp.net",
            "i.instagram.com",
        ],
    ),
    (
        "Microsoft",
        &["www.microsoft.com", "login.live.com", "www.bing.com"],
    ),
    ("GitHub", &["api.github.com"]),
    ("LinkedIn", &["www.linkedin.com"]),
    ("Amazon", &["www.amazon.com", "fls-na.amazon.com"]),
    (
        "Apple",
        &[
            "www.apple.com",
            "gateway.icloud.com",
            "is1-ssl.mzstatic.com",
        ],
    ),
    ("OpenAI", &["api.openai.com", "chatgpt.com"]),
    ("Anthropic", &["api.anthropic.com"]),
    ("AppsFlyer", &["t.appsflyer.com"]),
    ("Adjust", &["app.adjust.com", "app.adjust.world"]),
    ("AppLovin", &["www.applovin.com"]),
    (
        "Unity",
        &[
            "config.unityads.unity3d.com",
            "outcome-ssp.supersonicads.com",
        ],
    ),
    ("Datadog", &["browser-intake-datadoghq.com"]),
    ("Sentry", &["o33249.ingest.sentry.io"]),
    (
        "",
        &[
            "ark.cn-beijing.volces.com",
            "examplebucket.oss-cn-hangzhou.aliyuncs.com",
            "examplebucket-1250000000.cos.ap-guangzhou.myqcloud.com",
            "d111111abcdef8.cloudfront.net",
            "bucket.s3.amazonaws.com",
        ],
    ),
];

#[test]
fn eighty_eight_names_have_the_right_owner_or_none() {
    let mut unknown = Vec::new();
    let mut count = 0;
    for (company, names) in NAMES {
        for name in *names {
            count += 1;
            match owner(name) {
                None => unknown.push(*name),
                Some(owner) => assert_eq!(owner.company, *company, "{name}"),
            }
        }
    }
    assert_eq!(count, 88);
    println!(
        "of {count} names {} have no owner: {unknown:?}",
        unknown.len()
    );
    assert!(unknown.len() <= 8, "{unknown:?}");
}

#[test]
fn who_controls_the_company_is_its_parent() {
    check("www.tiktok.com", "TikTok", Some("ByteDance"));
    check(
        "open.volcengineapi.com",
        "Volcano Engine",
        Some("ByteDance"),
    );
    check("iam.byteplusapi.com", "BytePlus", Some("ByteDance"));
    check("api.deepseek.com", "DeepSeek", None);
    check("www.bytedance.com", "ByteDance", None);
    check("app.adjust.com", "Adjust", Some("AppLovin"));
    check("www.linkedin.com", "LinkedIn", Some("Microsoft"));
}

#[test]
fn a_brand_is_shown_as_its_company() {
    let instagram = owner("i.instagram.com");
    assert_eq!(
        instagram.map(|owner| (owner.company, owner.brand)),
        Some(("Meta", Some("Instagram")))
    );
}

#[test]
fn a_customers_name_below_a_platform_has_no_owner_but_a_platform() {
    for (name, suffix, company) in [
        (
            "a.b.tos-cn-beijing.volces.com",
            "volces.com",
            "Volcano Engine",
        ),
        (
            "bucket.oss-cn-hangzhou.aliyuncs.com",
            "oss-cn-hangzhou.aliyuncs.com",
            "Alibaba",
        ),
        (
            "bucket.obs.cn-north-4.myhuaweicloud.com",
            "myhuaweicloud.com",
            "Huawei",
        ),
        ("x.bj.bcebos.com", "bcebos.com", "Baidu"),
        ("app.firebaseio.com", "firebaseio.com", "Google"),
        ("d111.cloudfront.net", "cloudfront.net", "Amazon"),
        ("www.example.com.edgekey.net", "edgekey.net", "Akamai"),
        ("someone.github.io", "github.io", "GitHub"),
        ("www.example.com.wscdns.com", "wscdns.com", "Wangsu"),
    ] {
        check_unknown(name, State::Tenant);
        let platform = facts(name).platform;
        let found =
            platform.map(|platform| (platform.suffix, platform.owner.map(|owner| owner.company)));
        assert!(
            found.is_some_and(|(found, owner)| suffix.ends_with(found) && owner == Some(company)),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn what_is_not_settled_has_no_owner() {
    check_unknown("api16.tiktokv.us", State::Open);
    check_unknown("bdurl.net", State::Conflict);
    check_unknown("dig.bdurl.net", State::Conflict);
}

#[test]
fn every_claim_has_a_source_with_an_address_and_a_day() {
    for name in 0..table::NAME_STARTS.len() - 1 {
        for claim in table::claims(name) {
            for source in [
                table::source(claim.source),
                table::source(table::entity(claim.entity).source),
            ] {
                assert!(
                    !source.address.is_empty() && source.read.len() == 10,
                    "{}",
                    table::name(name)
                );
                assert!(
                    source.read <= DATA_DATE && source.date <= DATA_DATE,
                    "{}",
                    source.title
                );
            }
        }
    }
}

#[test]
fn a_public_suffix_is_nobodys() {
    // One of the tables gives it to a company.
    check_unknown("someone.in.th", State::Unknown);
    check_unknown("com", State::Unknown);
    check_unknown("someone.co.uk", State::Unknown);
}
