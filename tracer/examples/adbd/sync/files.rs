//! What each request of the `sync` service does with the device's files.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::request::{self, Kind, MAX_DATA, encode};
use crate::channel::Channel;

/// The kind of file in a mode.
const KIND: u32 = 0o170_000;
const LINK: u32 = 0o120_000;

pub fn stat(path: &str, channel: &Channel) -> io::Result<()> {
    // Zeros say that there is none, whyever.
    let values = fs::symlink_metadata(path).map_or([0; 3], |metadata| numbers(&metadata));
    channel.send(&encode(*b"STAT", &values, &[]))
}

pub fn list(path: &str, channel: &Channel) -> io::Result<()> {
    // A folder that cannot be read is an empty one to the real one, too.
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else {
            continue;
        };
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let [mode, size, time] = numbers(&metadata);
        channel.send(&encode(
            *b"DENT",
            &[mode, size, time, name.len() as u32],
            name,
        ))?;
    }
    channel.send(&encode(*b"DONE", &[0; 4], &[]))
}

pub fn receive(path: &str, channel: &Channel) -> io::Result<()> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return super::fail(channel, &format!("open failed: {}", reason(&error))),
    };
    let mut piece = vec![0; MAX_DATA as usize];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return channel.send(&encode(*b"DONE", &[0], &[])),
            Ok(count) => channel.send(&encode(*b"DATA", &[count as u32], &piece[..count]))?,
            Err(error) => {
                return super::fail(channel, &format!("read failed: {}", reason(&error)));
            }
        }
    }
}

/// A file to the device. Where that fails, the rest of the file is read all the same: the client sends it anyway.
pub fn send(text: &str, reader: &mut impl Read, channel: &Channel) -> io::Result<()> {
    let Some((path, mode)) = request::path_and_mode(text) else {
        super::fail(channel, "a file without a mode")?;
        return Err(io::ErrorKind::InvalidData.into());
    };
    let path = Path::new(path);
    let mut target = Target::create(path, mode);
    let mut is_told = false;
    loop {
        if let (Target::Failed(reason), false) = (&target, is_told) {
            super::fail(channel, reason)?;
            is_told = true;
        }
        let part = super::next(reader)?;
        match part.kind {
            Kind::Data if part.value <= MAX_DATA => {
                let mut piece = vec![0; part.value as usize];
                reader.read_exact(&mut piece)?;
                target = target.write(&piece);
            }
            Kind::Done if is_told => return Ok(()),
            Kind::Done => {
                return match target.finish(path, mode, part.value) {
                    Ok(()) => channel.send(&encode(*b"OKAY", &[0], &[])),
                    Err(reason) => super::fail(channel, &reason),
                };
            }
            _ => {
                super::fail(channel, "a file that goes on with something else")?;
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

/// Where the pieces of a file go.
enum Target {
    File(File),
    /// The name that a symbolic link shall have in it.
    Link(Vec<u8>),
    Failed(String),
}

impl Target {
    fn create(path: &Path, mode: u32) -> Self {
        // A file that runs cannot be written to, but a new one can take its name. Devices and the like stay.
        if fs::symlink_metadata(path).is_ok_and(|old| old.is_file() || old.is_symlink()) {
            let _ = fs::remove_file(path);
        }
        if let Some(folder) = path.parent() {
            // Where this fails, so does what follows.
            let _ = fs::create_dir_all(folder);
        }
        if mode & KIND == LINK {
            return Self::Link(Vec::new());
        }
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(request::permissions(mode))
            .open(path);
        match file {
            Ok(file) => Self::File(file),
            Err(error) => Self::Failed(format!("couldn't create file: {}", reason(&error))),
        }
    }

    fn write(self, piece: &[u8]) -> Self {
        match self {
            Self::File(mut file) => match file.write_all(piece) {
                Ok(()) => Self::File(file),
                Err(error) => Self::Failed(format!("write failed: {}", reason(&error))),
            },
            // A link is one piece.
            Self::Link(_) => Self::Link(piece.to_vec()),
            Self::Failed(reason) => Self::Failed(reason),
        }
    }

    fn finish(self, path: &Path, mode: u32, time: u32) -> Result<(), String> {
        let end = match self {
            Self::Failed(reason) => return Err(reason),
            Self::Link(name) => {
                let name = String::from_utf8_lossy(&name);
                symlink(name.trim_end_matches('\0'), path)
            }
            Self::File(file) => {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time.into());
                // The mask of this process has taken from the mode.
                file.set_permissions(Permissions::from_mode(request::permissions(mode)))
                    .and_then(|()| file.set_modified(time))
            }
        };
        end.map_err(|error| reason(&error))
    }
}

fn numbers(metadata: &Metadata) -> [u32; 3] {
    [
        metadata.mode(),
        metadata.size() as u32,
        metadata.mtime() as u32,
    ]
}

/// As C says it, without the number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error");
    text[..end.unwrap_or(text.len())].to_owned()
}
