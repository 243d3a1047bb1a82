//! Which container does a control group belong to?

use super::escape::unescape;

/// How a path tells of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Container {
    /// 64 lower-case hexadecimal digits; the runtime's files know its name.
    Id(String),
    /// The path itself holds the name.
    Name(String),
}

/// The outermost container of a path's components, root first: what is below, its own root may make and name.
pub fn outermost(components: &[&str]) -> Option<Container> {
    (0..components.len()).find_map(|at| {
        let component = components[at];
        match id(component) {
            Some(id) => Some(Container::Id(id.to_owned())),
            // The directory above an id is one of a name as well.
            None => name(components, at)
                .filter(|name| !name.is_empty())
                .map(|name| match id(&name) {
                    Some(id) => Container::Id(id.to_owned()),
                    None => Container::Name(name),
                }),
        }
    })
}

/// Whether this is a container's id as Docker, Podman, containerd and CRI-O make them.
pub fn is_id(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|letter| matches!(letter, b'0'..=b'9' | b'a'..=b'f'))
}

/// All runtimes end the component in the id; they differ in what stands before it: nothing (`/docker/<id>`, a pod's
/// directory), `docker-`, `libpod-`, `cri-containerd-`, `crio-`, `nerdctl-`, or `kubepods….slice:cri-containerd:`.
fn id(component: &str) -> Option<&str> {
    let stem = component.strip_suffix(".scope").unwrap_or(component);
    let (runtime, id) = match stem.rfind(['-', ':']) {
        Some(at) => (&stem[..at], &stem[at + 1..]),
        None => ("", stem),
    };
    // conmon supervises the container from outside, in the network of the host.
    (is_id(id) && !runtime.ends_with("conmon")).then_some(id)
}

/// The containers that are known by name: LXC, systemd-nspawn, libvirt, and containerd's `ctr` with a name for an id.
fn name(components: &[&str], at: usize) -> Option<String> {
    let component = components[at];
    let below = components.get(at + 1).copied();
    match component {
        "lxc" | "lxc.payload" => return below.map(str::to_owned),
        // containerd's own namespace `default` stands directly below the root.
        "default" if at == 1 && components[0].is_empty() => return below.map(str::to_owned),
        _ => {}
    }
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return Some(name.to_owned());
    }
    if let Some(name) = component
        .strip_prefix("machine-")
        .and_then(|rest| rest.strip_suffix(".scope"))
    {
        // systemd-nspawn itself sits in `supervisor`.
        return (below != Some("supervisor")).then(|| machine(&unescape(name)));
    }
    let unit = component
        .strip_prefix("systemd-nspawn@")?
        .strip_suffix(".service")?;
    (below == Some("payload")).then(|| unescape(unit))
}

/// libvirt puts its driver and a number that grows with each start before the name.
fn machine(name: &str) -> String {
    let driver_and_number = ["qemu-", "lxc-"]
        .iter()
        .find_map(|driver| name.strip_prefix(driver));
    match driver_and_number.and_then(|rest| rest.split_once('-')) {
        Some((number, name))
            if !number.is_empty() && number.bytes().all(|letter| letter.is_ascii_digit()) =>
        {
            name.to_owned()
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const INNER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

    /// `ID` and `INNER` stand for the two ids.
    fn check(path: &str, expected: impl Into<Option<Container>>) {
        let path = path.replace("ID", ID).replace("INNER", INNER);
        assert_eq!(
            outermost(&path.split('/').collect::<Vec<_>>()),
            expected.into(),
            "{path}"
        );
    }

    fn of(id: &str) -> Container {
        Container::Id(id.to_owned())
    }

    fn named(name: &str) -> Container {
        Container::Name(name.to_owned())
    }

    #[test]
    fn a_container_is_known_by_the_id_in_its_path() {
        for path in [
            "/docker/ID",
            "/docker/ID/init",
            "/system.slice/docker-ID.scope",
            "/custom.slice/docker-ID.scope",
            "/machine.slice/libpod-ID.scope",
            "/machine.slice/libpod-ID.scope/container",
            "/libpod_parent/libpod-ID",
            "/system.slice/web.service/libpod-payload-ID",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podab_cd.slice/cri-containerd-ID.scope",
            "/kubepods/burstable/pod0f0e5c1e-6a4b-4f2d-8b0a-0c2c7c1d2e3f/ID",
            "/kubepods.slice/crio-ID.scope",
            "/kubepods/besteffort/pod1/crio-ID",
            "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:ID",
            "/system.slice/nerdctl-ID.scope",
            "/default/ID",
            "…/docker-ID.scope",
            "…/ID/system.slice/foo.service",
        ] {
            check(path, of(ID));
        }
    }

    #[test]
    fn the_systemd_of_a_container_is_still_the_container() {
        check("/docker/ID/system.slice/foo.service", of(ID));
        check(
            "/machine.slice/libpod-ID.scope/container/user.slice/user@0.service/app.slice/a.service",
            of(ID),
        );
        check("/lxc.payload.web/system.slice/nginx.service", named("web"));
        check(
            "/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service",
            named("web"),
        );
    }

    #[test]
    fn nobody_leaves_a_container_for_one_of_his_own_making() {
        check("/docker/ID/kubelet/kubepods/pod1/INNER", of(ID));
        check("/lxc.payload.web/docker/ID", named("web"));
        check("/docker/ID/lxc/web/init.scope", of(ID));
        check("/lxc/outer/lxc/inner", named("outer"));
    }

    #[test]
    fn a_container_with_a_name_in_its_path_has_that_name() {
        check("/lxc/web", named("web"));
        check("/lxc/web/ns", named("web"));
        check("/lxc.payload/web", named("web"));
        check("/lxc.payload.web", named("web"));
        check(r"/machine.slice/machine-my\x2dweb.scope", named("my-web"));
        check(
            "/machine.slice/machine-web.scope/payload/init.scope",
            named("web"),
        );
        check(
            r"/machine.slice/machine-qemu\x2d17\x2dmy\x2dvm.scope/libvirt/emulator",
            named("my-vm"),
        );
        check(r"/machine.slice/machine-qemu\x2dvm.scope", named("qemu-vm"));
        check("/default/web", named("web"));
    }

    #[test]
    fn a_supervisor_is_not_its_container() {
        check("/machine.slice/libpod-conmon-ID.scope", None);
        check("/kubepods.slice/crio-conmon-ID.scope", None);
        check("/system.slice/web.service/supervisor", None);
        check("/lxc.monitor.web", None);
        check("/machine.slice/machine-web.scope/supervisor", None);
        check("/machine.slice/systemd-nspawn@web.service/supervisor", None);
    }

    #[test]
    fn what_only_looks_like_a_container_is_none() {
        check("/", None);
        check("", None);
        check("…/container", None);
        check("/docker", None);
        check("/docker/buildkit", None);
        check("/docker/ID0", None);
        check(&format!("/docker/{}", ID.to_uppercase()), None);
        check("/lxc", None);
        check("/lxc/", None);
        check("/lxc.payload.", None);
        check("/machine.slice/machine-.scope", None);
        check("/foo/default/web", None);
        check("/system.slice/ID-0123456789abcdef.service", None);
    }

    proptest! {
        #[test]
        fn any_path_is_taken(path in r"[-/:.@\\…a-f0-9lxcmachinescopeservice]{0,200}|.*") {
            let _ = outermost(&path.split('/').collect::<Vec<_>>());
        }
    }
}
