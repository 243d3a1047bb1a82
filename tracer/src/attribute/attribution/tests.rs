//! A program is the app that the rules of its machine say.

use std::fs;

use super::*;
use crate::attribute::{since_boot_ns, tree::Tree};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn program(uid: u32, executable: &str, cgroup: &str) -> Program {
    Program {
        uid,
        executable: Some(executable.to_owned()),
        command: Some(executable.to_owned()),
        cgroup: Some(cgroup.to_owned()),
        ..Program::default()
    }
}

/// Looks at the users, as after a while.
fn look_again(attribution: &mut Attribution) {
    let mut patience = Patience::at(since_boot_ns() + USERS_NS);
    attribution.refresh_at(&mut patience);
    if let Rules::Linux { looked_ns, .. } = &mut attribution.rules {
        *looked_ns = None;
    }
}

fn open(tree: &Tree, list: Option<PathBuf>) -> Attribution {
    let list = list.map_or(List::None, List::Given);
    Attribution::new(tree.root(), list).expect("the list was written")
}

/// `expected` is `app user kind version`, the version left out where it is empty.
fn check(attribution: &mut Attribution, program: &Program, expected: &str) {
    let found = attribution
        .identify(program, None)
        .expect("the program has a name");
    let kind = found.kind.label();
    let text = format!("{} {} {kind} {}", found.app, found.user, found.version);
    assert_eq!(text.trim_end(), expected, "{program:?}");
    assert_eq!(found.uid, program.uid);
}

#[test]
fn without_a_packages_list_linux_rules_hold() {
    let tree = Tree::new();
    tree.write("etc/passwd", "www:x:33:33::/var/www:/bin/false\n");
    tree.write(
        &format!("var/lib/docker/containers/{ID}/config.v2.json"),
        r#"{"Name":"/web"}"#,
    );
    let mut attribution = open(&tree, None);
    let contained = program(0, "nginx", &format!("/docker/{ID}"));
    check(&mut attribution, &contained, "web 0 container");
    let service = program(33, "nginx", "/system.slice/nginx.service");
    check(&mut attribution, &service, "nginx.service www service");
    check(
        &mut attribution,
        &program(33, "curl", "/"),
        "curl www executable",
    );
    assert_eq!(
        attribution.identify(&Program::default(), None),
        Err(Unattributed::NoName)
    );
    assert_eq!(attribution.reload_failures(), 0);
}

