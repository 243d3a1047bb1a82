//! Which app is a program, by the rules of Linux?

use std::sync::Arc;

use super::{
    cgroup::{self, Owner},
    container::Container,
};
use crate::model::{Kind, Program, Unattributed};

/// As many digits of a container's id as `docker ps` shows.
const SHORT_ID: usize = 12;

/// The name of an app, and what gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub app: Arc<str>,
    pub kind: Kind,
}

/// The first that holds: container, service or desktop app of the control group, executable. `name_of` is asked for the
/// name of a container by its id and the path it was found in.
pub fn app(
    program: &Program,
    name_of: impl FnOnce(&str, &str) -> Option<Arc<str>>,
) -> Result<App, Unattributed> {
    let (path, owner) = owner(program);
    let (app, kind) = match owner {
        Some(Owner::Container(Container::Id(id))) => (
            name_of(&id, path).unwrap_or_else(|| Arc::from(&id[..SHORT_ID])),
            Kind::Container,
        ),
        Some(Owner::Container(Container::Name(name))) => (Arc::from(name), Kind::Container),
        Some(Owner::Service(label)) => (Arc::from(label), Kind::Service),
        Some(Owner::Desktop(id)) => (Arc::from(id), Kind::Desktop),
        None => (executable(program)?, Kind::Executable),
    };
    Ok(App { app, kind })
}

/// Who owns the control group, and the path that says so. A container is one in whichever hierarchy it shows; of the
/// others the unified one knows more.
fn owner(program: &Program) -> (&str, Option<Owner>) {
    let path = program.cgroup.as_deref().unwrap_or_default();
    let unified = program.unified.as_deref().unwrap_or_default();
    match (cgroup::owner(path), cgroup::owner(unified)) {
        (first @ Some(Owner::Container(_)), _) | (first, None) => (path, first),
        (_, second) => (unified, second),
    }
}

/// What a program was told to call itself, its command and its threads, is no name: it can say anything.
fn executable(program: &Program) -> Result<Arc<str>, Unattributed> {
    if program.kernel_thread {
        return Ok(Arc::from("kernel"));
    }
    match program.executable.as_deref() {
        None | Some("") => Err(Unattributed::NoName),
        Some(name) => Ok(Arc::from(name)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// The only container with a name is `ID`, named `web`.
    fn check(program: &Program, expected: Result<(&str, Kind), Unattributed>) {
        let found = app(program, |id, _| (id == ID).then(|| Arc::from("web")));
        assert_eq!(
            found,
            expected.map(|(app, kind)| App {
                app: Arc::from(app),
                kind
            }),
            "{program:?}"
        );
    }

    fn program(executable: Option<&str>, cgroup: &str) -> Program {
        Program {
            executable: executable.map(str::to_owned),
            command: Some("anything".to_owned()),
            cgroup: Some(cgroup.to_owned()),
            ..Program::default()
        }
    }

    #[test]
    fn on_a_hybrid_machine_a_container_is_one_in_either_hierarchy_and_the_unified_one_knows_the_rest()
     {
        for (cgroup, unified, name, kind) in [
            (
                "/docker/ID",
                "/system.slice/containerd.service",
                "web",
                Kind::Container,
            ),
            (
                "/system.slice/a.service",
                "/docker/ID",
                "web",
                Kind::Container,
            ),
            (
                "/user.slice/user-1000.slice",
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-org.example.App-7.scope",
                "org.example.App",
                Kind::Desktop,
            ),
            (
                "/system.slice/nginx.service",
                "/",
                "nginx.service",
                Kind::Service,
            ),
            ("/", "/", "curl", Kind::Executable),
        ] {
            let unified = Some(unified.replace("ID", ID));
            let program = program(Some("curl"), &cgroup.replace("ID", ID));
            check(&Program { unified, ..program }, Ok((name, kind)));
        }
    }

    #[test]
    fn the_control_group_goes_before_the_executable() {
        let unnamed = ID.replace('0', "f");
        for (cgroup, name, kind) in [
            (format!("/docker/{ID}"), "web", Kind::Container),
            (
                format!("/docker/{unnamed}"),
                "f123456789ab",
                Kind::Container,
            ),
            ("/lxc/mail".to_owned(), "mail", Kind::Container),
            (
                "/system.slice/nginx.service".to_owned(),
                "nginx.service",
                Kind::Service,
            ),
            (
                "/user.slice/app-org.a.B-1.scope".to_owned(),
                "org.a.B",
                Kind::Desktop,
            ),
            (
                "/user.slice/user-0.slice/session-1.scope".to_owned(),
                "curl",
                Kind::Executable,
            ),
            ("…/container".to_owned(), "curl", Kind::Executable),
            (String::new(), "curl", Kind::Executable),
        ] {
            check(&program(Some("curl"), &cgroup), Ok((name, kind)));
        }
    }

    #[test]
    fn a_thread_of_the_kernel_is_the_kernel() {
        check(
            &Program {
                kernel_thread: true,
                ..Program::default()
            },
            Ok(("kernel", Kind::Executable)),
        );
    }

    #[test]
    fn a_program_without_executable_is_never_named_by_its_command() {
        check(&program(None, "/"), Err(Unattributed::NoName));
        check(&program(Some(""), "/"), Err(Unattributed::NoName));
        check(
            &program(None, "/system.slice/nginx.service"),
            Ok(("nginx.service", Kind::Service)),
        );
    }

    proptest! {
        #[test]
        fn an_app_is_never_empty(executable in proptest::option::of(".{0,8}"), cgroup in r"[-/.@\\xa-f0-9lxcapser]{0,40}") {
            if let Ok(found) = app(&program(executable.as_deref(), &cgroup), |_, _| None) {
                prop_assert!(!found.app.is_empty());
            }
        }
    }
}
