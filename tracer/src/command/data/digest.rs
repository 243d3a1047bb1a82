//! What is the SHA-256 of these bytes, or of this file?

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::failure::Failure;

/// A SHA-256, as 64 hexadecimal digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum(String);

impl Sum {
    /// The sum that a text writes, in whichever case; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then(|| Self(text.to_ascii_lowercase()))
    }

    fn of(digest: &[u8]) -> Self {
        Self(digest.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The sum of all that `give` hands over, piece by piece.
pub fn of_pieces(give: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Sum {
    let mut digest = Sha256::new();
    give(&mut |bytes| digest.update(bytes));
    Sum::of(&digest.finalize())
}

/// The sum and the size of a file, which is never held whole.
pub fn of_file(path: &Path) -> io::Result<(Sum, u64)> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut size = 0;
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => return Ok((Sum::of(&digest.finalize()), size)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(&piece[..read]);
        size += read as u64;
    }
}

/// The sum of a file, if that is there.
pub fn present(path: &Path) -> Result<Option<Sum>, Failure> {
    match of_file(path) {
        Ok((sum, _)) => Ok(Some(sum)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::could_not_run(format!(
            "read {}: {error}",
            path.display()
        ))),
    }
}
