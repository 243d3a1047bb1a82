//! How much of a file is taken in, and what kinds of file are opened at all?

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// A whole regular file, and its metadata at the moment it was opened. One larger than `limit` is an error, because half a
/// file would give wrong names.
pub fn whole(path: &Path, limit: u64) -> io::Result<(Vec<u8>, Metadata)> {
    read_whole(open(path, 0)?, limit)
}

/// Like [`whole`], for a file in a place where a user may write: a symbolic link in its stead is not followed.
pub fn whole_not_linked(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (contents, _) = read_whole(open(path, libc::O_NOFOLLOW)?, limit)?;
    Ok(contents)
}

/// The first `limit` bytes of a file.
pub fn head(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    open(path, 0)?.take(limit).read_to_end(&mut contents)?;
    Ok(contents)
}

/// Opening a pipe without `O_NONBLOCK` would wait for its writer for ever.
fn open(path: &Path, flags: i32) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(flags | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

fn read_whole(file: File, limit: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let too_large = || {
        io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {limit} bytes"),
        )
    };
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut contents = Vec::new();
    // It may have grown since, and files of /proc have no size.
    file.take(limit + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > limit {
        return Err(too_large());
    }
    Ok((contents, metadata))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::attribute::tree::Tree;

    fn check(path: &Path, limit: u64, whole_file: Option<&str>, not_linked: Option<&str>) {
        let text = |contents: Vec<u8>| String::from_utf8(contents).expect("tests write text");
        assert_eq!(
            whole(path, limit)
                .ok()
                .map(|(contents, _)| text(contents))
                .as_deref(),
            whole_file
        );
        assert_eq!(
            whole_not_linked(path, limit).ok().map(text).as_deref(),
            not_linked
        );
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_only_where_it_is_one() {
        let tree = Tree::new();
        let file = tree.write("file", "12345");
        check(&file, 5, Some("12345"), Some("12345"));
        check(&file, 4, None, None);
        assert_eq!(head(&file, 2).expect("the file exists"), b"12");
        let link = tree.root().join("link");
        symlink(&file, &link).expect("the temporary directory is writable");
        check(&link, 5, Some("12345"), None);
        check(tree.root(), 5, None, None);
        check(&tree.root().join("missing"), 5, None, None);
        check(Path::new("/dev/null"), 5, None, None);
    }
}
