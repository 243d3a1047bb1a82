//! Where do tests put files? In a directory of their own, which goes when they end.

use std::{
    ffi::CString,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

pub struct Tree(PathBuf);

impl Tree {
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "tracer-attribute-{}-{}",
            process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).expect("the temporary directory is writable");
        Self(root)
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Writes a file below the root, and the directories it needs.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("it is below the root"))
            .expect("the temporary directory is writable");
        fs::write(&path, contents).expect("the temporary directory is writable");
        path
    }

    /// Makes a pipe below the root. To open one waits until somebody writes to it.
    pub fn pipe(&self, path: &str) -> PathBuf {
        let path = self.write(path, "");
        fs::remove_file(&path).expect("it was written");
        let name = CString::new(path.as_os_str().as_bytes()).expect("a path has no zero");
        // SAFETY: the name ends in a zero.
        let made = unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
        assert_eq!(made, 0, "make a pipe in the temporary directory");
        path
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
