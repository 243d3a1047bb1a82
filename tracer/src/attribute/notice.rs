//! Was a file replaced just now?
//!
//! To look once a second would be too late to say which of two lists held when a program began.

use std::{io, os::fd::AsRawFd, os::fd::RawFd, path::Path};

use inotify::{Inotify, WatchMask};

/// Room for the events of a moment; more wait for their turn.
const EVENTS: usize = 4096;

/// Becomes readable when the file may have been replaced. Other files of its folder do that too.
pub struct Notice(Inotify);

impl Notice {
    /// Watches the folder: a file that is replaced by a rename is another one then. `None` where that cannot be had; then
    /// the file is looked at when it is asked for.
    pub fn of(path: &Path) -> Option<Self> {
        let inotify = Inotify::init().ok()?;
        // Android replaces its list by a rename. The folder has other files, which are written all the time.
        let mask = WatchMask::MOVED_TO;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        inotify
            .watches()
            .add(folder.unwrap_or(Path::new(".")), mask)
            .ok()?;
        Some(Self(inotify))
    }

    /// Forgets what was noticed.
    pub fn clear(&mut self) -> io::Result<()> {
        let mut buffer = [0; EVENTS];
        loop {
            match self.0.read_events(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsRawFd for Notice {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::tree::Tree;

    fn is_readable(notice: &Notice) -> bool {
        let mut poll = libc::pollfd {
            fd: notice.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one structure is given.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    }

    #[test]
    fn a_file_that_is_replaced_is_noticed_until_that_is_cleared() {
        let tree = Tree::new();
        let path = tree.write("list", "one");
        let mut notice = Notice::of(&path).expect("this kernel has inotify");
        assert!(!is_readable(&notice));
        let next = tree.write("next", "two");
        assert!(!is_readable(&notice));
        std::fs::rename(next, &path).expect("the temporary directory is writable");
        assert!(is_readable(&notice));
        notice.clear().expect("read it");
        assert!(!is_readable(&notice));
    }
}
