//! The control group of adbd's shells. On Android init kills all that is in it when adbd ends, whatever session it is in.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// A process that is being started while others are killed is seen at the next turn.
const TURNS: u32 = 100;
const TURN: Duration = Duration::from_millis(10);

pub struct Group {
    folder: PathBuf,
}

impl Group {
    pub fn create(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Who writes 0 into it is in the group from then on.
    pub fn entrance(&self) -> io::Result<File> {
        File::options()
            .write(true)
            .open(self.folder.join("cgroup.procs"))
    }

    pub fn kill(&self) {
        for _ in 0..TURNS {
            let inside = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
            let mut is_empty = true;
            for process in inside.lines().filter_map(|line| line.parse().ok()) {
                is_empty = false;
                // SAFETY: takes numbers. The kernel has just said that it is one of ours.
                unsafe { libc::kill(process, libc::SIGKILL) };
            }
            if is_empty {
                return;
            }
            thread::sleep(TURN);
        }
    }
}
