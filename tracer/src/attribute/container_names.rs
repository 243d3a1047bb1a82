//! Where do runtimes keep the names of their containers?

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    bounded, runtime,
    scout::{Patience, Scout},
};

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
    read: Read,
    known: HashMap<String, Arc<str>>,
}

/// How a file is read.
type Read = fn(&Path) -> Option<Vec<u8>>;

/// One way to a name: from a folder, a container's id, and how a file is read.
type Way = fn(&Path, &str, Read) -> Option<String>;

/// Where a name may be, in the order in which it is looked for. CRI-O annotates before Podman's list, which has the generated
/// name of the same container in the storage they share.
const WAYS: [(&str, Way); 4] = [
    ("var/lib/docker", docker),
    ("run/containers/storage", annotated_of_cri_o),
    ("var/lib/containers/storage", podman),
    ("run/containers/storage", podman),
];

impl ContainerNames {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            read: |path| bounded::whole_not_linked(path, LIMIT).ok(),
            known: HashMap::new(),
        }
    }

    /// The name of a container. `homes` are the home directories in which a runtime without root may have written it. A
    /// name not found is looked for again the next time: some are written shortly after the start. A folder that does not
    /// answer is left out, and asked again after a while.
    pub fn name(
        &mut self,
        id: &str,
        homes: &[&str],
        scout: &mut Scout,
        patience: &mut Patience,
    ) -> Option<Arc<str>> {
        if let Some(name) = self.known.get(id) {
            return Some(name.clone());
        }
        let name: Arc<str> = Arc::from(self.find(id, homes, scout, patience)?);
        if self.known.len() >= CAPACITY {
            self.known.clear();
        }
        self.known.insert(id.to_owned(), name.clone());
        Some(name)
    }

    fn find(
        &self,
        id: &str,
        homes: &[&str],
        scout: &mut Scout,
        patience: &mut Patience,
    ) -> Option<String> {
        let containerd = CONTAINERD.iter().map(|state| (*state, containerd as Way));
        let rootless = homes
            .iter()
            .map(|home| (home.trim_start_matches('/'), rootless as Way));
        WAYS.into_iter()
            .chain(containerd)
            .chain(rootless)
            .find_map(|(folder, way)| {
                let (folder, id, read) = (self.root.join(folder), id.to_owned(), self.read);
                let place = folder.clone();
                scout.look(&place, patience, move || way(&folder, &id, read))
            })
    }
}

fn docker(data: &Path, id: &str, read: Read) -> Option<String> {
    runtime::docker(&read(
        &data.join("containers").join(id).join("config.v2.json"),
    )?)
}

fn podman(storage: &Path, id: &str, read: Read) -> Option<String> {
    let directory = storage.join("overlay-containers");
    LISTS
        .iter()
        .find_map(|list| runtime::podman(&read(&directory.join(list))?, id))
}

fn annotated_of_cri_o(storage: &Path, id: &str, read: Read) -> Option<String> {
    let bundle = storage.join("overlay-containers").join(id).join("userdata");
    annotated(&bundle, read)
}

fn annotated(bundle: &Path, read: Read) -> Option<String> {
    runtime::annotated(&read(&bundle.join("config.json"))?)
}

fn containerd(state: &Path, id: &str, read: Read) -> Option<String> {
    let namespaces = fs::read_dir(state.join("io.containerd.runtime.v2.task")).ok()?;
    namespaces
        .take(NAMESPACES)
        .flatten()
        .find_map(|namespace| annotated(&namespace.path().join(id), read))
}

fn rootless(home: &Path, id: &str, read: Read) -> Option<String> {
    let data = home.join(".local/share");
    podman(&data.join("containers/storage"), id, read)
        .or_else(|| docker(&data.join("docker"), id, read))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::attribute::tree::Tree;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const LIST: &str = r#"[{"id":"ID","names":["web"]}]"#;

    /// `ID` stands for the id, in the path and in the contents.
    fn write(tree: &Tree, path: &str, contents: &str) {
        tree.write(&path.replace("ID", ID), contents.replace("ID", ID));
    }

    /// The name, by somebody who has not looked for any before.
    fn name(names: &mut ContainerNames, homes: &[&str]) -> Option<String> {
        let found = names.name(ID, homes, &mut Scout::default(), &mut Patience::at(0));
        found.map(|name| name.to_string())
    }

    fn check(tree: &Tree, expected: Option<&str>) {
        let found = name(&mut ContainerNames::new(tree.root()), &["", "/home/anna"]);
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
        assert_eq!(name(&mut names, &[]), None);
        write(
            &tree,
            "var/lib/docker/containers/ID/config.v2.json",
            r#"{"Name":"/web"}"#,
        );
        assert_eq!(name(&mut names, &[]).as_deref(), Some("web"));
        drop(tree);
        assert_eq!(name(&mut names, &[]).as_deref(), Some("web"));
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
        assert_eq!(name(&mut names, &[]).as_deref(), Some("web"));
        assert_eq!(names.known.len(), 1);
    }

    #[test]
    fn a_folder_that_does_not_answer_costs_one_wait_and_hides_no_name_elsewhere() {
        let tree = Tree::new();
        let hangs = tree.pipe(&format!("var/lib/docker/containers/{ID}/config.v2.json"));
        write(
            &tree,
            "var/lib/containers/storage/overlay-containers/containers.json",
            LIST,
        );
        let mut names = ContainerNames::new(tree.root());
        // Unlike the real one it waits for a pipe, as that does for a file on a dead network mount.
        names.read = |path| fs::read(path).ok();
        let mut scout = Scout::default();
        let began = Instant::now();
        let mut name = || names.name(ID, &[], &mut scout, &mut Patience::at(0));
        assert_eq!(name(), None);
        assert_eq!(name().as_deref(), Some("web"));
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "it took {:?}",
            began.elapsed()
        );
        fs::write(hangs, "").expect("somebody reads");
    }
}
