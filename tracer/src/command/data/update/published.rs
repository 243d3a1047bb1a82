//! Which sum does the publisher say that a table has?
//!
//! It guards against damage on the way and in the publisher's storage. It comes from the same place as the table, so it does not
//! guard against a bad publisher: who has a sum from elsewhere gives it with `--sha256`.

use std::fs::File;
use std::io::{self, Read};

use super::super::digest::Sum;
use super::super::failure::Failure;
use super::origin::Place;
use super::web::Web;

/// The largest file of sums.
const LARGEST: u64 = 64 << 10;

/// The sum that is published at a place for a file; `None` where none is.
pub fn published(
    place: &Place,
    file: &str,
    web: &Web,
    say: &mut dyn FnMut(&str),
) -> Result<Option<Sum>, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::could_not_run(format!("the sum at {place}: {error}"))
            .hint("without a published sum, one that you know can be given with --sha256")
    };
    let mut text = Vec::new();
    match place {
        Place::Web(address) => {
            let response = web.get(address, &[], say)?;
            match response.status().as_u16() {
                200 => {}
                404 | 410 => return Ok(None),
                status => return Err(unreadable(&format!("the server answers {status}"))),
            }
            let mut body = response.into_body();
            let body = body.with_config().limit(LARGEST + 1).reader();
            read(body, &mut text).map_err(|error| unreadable(&error))?;
        }
        Place::File(path) => match File::open(path) {
            Ok(file) => read(file, &mut text).map_err(|error| unreadable(&error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&error)),
        },
    }
    sum_in(&text, file)
        .map(Some)
        .ok_or_else(|| unreadable(&format!("it has no SHA-256 of {file}")))
}

fn read(source: impl Read, text: &mut Vec<u8>) -> io::Result<()> {
    source.take(LARGEST).read_to_end(text).map(drop)
}

/// The sum of a file in what `sha256sum` writes, or the sum alone.
pub fn sum_in(text: &[u8], file: &str) -> Option<Sum> {
    String::from_utf8_lossy(text).lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let sum = Sum::parse(words.next()?)?;
        let name = words.next().unwrap_or(file).trim_start_matches('*');
        let name = name.rsplit('/').next().unwrap_or(name);
        (name == file && words.next().is_none()).then_some(sum)
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn it_is_read_as_sha256sum_writes_it() {
        let sum = "0123456789abcdef".repeat(4);
        let check = |text: &str, is| {
            let found = sum_in(text.as_bytes(), "a.mmdb").map(|sum| sum.to_string());
            assert_eq!(found.as_deref(), is, "{text:?}");
        };
        check(&format!("{sum}  a.mmdb\n"), Some(&sum));
        check(&format!("{sum} *a.mmdb\r\n"), Some(&sum));
        check(
            &format!("{}  ./dist/a.mmdb", sum.to_uppercase()),
            Some(&sum),
        );
        check(&sum, Some(&sum));
        check(
            &format!("{}  b.mmdb\n{sum}  a.mmdb\n", "0".repeat(64)),
            Some(&sum),
        );
        check(&format!("{sum}  b.mmdb\n"), None);
        check(&format!("{}  a.mmdb\n", &sum[1..]), None);
        check("<html>Not Found</html>", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_sum_or_none(bytes in vec(any::<u8>(), 0..256)) {
            if let Some(sum) = sum_in(&bytes, "a") {
                let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
                prop_assert!(text.contains(&sum.to_string()));
            }
        }
    }
}
