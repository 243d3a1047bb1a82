//! How does one get from a task to its control groups, their names and numbers?
//!
//! Two groups, one in the other, are made for a process of ours and removed again: of those that are there already the root
//! has no name, and others may not be visible from where the tracer runs.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use anyhow::Context as _;

use super::{
    Offsets,
    peek::Peek,
    search::{Places, Ways, all, is_address, number},
    task::{Process, TASK_BYTES},
};
use crate::kernel::{attach, cgroup};

/// Bytes that are looked at of a `struct css_set`; it has 500.
const SET_BYTES: usize = 512;
/// Of a `struct cgroup`; what is looked for stands in its first 400.
const GROUP_BYTES: usize = 1024;
/// Of a `struct cgroup_subsys_state`; the group is its first member.
const STATE_BYTES: usize = 128;
/// Of a `struct kernfs_node`; it has 128.
const NODE_BYTES: usize = 128;
/// How the groups are called, and the process behind it. Those of a tracer that was killed are removed by the next.
const PREFIX: &str = "tracer-start-";

/// Two groups, one in the other, removed with the value.
struct Groups(PathBuf);

impl Groups {
    /// In the hierarchy that is mounted at `root`.
    fn make(root: &Path) -> anyhow::Result<Self> {
        for entry in fs::read_dir(root)
            .with_context(|| format!("read {}", root.display()))?
            .flatten()
        {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let owner = name.strip_prefix(PREFIX);
            if owner.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                let _ = fs::remove_dir(entry.path().join("inner"));
                let _ = fs::remove_dir(entry.path());
            }
        }
        let groups = Self(root.join(format!("{PREFIX}{}", std::process::id())));
        fs::create_dir_all(groups.inner()).with_context(|| {
            format!(
                "make the control group {}\nhint: this kernel has no BTF, so a control group is needed for a moment; let the tracer write there",
                groups.0.display()
            )
        })?;
        Ok(groups)
    }

    fn inner(&self) -> PathBuf {
        self.0.join("inner")
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for path in [self.inner(), self.0.clone()] {
            // A process that has ended leaves its group a moment later.
            for _ in 0..100 {
                match fs::remove_dir(&path) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        sleep(Duration::from_millis(10));
                    }
                    _ => break,
                }
            }
        }
    }
}

/// A group of which all is known.
struct Group {
    address: u64,
    number: u64,
    name: Vec<u8>,
    /// Way from the task to it: of the process that was put into it.
    task: Vec<u8>,
}

/// Puts the process into a group.
fn enter(peek: &Peek, process: &Process, path: &Path) -> anyhow::Result<Group> {
    let file = path.join("cgroup.procs");
    fs::write(&file, process.stand_by.process().to_string())
        .with_context(|| format!("write {}", file.display()))?;
    let name = path.file_name().context("a group has a name")?;
    Ok(Group {
        address: peek.watched()?.cgroup,
        number: fs::metadata(path)
            .with_context(|| format!("ask for {}", path.display()))?
            .ino(),
        name: [name.as_encoded_bytes(), &[0]].concat(),
        task: peek.bytes(process.task, TASK_BYTES)?,
    })
}

/// The processes are ended, or the groups could not be removed.
pub fn measure(peek: &Peek, processes: Vec<Process>, offsets: &mut Offsets) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts")?;
    let root = attach::unified(&mounts).context(
        "no unified control group hierarchy is mounted\nhint: mount -t cgroup2 none /sys/fs/cgroup",
    )?;
    let groups = Groups::make(Path::new(root))?;
    let result = unified(peek, &processes, &groups, offsets);
    let result = result.and_then(|()| first_version(peek, &processes, &mounts, offsets));
    drop(processes);
    drop(groups);
    result
}

