//! Reads whole maps, thousands of entries a system call (`BPF_MAP_LOOKUP_BATCH`, since 5.6).

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use super::scheduling::Unpreempted;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
/// `union bpf_attr`, the part of the batch commands (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Room for one call, kept from one reading to the next.
pub struct Batch<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
    /// Entries a call.
    entries: usize,
}

impl<K, V> Batch<K, V>
where
    K: Clone + Default + FromBytes + IntoBytes + Immutable + KnownLayout,
    V: Clone + FromBytes + IntoBytes + Immutable + KnownLayout,
{
    /// Reads `entries` a call. A bucket of the map must fit into one; the kernel's hash keeps them below ten.
    pub fn new(entries: usize) -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
            entries,
        }
    }

    /// Hands every entry of the hash map to `each`. An entry that is there all the while is seen exactly once. Returns how
    /// many there were.
    pub fn read(&mut self, map: BorrowedFd<'_>, mut each: impl FnMut(&K, &V)) -> io::Result<u64> {
        self.keys.resize(self.entries, K::default());
        self.values.resize_with(self.entries, V::new_zeroed);
        let mut total = 0;
        let mut position = 0_u32;
        let mut first = true;
        loop {
            let mut next = 0_u32;
            let mut attributes = Attributes {
                in_batch: if first {
                    0
                } else {
                    (&raw const position) as u64
                },
                out_batch: (&raw mut next) as u64,
                keys: self.keys.as_mut_ptr() as u64,
                values: self.values.as_mut_ptr() as u64,
                count: self.entries as u32,
                map_fd: map.as_raw_fd() as u32,
                ..Attributes::default()
            };
            let reading = Unpreempted::begin();
            // SAFETY: the kernel writes at most `count` keys and values of the map's sizes, which are those of `K` and
            // `V`: both come from the same ABI crate as the map's definition, and the object is compared with it at load.
            let result = unsafe {
                libc::syscall(
                    libc::SYS_bpf,
                    BPF_MAP_LOOKUP_BATCH,
                    &raw mut attributes,
                    size_of::<Attributes>(),
                )
            };
            let error = (result < 0).then(io::Error::last_os_error);
            drop(reading);
            let last = match error {
                None => false,
                Some(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                Some(error) => return Err(error),
            };
            let count = attributes.count as usize;
            for (key, value) in self.keys.iter().zip(&self.values).take(count) {
                each(key, value);
            }
            total += count as u64;
            if last {
                return Ok(total);
            }
            position = next;
            first = false;
        }
    }
}
