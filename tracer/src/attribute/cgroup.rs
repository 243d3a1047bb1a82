//! What in the path of a control group names an app?

use super::{
    container::{self, Container},
    desktop, service,
};

/// Who owns a control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    Container(Container),
    /// The label of the service.
    Service(String),
    /// The id of the application.
    Desktop(String),
}

/// The owner of a path, `None` where it names no app: a login session, a terminal, the root.
pub fn owner(path: &str) -> Option<Owner> {
    let components: Vec<&str> = path.split('/').collect();
    if let Some(container) = container::outermost(&components) {
        return Some(Owner::Container(container));
    }
    // The system's own manager starts no desktop apps: an `app-server.service` there is a service like any other.
    let of_system = components.contains(&"system.slice");
    // What the system's manager has started may make groups below its own, and name them like other services.
    let mut in_order = components;
    if !of_system {
        in_order.reverse();
    }
    for component in in_order {
        // systemd puts `_` before a name that could be taken for a file of the kernel, such as `cpu.service`, and before
        // one that begins with it.
        let unit = component.strip_prefix('_').unwrap_or(component);
        if let Some(stem) = unit.strip_suffix(".service") {
            let desktop = if of_system {
                None
            } else {
                desktop::of_service(stem)
            };
            return desktop
                .map(Owner::Desktop)
                .or_else(|| service::label(stem).map(Owner::Service));
        }
        if let Some(id) = unit.strip_suffix(".scope").and_then(desktop::of_scope) {
            return Some(Owner::Desktop(id));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const USER: &str = "/user.slice/user-1000.slice/user@1000.service";

    /// `ID` and `USER` stand for a container's id and the path of a user's manager.
    fn check(path: &str, expected: impl Into<Option<Owner>>) {
        let path = path.replace("ID", ID).replace("USER", USER);
        assert_eq!(owner(&path), expected.into(), "{path}");
    }

    fn service(label: &str) -> Owner {
        Owner::Service(label.to_owned())
    }

    fn desktop(id: &str) -> Owner {
        Owner::Desktop(id.to_owned())
    }

    #[test]
    fn the_service_nearest_to_the_leaf_is_the_owner() {
        check("/system.slice/nginx.service", service("nginx.service"));
        check(
            "/system.slice/systemd-udevd.service/udev",
            service("systemd-udevd.service"),
        );
        check(
            "/system.slice/system-getty.slice/getty@tty1.service",
            service("getty@tty1.service"),
        );
        check(
            "USER/app.slice/pipewire.service",
            service("pipewire.service"),
        );
        check(
            "USER/session.slice/org.gnome.Shell@wayland.service",
            service("org.gnome.Shell@wayland.service"),
        );
        check(
            "USER/app.slice/snap.lxd.daemon.service",
            service("snap.lxd.daemon.service"),
        );
        check("/system.slice/_cpu.service", service("cpu.service"));
        check("/system.slice/__x.service", service("_x.service"));
        check("…/nginx.service/workers", service("nginx.service"));
        check(
            "/system.slice/app-server@1.service",
            service("app-server@1.service"),
        );
    }

    #[test]
    fn a_desktop_app_is_the_owner_below_its_users_manager() {
        check(
            "USER/app.slice/app-gnome-firefox-1234.scope",
            desktop("firefox"),
        );
        check(
            "USER/app.slice/app-org.kde.dolphin@0f3a.service",
            desktop("org.kde.dolphin"),
        );
        check(
            "USER/app.slice/snap.firefox.firefox-01234567-89ab-cdef-0123-456789abcdef.scope",
            desktop("firefox"),
        );
        check(
            "USER/app.slice/app-org.gnome.Terminal.slice/app-org.gnome.Terminal-7.scope",
            desktop("org.gnome.Terminal"),
        );
    }

    #[test]
    fn a_container_goes_before_any_service() {
        let container = Owner::Container(Container::Id(ID.to_owned()));
        check("/docker/ID/system.slice/nginx.service", container.clone());
        check("/system.slice/web.service/libpod-payload-ID", container);
    }

    #[test]
    fn a_supervisor_of_containers_goes_by_its_service_or_its_executable() {
        check(
            "/system.slice/web.service/supervisor",
            service("web.service"),
        );
        check("/machine.slice/libpod-conmon-ID.scope", None);
        check("USER/user.slice/libpod-conmon-ID.scope", None);
    }

    #[test]
    fn what_only_holds_other_programs_is_no_owner() {
        for path in [
            "",
            "/",
            "/init.scope",
            "/user.slice/user-1000.slice/session-3.scope",
            "USER/init.scope",
            "USER/app.slice/run-u12.service",
            "USER/app.slice/run-r0f3a.scope",
            "USER/app.slice/app-org.gnome.Terminal.slice/vte-spawn-01234567-89ab-cdef-0123-456789abcdef.scope",
            "/system.slice/run-u12.service",
            "/system.slice/ID-5f3a.service",
            "/system.slice",
            "…/user@1000.service",
        ] {
            check(path, None);
        }
    }

    proptest! {
        #[test]
        fn any_path_is_taken(path in r"((/|…/|app-|_|@|x\.|\.service|\.scope|\.slice|machine-|lxc|[a-f0-9]{64})|.){0,12}") {
            let _ = owner(&path);
        }
    }
}
