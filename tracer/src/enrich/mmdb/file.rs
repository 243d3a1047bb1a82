//! The bytes of a file as they were when it was opened, whoever writes to it since.
//!
//! The file is mapped and not copied, under a lease (`fcntl(2)`, Linux 2.4): whoever wants to write to it or to cut it short waits
//! until we have taken our copy. Without that, a file cut short would end the tracer by SIGBUS. Where no lease is given, since
//! somebody has the file open for writing, or its file system gives none, it is copied at once.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd as _, unix::fs::FileExt as _},
    path::Path,
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicBool, Ordering},
};

/// Larger files than this are refused.
const LARGEST: u64 = 1 << 30;

/// A file's bytes.
pub struct Bytes {
    start: NonNull<u8>,
    length: usize,
    file: File,
    /// The bytes are those of the file itself, which a lease protects.
    leased: AtomicBool,
}

// SAFETY: the memory is only read, and belongs to the value until it is dropped.
unsafe impl Send for Bytes {}
// SAFETY: as above; what replaces it has the same content.
unsafe impl Sync for Bytes {}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: so much was mapped and stays so; nobody changes it, which the lease, or the copy, sees to.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        // SAFETY: nobody refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

impl Bytes {
    /// Opens a file. Where it is leased, the kernel says with SIGIO that somebody waits to write ([`Self::keep`]); until there is a
    /// handler that signal is ignored.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: nobody else uses this signal; it would end the process.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
        let leased = lease(&file, libc::F_RDLCK).is_ok();
        let metadata = file.metadata()?;
        let refused = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
        if !metadata.is_file() {
            return Err(refused("it is no file"));
        }
        if metadata.len() == 0 {
            return Err(refused("it is empty"));
        }
        if metadata.len() > LARGEST {
            return Err(refused("it is larger than 1 GiB"));
        }
        let length = metadata.len() as usize;
        let start = if leased {
            map(Some(&file), length)?
        } else {
            copy(&file, length)?
        };
        Ok(Self {
            start,
            length,
            file,
            leased: AtomicBool::new(leased),
        })
    }

    /// Where somebody waits to write to the file, takes a copy, in place of what is mapped, and lets him. Returns whether it did.
    pub fn keep(&self) -> io::Result<bool> {
        if !self.leased.load(Ordering::Relaxed) {
            return Ok(false);
        }
        // SAFETY: no memory is involved.
        let held = unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_GETLEASE) };
        if held == libc::F_RDLCK {
            return Ok(false);
        }
        let copy = copy(&self.file, self.length)?;
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: both are mappings of that length of our own; whoever reads there finds the same bytes, before and after.
        let moved = unsafe {
            libc::mremap(
                copy.as_ptr().cast(),
                self.length,
                self.length,
                flags,
                self.start.as_ptr(),
            )
        };
        if moved == libc::MAP_FAILED {
            let error = io::Error::last_os_error();
            // SAFETY: the copy is ours alone.
            unsafe { libc::munmap(copy.as_ptr().cast(), self.length) };
            return Err(error);
        }
        self.leased.store(false, Ordering::Relaxed);
        lease(&self.file, libc::F_UNLCK).map(|()| true)
    }
}

fn lease(file: &File, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory is involved.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Memory of the file, or, without one, memory of our own.
fn map(file: Option<&File>, length: usize) -> io::Result<NonNull<u8>> {
    let (access, flags, descriptor) = match file {
        Some(file) => (libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd()),
        None => (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
        ),
    };
    // SAFETY: a new mapping, wherever the kernel likes.
    let start = unsafe { libc::mmap(ptr::null_mut(), length, access, flags, descriptor, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// The file's bytes in memory of our own.
fn copy(file: &File, length: usize) -> io::Result<NonNull<u8>> {
    let start = map(None, length)?;
    // SAFETY: it was just mapped with that length, can be written, and nobody else knows it.
    let memory = unsafe { slice::from_raw_parts_mut(start.as_ptr(), length) };
    if let Err(error) = file.read_exact_at(memory, 0) {
        // SAFETY: nobody refers to it any more.
        unsafe { libc::munmap(start.as_ptr().cast(), length) };
        return Err(error);
    }
    Ok(start)
}
