//! The map in which `netd` keeps whom a socket is charged to: `cookie_tag_map`, from a cookie to a uid and a tag.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};

use crate::bpf;

const HASH: u32 = 1;
/// As large as Android's.
const ENTRIES: u32 = 10_000;

pub struct Charges(OwnedFd);

impl Charges {
    /// Makes it, and pins it where others find it.
    pub fn pin(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        let mut attributes = bpf::Attributes::default();
        attributes[..4].copy_from_slice(&[HASH, 8, 8, ENTRIES]);
        let map = bpf::open(bpf::MAP_CREATE, &mut attributes).context("make the map")?;
        let name = CString::new(path.display().to_string()).context("the path of the map")?;
        let mut attributes = bpf::Attributes::default();
        attributes[..2].copy_from_slice(&bpf::words(name.as_ptr()));
        attributes[2] = map.as_raw_fd() as u32;
        bpf::call(bpf::OBJ_PIN, &mut attributes)
            .with_context(|| format!("pin {}", path.display()))?;
        Ok(Self(map))
    }

    /// What passes over the socket is charged to `user`, until it is forgotten.
    pub fn charge(&self, cookie: u64, user: u32) -> Result<()> {
        let value = [user, 0xffff_ff81];
        let mut attributes = self.of(&cookie);
        attributes[4..6].copy_from_slice(&bpf::words(value.as_ptr()));
        bpf::call(bpf::MAP_UPDATE, &mut attributes).context("charge a socket")?;
        Ok(())
    }

    pub fn forget(&self, cookie: u64) -> Result<()> {
        bpf::call(bpf::MAP_DELETE, &mut self.of(&cookie)).context("forget a socket")?;
        Ok(())
    }

    fn of(&self, cookie: &u64) -> bpf::Attributes {
        let mut attributes = bpf::Attributes::default();
        attributes[0] = self.0.as_raw_fd() as u32;
        attributes[2..4].copy_from_slice(&bpf::words(std::ptr::from_ref(cookie)));
        attributes
    }
}