#[test]
fn a_rootless_container_is_named_by_the_files_of_its_user() {
    let tree = Tree::new();
    tree.write("etc/passwd", "anna:x:1000:1000::/home/anna:/bin/sh\n");
    tree.write(
        "home/anna/.local/share/containers/storage/overlay-containers/containers.json",
        format!(r#"[{{"id":"{ID}","names":["blog"]}}]"#),
    );
    let path = format!(
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container"
    );
    let mut attribution = open(&tree, None);
    check(
        &mut attribution,
        &program(100_999, "php", &path),
        "blog 100999 container",
    );
    check(
        &mut attribution,
        &program(1000, "php", &path),
        "blog anna container",
    );
}

#[test]
fn a_user_added_while_running_is_known_and_one_file_lost_is_counted_once() {
    let tree = Tree::new();
    let mut attribution = open(&tree, None);
    check(
        &mut attribution,
        &program(7, "curl", "/"),
        "curl 7 executable",
    );
    tree.write("etc/passwd", "new:x:7:7::/:/bin/sh\n");
    look_again(&mut attribution);
    check(
        &mut attribution,
        &program(7, "curl", "/"),
        "curl new executable",
    );
    fs::remove_file(tree.root().join("etc/passwd")).expect("the temporary directory is writable");
    look_again(&mut attribution);
    check(
        &mut attribution,
        &program(7, "curl", "/"),
        "curl new executable",
    );
    check(
        &mut attribution,
        &program(7, "curl", "/"),
        "curl new executable",
    );
    assert_eq!(attribution.reload_failures(), 1);
}

#[test]
fn a_packages_list_replaced_by_rename_while_running_is_noticed() {
    let tree = Tree::new();
    let list = tree.write("packages.list", "com.one 10001 0 /d s none 0 11\n");
    let mut attribution = open(&tree, Some(list.clone()));
    check(
        &mut attribution,
        &program(10_001, "app_process64", "/"),
        "com.one 0 android 11",
    );
    let next = tree.write("packages.list.tmp", "com.two 10001 0 /d s none 0 22\n");
    fs::rename(next, &list).expect("the temporary directory is writable");
    check(
        &mut attribution,
        &program(10_001, "app_process64", "/"),
        "com.two 0 android 22",
    );
    fs::remove_file(list).expect("the temporary directory is writable");
    check(
        &mut attribution,
        &program(10_001, "app_process64", "/"),
        "com.two 0 android 22",
    );
    assert_eq!(attribution.reload_failures(), 1);
}

#[test]
fn a_list_that_is_awaited_is_read_when_it_comes() {
    let tree = Tree::new();
    let path = tree.root().join("packages.list");
    let mut attribution =
        Attribution::new(tree.root(), List::Awaited(path)).expect("it need not be there");
    let program = program(10_001, "app_process64", "/");
    check(&mut attribution, &program, "uid:10001 0 android");
    tree.write("packages.list", "com.one 10001 0 /d s none 0 11\n");
    check(&mut attribution, &program, "com.one 0 android 11");
    assert_eq!(attribution.reload_failures(), 0);
}

#[test]
fn a_program_is_named_by_the_list_of_its_time() {
    let tree = Tree::new();
    let list = tree.write("packages.list", "com.one 10001 0 /d s none 0 11\n");
    let mut attribution = open(&tree, Some(list.clone()));
    let next = tree.write("packages.list.tmp", "com.two 10001 0 /d s none 0 22\n");
    let before = since_boot_ns();
    // The clock of files is coarse: a tick of the kernel.
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::rename(next, &list).expect("the temporary directory is writable");
    let program = program(10_001, "app_process64", "/");
    let mut name = |moment| {
        let found = attribution.identify(&program, moment);
        found.expect("Android always has a name").app.to_string()
    };
    assert_eq!(name(None), "com.two");
    assert_eq!(name(Some(before)), "com.one");
    assert_eq!(name(Some(since_boot_ns() + 20_000_000)), "com.two");
}

#[test]
fn a_socket_is_of_whom_it_is_used_for_on_android_alone() {
    let tree = Tree::new();
    let list = tree.write("packages.list", "com.one 10001\n");
    let socket = SocketUser {
        user: 10_001,
        charged: Some(10_001),
    };
    for (list, app) in [(Some(list), "com.one"), (None, "netd")] {
        let mut attribution = open(&tree, list);
        let found = attribution.identify_holder(program(0, "netd", "/"), &socket);
        assert_eq!(&*found.expect("it has a name").app, app);
    }
}

#[test]
fn with_a_packages_list_android_rules_hold_for_every_program() {
    let tree = Tree::new();
    let list = tree.write("packages.list", "com.one 10001\n");
    let mut attribution = open(&tree, Some(list));
    let service = program(0, "netd", "/system.slice/nginx.service");
    check(&mut attribution, &service, "root 0 android");
}

#[test]
fn a_packages_list_that_cannot_be_read_is_an_error_that_names_it_and_gives_a_hint() {
    let tree = Tree::new();
    let missing = tree.root().join("packages.list");
    let error = Attribution::new(tree.root(), List::Given(missing.clone()))
        .err()
        .expect("the list is missing")
        .to_string();
    assert!(
        error.contains(&missing.display().to_string()),
        "the error does not name the file: {error}"
    );
    assert!(
        error.contains("\nhint: "),
        "the error gives no hint: {error}"
    );
}
