//! Where do runtimes keep the names of their containers?

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{bounded, runtime};

/// A container's file has some 30 kB, Podman's list about 1 kB per container.
const LIMIT: u64 = 1 << 20;

/// How many names are kept. When they are more all are forgotten, and read again as they are asked for.
const CAPACITY: usize = 10_000;

/// How many namespaces of containerd are looked into. There is one per tool that uses it.
const NAMESPACES: usize = 64;

/// What Podman writes to; the second list is of containers that go when they end (`--rm`).
const LISTS: [&str; 2] = ["containers.json", "volatile-containers.json"];

/// containerd's own state directory, and those of the Kubernetes distributions that bring their own containerd.
const CONTAINERD: [&str; 3] = [
    "run/containerd",
    "run/k3s/containerd",
    "var/snap/microk8s/common/run/containerd",
];

/// The names found so far, by id.
pub struct ContainerNames {
    root: PathBuf,
    known: HashMap<String, Arc<str>>,
}

impl ContainerNames {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            known: HashMap::new(),
        }
    }

    /// The name of a container. `homes` are the home directories in which a runtime without root may have written it. A
    /// name not found is looked for again the next time: some are written shortly after the start.
    pub fn name(&mut self, id: &str, homes: &[&str]) -> Option<Arc<str>> {
        if let Some(name) = self.known.get(id) {
            return Some(name.clone());
        }
        let name: Arc<str> = Arc::from(self.find(id, homes)?);
        if self.known.len() >= CAPACITY {
            self.known.clear();
        }
        self.known.insert(id.to_owned(), name.clone());
        Some(name)
    }

    fn find(&self, id: &str, homes: &[&str]) -> Option<String> {
        let root = &self.root;
        docker(&root.join("var/lib/docker"), id)
            // Before Podman, which would find the generated name of the same container in the storage they share.
            .or_else(|| {
                annotated(
                    &root
                        .join("run/containers/storage/overlay-containers")
                        .join(id)
                        .join("userdata"),
                )
            })
            .or_else(|| podman(&root.join("var/lib/containers/storage"), id))
            .or_else(|| podman(&root.join("run/containers/storage"), id))
            .or_else(|| containerd(root, id))
            .or_else(|| {
                homes
                    .iter()
                    .find_map(|home| rootless(&root.join(home.trim_start_matches('/')), id))
            })
    }
}

fn docker(data: &Path, id: &str) -> Option<String> {
    runtime::docker(&read(
        &data.join("containers").join(id).join("config.v2.json"),
    )?)
}

fn podman(storage: &Path, id: &str) -> Option<String> {
    let directory = storage.join("overlay-containers");
    LISTS
        .iter()
        .find_map(|list| runtime::podman(&read(&directory.join(list))?, id))
}

fn annotated(bundle: &Path) -> Option<String> {
    runtime::annotated(&read(&bundle.join("config.json"))?)
}

fn containerd(root: &Path, id: &str) -> Option<String> {
    CONTAINERD.iter().find_map(|state| {
        let namespaces =
            fs::read_dir(root.join(state).join("io.containerd.runtime.v2.task")).ok()?;
        namespaces
            .take(NAMESPACES)
            .flatten()
            .find_map(|namespace| annotated(&namespace.path().join(id)))
    })
}

fn rootless(home: &Path, id: &str) -> Option<String> {
    let data = home.join(".local/share");
    podman(&data.join("containers/storage"), id).or_else(|| docker(&data.join("docker"), id))
}

fn read(path: &Path) -> Option<Vec<u8>> {
    bounded::whole_not_linked(path, LIMIT).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::tree::Tree;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const LIST: &str = r#"[{"id":"ID","names":["web"]}]"#;

    /// `ID` stands for the id, in the path and in the contents.
    fn write(tree: &Tree, path: &str, contents: &str) {
        tree.write(&path.replace("ID", ID), contents.replace("ID", ID));
    }

    fn check(tree: &Tree, expected: Option<&str>) {
        let found = ContainerNames::new(tree.root()).name(ID, &["", "/home/anna"]);
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn each_runtime_is_asked_where_it_writes() {
        let kubernetes = r#"{"annotations":{"io.kubernetes.cri.container-name":"web"}}"#;
        for (path, contents) in [
            (
                "var/lib/docker/containers/ID/config.v2.json",
                r#"{"Name":"/web"}"#,
            ),
            (
                "var/lib/containers/storage/overlay-containers/containers.json",
                LIST,
            ),
            (
                "var/lib/containers/storage/overlay-containers/volatile-containers.json",
                LIST,
            ),
            (
                "run/containers/storage/overlay-containers/volatile-containers.json",
                LIST,
            ),
            (
                "home/anna/.local/share/containers/storage/overlay-containers/containers.json",
                LIST,
            ),
            (
                "home/anna/.local/share/docker/containers/ID/config.v2.json",
                r#"{"Name":"/web"}"#,
            ),
            (
                "run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json",
                kubernetes,
            ),
            (
                "run/containerd/io.containerd.runtime.v2.task/default/ID/config.json",
                kubernetes,
            ),
            (
                "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json",
                kubernetes,
            ),
            (
                "run/containers/storage/overlay-containers/ID/userdata/config.json",
                kubernetes,
            ),
        ] {
            let tree = Tree::new();
            check(&tree, None);
            write(&tree, path, contents);
            check(&tree, Some("web"));
        }
    }

    #[test]
    fn the_name_in_kubernetes_goes_before_the_one_in_the_storage_of_cri_o() {
        let tree = Tree::new();
        write(
            &tree,
            "var/lib/containers/storage/overlay-containers/containers.json",
            LIST,
        );
        write(
            &tree,
            "run/containers/storage/overlay-containers/ID/userdata/config.json",
            r#"{"annotations":{"io.kubernetes.container.name":"mail"}}"#,
        );
        check(&tree, Some("mail"));
    }

    #[test]
    fn a_name_written_late_is_found_and_a_found_one_is_kept() {
        let tree = Tree::new();
        let mut names = ContainerNames::new(tree.root());
        assert_eq!(names.name(ID, &[]), None);
        write(
            &tree,
            "var/lib/docker/containers/ID/config.v2.json",
            r#"{"Name":"/web"}"#,
        );
        assert_eq!(names.name(ID, &[]).as_deref(), Some("web"));
        drop(tree);
        assert_eq!(names.name(ID, &[]).as_deref(), Some("web"));
    }

    #[test]
    fn a_file_beyond_the_limit_gives_no_name() {
        let tree = Tree::new();
        let filler = " ".repeat(LIMIT as usize);
        write(
            &tree,
            "var/lib/docker/containers/ID/config.v2.json",
            &format!(r#"{{"Name":"/web"}}{filler}"#),
        );
        check(&tree, None);
    }

    #[test]
    fn no_more_names_are_kept_than_there_is_room_for() {
        let tree = Tree::new();
        write(
            &tree,
            "var/lib/docker/containers/ID/config.v2.json",
            r#"{"Name":"/web"}"#,
        );
        let mut names = ContainerNames::new(tree.root());
        names.known = (0..CAPACITY)
            .map(|id| (id.to_string(), Arc::from("x")))
            .collect();
        assert_eq!(names.name(ID, &[]).as_deref(), Some("web"));
        assert_eq!(names.known.len(), 1);
    }
}
