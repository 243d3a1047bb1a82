//! Which process holds which socket? Asked of `/proc`.

use std::{collections::HashMap, fs, path::Path};

use super::namespaces::{number, numbered};

/// By the inode of the socket: the process with the smallest number where several hold it.
pub fn processes_of_sockets() -> HashMap<u32, u32> {
    let mut holders = HashMap::new();
    for process in numbered(Path::new("/proc")) {
        let Some(number) = number(&process) else {
            continue;
        };
        for descriptor in numbered(&process.join("fd")) {
            let Ok(target) = fs::read_link(descriptor) else {
                continue;
            };
            let inode = target.to_str().and_then(|text| {
                text.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            });
            if let Some(inode) = inode {
                holders.entry(inode).or_insert(number);
            }
        }
    }
    holders
}