/// The hierarchy in which every task is.
fn unified(
    peek: &Peek,
    processes: &[Process],
    groups: &Groups,
    offsets: &mut Offsets,
) -> anyhow::Result<()> {
    let mut sets = Ways::default();
    let mut nodes: Ways<u32> = Ways::default();
    let (mut outer, mut inner) = (None, None);
    for process in processes {
        for path in [&groups.0, &groups.inner()] {
            let group = enter(peek, process, path)?;
            sets.keep(&group.task, |address| {
                let bytes = peek.bytes(address, SET_BYTES)?;
                Ok(all(&bytes, 8, &group.address.to_ne_bytes()))
            })?;
            nodes.keep(&peek.bytes(group.address, GROUP_BYTES)?, |address| {
                let bytes = peek.bytes(address, NODE_BYTES)?;
                let numbers = all(&bytes, 8, &group.number.to_ne_bytes());
                Ok(if names(peek, &bytes, &group.name)?.is_empty() {
                    Vec::new()
                } else {
                    numbers
                })
            })?;
            outer = inner.replace(group);
        }
    }
    let (outer, inner) = outer.zip(inner).context("no process was moved")?;
    let (set, group) = sets.only("TASK_CGROUPS, CGROUPS_UNIFIED")?;
    let (node, id) = nodes.only("CGROUP_NODE, NODE_ID")?;
    let mut places = Places::default();
    let mut addresses = Vec::new();
    for group in [&outer, &inner] {
        let address = peek.pointer(group.address + u64::from(node))?;
        let bytes = peek.bytes(address, NODE_BYTES)?;
        let found = names(peek, &bytes, &group.name)?;
        places.keep("NODE_NAME", 8, &bytes, |rest| {
            found.contains(&((bytes.len() - rest.len()) as u32))
        });
        addresses.push((address, bytes));
    }
    let parent = addresses[0].0.to_ne_bytes();
    places.look("NODE_PARENT", 8, &addresses[1].1, &parent);
    for (name, offset) in [
        ("TASK_CGROUPS", set),
        ("CGROUPS_UNIFIED", group),
        ("CGROUP_NODE", node),
        ("NODE_ID", id),
        ("NODE_NAME", places.only("NODE_NAME")?),
        ("NODE_PARENT", places.only("NODE_PARENT")?),
    ] {
        offsets.put(name, offset);
    }
    Ok(())
}

/// Where in a node the address of its name stands.
fn names(peek: &Peek, node: &[u8], name: &[u8]) -> anyhow::Result<Vec<u32>> {
    let mut found = Vec::new();
    for at in (0..node.len()).step_by(8) {
        let address = number::<8>(node, at).unwrap_or(0);
        // A name is not aligned.
        if is_address(address & !7) && peek.bytes(address, name.len())?.starts_with(name) {
            found.push(at as u32);
        }
    }
    Ok(found)
}

/// The hierarchy of the first version that names, where there is one: a set has a state for each kind of control, and the
/// state leads to the group. The place in the set is that of the whole row: `CGROUPS_SUBSYSTEMS` is it, and the index 0.
fn first_version(
    peek: &Peek,
    processes: &[Process],
    mounts: &str,
    offsets: &mut Offsets,
) -> anyhow::Result<()> {
    let Some(controller) = cgroup::naming_controller(Path::new("/proc/cgroups")) else {
        return Ok(());
    };
    let root = cgroup::first_version(mounts, controller).with_context(|| {
        format!("the control group hierarchy of {controller} is not mounted\nhint: mount -t cgroup -o {controller} none DIRECTORY")
    })?;
    let groups = Groups::make(Path::new(root))?;
    let result = states(peek, processes, &groups, offsets);
    // The groups are left by going back to the root, which is always there.
    for process in processes {
        let _ = fs::write(
            Path::new(root).join("cgroup.procs"),
            process.stand_by.process().to_string(),
        );
    }
    result
}

fn states(
    peek: &Peek,
    processes: &[Process],
    groups: &Groups,
    offsets: &mut Offsets,
) -> anyhow::Result<()> {
    let set = u64::from(offsets.get("TASK_CGROUPS")?);
    let mut states = Ways::default();
    for process in processes {
        for path in [&groups.0, &groups.inner()] {
            let group = enter(peek, process, path)?;
            let address = peek.pointer(process.task + set)?;
            // The group has the same row, of its own states; so it leads back.
            let row = peek.bytes(group.address, GROUP_BYTES)?;
            states.keep(&peek.bytes(address, SET_BYTES)?, |address| {
                if all(&row, 8, &address.to_ne_bytes()).is_empty() {
                    return Ok(Vec::new());
                }
                let bytes = peek.bytes(address, STATE_BYTES)?;
                Ok(all(&bytes, 8, &group.address.to_ne_bytes()))
            })?;
        }
    }
    let (state, group) = states.only("CGROUPS_SUBSYSTEMS, SUBSYSTEM_CGROUP")?;
    offsets.put("CGROUPS_SUBSYSTEMS", state);
    offsets.put("SUBSYSTEM_CGROUP", group);
    offsets.put("CGROUP_SUBSYSTEM", 0);
    Ok(())
}
