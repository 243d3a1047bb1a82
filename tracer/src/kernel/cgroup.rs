//! Which control group hierarchy names containers and services on this machine?

use std::{fs, path::Path};

/// The v1 controller whose hierarchy the container runtimes and systemd manage (`pids`, else `memory`), `None` where only
/// the unified hierarchy is there. `table` is `/proc/cgroups`.
pub fn naming_controller(table: &Path) -> Option<&'static str> {
    controller(&fs::read_to_string(table).ok()?)
}

/// A controller whose hierarchy is number 0 belongs to the unified one or to none.
fn controller(table: &str) -> Option<&'static str> {
    ["pids", "memory"].into_iter().find(|wanted| {
        table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>()).any(
            |fields| matches!(fields[..], [name, hierarchy, _, "1"] if name == *wanted && hierarchy != "0"),
        )
    })
}

/// Where the hierarchy of a controller of the first version is mounted. `mounts` is `/proc/self/mounts`.
pub fn first_version<'a>(mounts: &'a str, controller: &str) -> Option<&'a str> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        let is_its = options.split(',').any(|option| option == controller);
        (kind == "cgroup" && is_its).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::{controller, first_version};

    #[test]
    fn the_mount_of_a_controller_is_found_by_its_options() {
        let mounts = "none /sys/fs/cgroup cgroup2 rw,pids 0 0\ncgroup /a cgroup rw,cpu,cpuacct 0 0\ncgroup /b cgroup rw,pids 0 0\n";
        assert_eq!(first_version(mounts, "pids"), Some("/b"));
        assert_eq!(first_version(mounts, "cpu"), Some("/a"));
        assert_eq!(first_version(mounts, "memory"), None);
        assert_eq!(first_version("", "pids"), None);
    }

    fn check(table: &str, expected: Option<&str>) {
        assert_eq!(controller(table), expected, "{table}");
    }

    #[test]
    fn a_controller_of_the_first_version_names_where_there_is_one() {
        check(
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t2\t1\npids\t8\t1\t1\n",
            Some("pids"),
        );
        check("memory\t4\t2\t1\npids\t0\t1\t1\n", Some("memory"));
        check("memory\t0\t2\t1\npids\t0\t1\t1\n", None);
        check("pids\t3\t2\t0\n", None);
        check("", None);
    }
}
