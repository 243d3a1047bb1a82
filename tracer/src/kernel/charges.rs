//! Does Android's `netd` tell whom it charges for which socket?
//!
//! Its map `cookie_tag_map` has the uid that pays for a socket, where that is not the one that made it: a download manager
//! fetches for others. The kernel side reads it in place of a map of its own.

use std::path::{Path, PathBuf};

use aya::maps::{MapData, MapType};
use tracer_common::Charge;

use super::preallocated::{ALLOCATES, hashes_may_allocate};

/// Where BPF's objects are pinned.
pub const FOLDER: &str = "/sys/fs/bpf";

/// Below it: since Android 13, where `netd`'s programs are part of a module, and before.
const MAPS: [&str; 2] = [
    "netd_shared/map_netd_cookie_tag_map",
    "map_netd_cookie_tag_map",
];

/// The map, where there is one that can be read and has the form that is expected.
pub fn find(folder: &Path) -> Option<PathBuf> {
    MAPS.iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists() && is_right(path))
}

fn is_right(path: &Path) -> bool {
    let Ok(info) = MapData::from_pin(path).and_then(|map| map.info()) else {
        return false;
    };
    matches!(info.map_type(), Ok(MapType::Hash | MapType::LruHash))
        && info.key_size() as usize == size_of::<u64>()
        && info.value_size() as usize == size_of::<Charge>()
        // Android's has all of its entries from the start on.
        && (info.map_flags() & ALLOCATES == 0 || hashes_may_allocate())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_it_and_a_file_that_is_no_map_give_none() {
        let folder = std::env::temp_dir().join(format!("tracer-charges-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("create a folder");
        assert_eq!(find(&folder), None);
        std::fs::write(folder.join(MAPS[1]), "no map").expect("write a file");
        assert_eq!(find(&folder), None);
        std::fs::remove_dir_all(&folder).expect("remove it");
    }
}
