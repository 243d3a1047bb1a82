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

#[cfg(test)]
mod tests {
    use super::controller;

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
