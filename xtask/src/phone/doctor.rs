//! Does `tracer doctor` tell the owner of a phone what he needs to know?

use anyhow::{Result, ensure};

use super::models::Model;
use crate::android::device::Device;
use crate::android::root::Root;

/// What a user sees who forgot to become root.
pub fn without_root(device: &Device) -> Result<()> {
    let output = device.shell(&format!("{} doctor", device.path("tracer")))?;
    let said = &output.stdout;
    ensure!(
        !output.is_success(),
        "doctor has nothing to say to a user who is not root"
    );
    for part in [
        "2000, not root",
        "The main job cannot run here",
        "hint: ",
        "adb root",
    ] {
        ensure!(said.contains(part), "doctor does not say {part:?}:\n{said}");
    }
    Ok(())
}

pub fn with_root(model: &Model, device: &Device, root: Root) -> Result<()> {
    let output = device.shell(&root.script(&format!("{} doctor", device.path("tracer"))))?;
    let said = &output.stdout;
    let android = format!("{} (SDK {}, build userdebug)", model.android, model.sdk);
    let name = format!("tracer {}", model.name);
    let mut parts = vec![
        &*android,
        &*name,
        "netd_shared/map_netd_cookie_tag_map",
        "served by inet_sock_set_state",
        "served by inet_stream_connect",
        "served by udp_sendmsg",
        "served by __udp_enqueue_schedule_skb",
        "The main job can run here.",
    ];
    if model.has_types {
        parts.push("served by unix_stream_sendmsg");
    } else {
        parts.push("missing; ");
    }
    for part in parts {
        ensure!(said.contains(part), "doctor does not say {part:?}:\n{said}");
    }
    ensure!(
        !said.contains("served by cgroup_"),
        "a place of netd's is taken:\n{said}"
    );
    Ok(())
}
