//! Control groups to run programs in.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A control group that goes with the value, and so do the parents that were made for it, unless
/// another group is in them.
pub struct Group {
    pub path: PathBuf,
    made: Vec<PathBuf>,
}

impl Group {
    pub fn new(mount: &Path, name: &str) -> Self {
        let (mut path, mut made) = (mount.to_owned(), Vec::new());
        for component in name.split('/') {
            path.push(component);
            if !path.exists() {
                fs::create_dir(&path).expect("make a control group");
                made.push(path.clone());
            }
        }
        Self { path, made }
    }

    /// The same command, but started by a process that is in the group.
    pub fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("sh");
        inside.args(["-c", r#"echo $$ > "$0/cgroup.procs" && exec "$@""#]);
        inside.arg(&self.path).arg(command.get_program());
        inside.args(command.get_args());
        inside
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            let _ = fs::remove_dir(path);
        }
    }
}

/// Where the hierarchy of a controller of the first version is mounted, or the unified one.
pub fn mounted(controller: Option<&str>) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect());
    let found: Vec<&str> = mounts.find(|mount: &Vec<&str>| match controller {
        None => mount[2] == "cgroup2",
        Some(name) => mount[2] == "cgroup" && mount[3].split(',').any(|option| option == name),
    })?;
    Some(PathBuf::from(found[1]))
}

/// Where container runtimes put their groups: as `tracer/src/kernel/cgroup.rs` has it.
pub fn naming() -> PathBuf {
    let first = mounted(Some("pids")).or_else(|| mounted(Some("memory")));
    let found = first.or_else(|| mounted(None));
    found.expect("control groups; hint: mount cgroup2")
}
