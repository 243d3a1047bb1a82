//! What name does a runtime's file give a container?

use serde_json::Value;

/// A longer one is no name that anybody gave.
const LONGEST: usize = 255;

/// Docker's `config.v2.json`.
pub fn docker(file: &[u8]) -> Option<String> {
    let file: Value = serde_json::from_slice(file).ok()?;
    let name = file.get("Name")?.as_str()?;
    accepted(name.strip_prefix('/').unwrap_or(name))
}

/// `containers.json` of containers/storage, where Podman keeps all its containers.
pub fn podman(file: &[u8], id: &str) -> Option<String> {
    let file: Value = serde_json::from_slice(file).ok()?;
    let container = file
        .as_array()?
        .iter()
        .find(|container| container.get("id").and_then(Value::as_str) == Some(id))?;
    accepted(container.get("names")?.as_array()?.first()?.as_str()?)
}

/// The OCI `config.json`, in which containerd, nerdctl and CRI-O annotate the name. A sandbox, which holds the network of a
/// pod, has no name but its pod's.
pub fn annotated(file: &[u8]) -> Option<String> {
    let file: Value = serde_json::from_slice(file).ok()?;
    let annotations = file.get("annotations")?;
    [
        "io.kubernetes.cri.container-name",
        "nerdctl/name",
        "io.kubernetes.container.name",
        "io.kubernetes.cri.sandbox-name",
        "io.kubernetes.pod.name",
    ]
    .iter()
    .filter_map(|key| annotations.get(key)?.as_str())
    // CRI-O calls every sandbox so.
    .filter(|name| *name != "POD")
    .find_map(accepted)
}

fn accepted(name: &str) -> Option<String> {
    (!name.is_empty() && name.len() <= LONGEST && !name.contains(char::is_control))
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(found: impl Into<Option<String>>, expected: Option<&str>) {
        assert_eq!(found.into(), expected.map(str::to_owned));
    }

    #[test]
    fn docker_writes_a_slash_before_the_name() {
        check(
            docker(br#"{"ID":"x","Name":"/web","State":{}}"#),
            Some("web"),
        );
        check(docker(br#"{"Name":"web"}"#), Some("web"));
        check(docker(br#"{"Name":"/"}"#), None);
        check(docker(br#"{"Name":7}"#), None);
        check(docker(br#"{"Name":"/a\nb"}"#), None);
        check(docker(br#"{"Name":"/web"#), None);
        check(
            docker(format!(r#"{{"Name":"/{}"}}"#, "x".repeat(256)).as_bytes()),
            None,
        );
    }

    #[test]
    fn podman_lists_all_containers_with_their_names() {
        let file = br#"[{"id":"a","names":["one","alias"]},{"id":"b"},{"id":"c","names":[]},7,{"id":"d","names":["four"]}]"#;
        check(podman(file, "a"), Some("one"));
        check(podman(file, "b"), None);
        check(podman(file, "c"), None);
        check(podman(file, "d"), Some("four"));
        check(podman(file, "e"), None);
        check(podman(b"{}", "a"), None);
    }

    #[test]
    fn an_annotation_names_the_container_and_else_the_pod() {
        let of = |annotations: &str| {
            annotated(format!(r#"{{"annotations":{{{annotations}}}}}"#).as_bytes())
        };
        let pod = r#""io.kubernetes.cri.sandbox-name":"pod-1""#;
        check(
            of(&format!(
                r#"{pod},"io.kubernetes.cri.container-name":"web""#
            )),
            Some("web"),
        );
        check(of(r#""nerdctl/name":"web""#), Some("web"));
        check(
            of(r#""io.kubernetes.container.name":"web","io.kubernetes.pod.name":"pod-1""#),
            Some("web"),
        );
        check(
            of(r#""io.kubernetes.container.name":"POD","io.kubernetes.pod.name":"pod-1""#),
            Some("pod-1"),
        );
        check(of(pod), Some("pod-1"));
        check(of(r#""other":"x""#), None);
        check(annotated(b"{}"), None);
        check(annotated(br#"{"annotations":null}"#), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (docker(&file), podman(&file, "a"), annotated(&file));
        }

        #[test]
        fn a_file_that_was_cut_gives_no_name(end in 0_usize..16) {
            prop_assert_eq!(docker(&br#"{"Name":"/web"} "#[..end.min(14)]), None);
            prop_assert_eq!(podman(&br#"[{"id":"a","names":["x"]}]"#[..end], "a"), None);
        }
    }
}
