//! Who makes contacts on the phone: thirty processes, and the apps that they are to be.

/// Somebody who makes contacts: the app id and name of the process, and the app that it is to be.
pub struct Actor {
    pub id: u32,
    pub process: String,
    pub app: String,
}

pub fn actors() -> Vec<Actor> {
    let actor = |id, process: &str, app: &str| Actor {
        id,
        process: process.to_owned(),
        app: app.to_owned(),
    };
    let mut actors: Vec<Actor> = (1..=19)
        .map(|number| {
            let app = format!("com.example.app{number:02}");
            // Every third works in a second process.
            let process = if number % 3 == 0 {
                format!("{app}:push")
            } else {
                app.clone()
            };
            actor(10_100 + number, &process, &app)
        })
        .collect();
    let others = [
        (10_060, "com.share.a1", "com.share.a1"),
        (10_060, "com.share.a2:remote", "com.share.a2"),
        (10_061, "com.share.b1", "com.share.b1"),
        (10_061, "com.share.b2", "com.share.b2"),
        (1000, "com.android.settings:search", "com.android.settings"),
        (1000, "system_server", "system"),
        (1001, "com.android.phone", "com.android.phone"),
        (1013, "media.extractor", "media"),
        (20_101, "com.example.app01_sdk_sandbox", "com.example.app01"),
        (90_001, "com.example.app02_zygote", "com.example.app02"),
        (
            99_001,
            "com.google.android.webview:sandboxed_process0:org.chromium.Service0:0",
            "com.google.android.webview",
        ),
    ];
    actors.extend(others.map(|(id, process, app)| actor(id, process, app)));
    actors
}
