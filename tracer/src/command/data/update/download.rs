//! From an address into a part: from its beginning, or from where it was interrupted.
//!
//! Parts of two versions are never joined. A part is gone on with only where the server gave its version a strong ETag, and the
//! request says so (`If-Range`): a server that has another version sends it whole, and what it sends is looked at again.

use std::io::Read as _;

use ureq::Body;
use ureq::http::{HeaderMap, Response, header};

use super::super::failure::Failure;
use super::super::lock::Entry;
use super::folder::unwritable;
use super::part::{Note, Part, boot};
use super::web::{Web, host, uri};

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// All of it is in the part.
    Whole {
        /// What the server calls this version.
        etag: Option<String>,
        /// When it was changed, in the server's words.
        modified: Option<String>,
        /// The size that the server said.
        size: Option<u64>,
    },
    /// The server has what is here already.
    NotModified,
}

/// Fetches `from` into `part`: at most `most` bytes, and nothing where the server still has the version that `known` names.
pub fn download(
    web: &Web,
    from: &str,
    part: &mut Part,
    known: Option<&Entry>,
    most: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Came, Failure> {
    if let Some(note) = part.note(from) {
        say(&format!(
            "going on after {} of {} bytes",
            part.size, note.total
        ));
        let range = format!("bytes={}-", part.size);
        let headers = [("range", &*range), ("if-range", &*note.etag)];
        let response = web.get(from, &headers, say)?;
        match response.status().as_u16() {
            206 if continues(response.headers(), &note, part.size) => {
                let came = came(response.headers(), Some(note.total));
                return read(from, response, part, Some(note.total), most).map(|()| came);
            }
            200 => {
                say("the server has another version: starting anew");
                return whole(from, response, part, most);
            }
            // Something that does not fit, or is not there: it is asked for from its beginning.
            206 | 416 => {}
            status => return Err(refused(from, status)),
        }
        say("the server has another version: starting anew");
    } else if part.size > 0 {
        say("what is here of it cannot be gone on with: starting anew");
    }
    let etag = known.and_then(|entry| entry.etag.as_deref());
    let modified = known.and_then(|entry| entry.modified.as_deref());
    let conditions: Vec<(&str, &str)> = match (etag, modified) {
        (Some(etag), _) => vec![("if-none-match", etag)],
        (None, Some(modified)) => vec![("if-modified-since", modified)],
        (None, None) => Vec::new(),
    };
    let response = web.get(from, &conditions, say)?;
    match response.status().as_u16() {
        200 => whole(from, response, part, most),
        304 if !conditions.is_empty() => Ok(Came::NotModified),
        status => Err(refused(from, status)),
    }
}

fn refused(from: &str, status: u16) -> Failure {
    let failure = Failure::could_not_run(format!("{from}: the server answers {status}"));
    match status {
        404 | 410 => failure.hint("name a place that has the table with --from"),
        429 | 500..=599 => failure.hint("try again later"),
        _ => failure,
    }
}

/// Whether an answer is the rest of that of which the part is the beginning.
fn continues(headers: &HeaderMap, note: &Note, size: u64) -> bool {
    let range = format!("bytes {size}-{}/{}", note.total - 1, note.total);
    text(headers, &header::CONTENT_RANGE).as_deref() == Some(&*range)
        && text(headers, &header::ETAG).as_deref() == Some(&*note.etag)
        && is_plain(headers)
}

/// Whether the bytes are the file's own, not packed for the way.
fn is_plain(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity")
}

fn came(headers: &HeaderMap, size: Option<u64>) -> Came {
    Came::Whole {
        etag: text(headers, &header::ETAG),
        modified: text(headers, &header::LAST_MODIFIED),
        size,
    }
}

/// A header of a sane length.
fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    (text.len() <= 256).then(|| text.to_owned())
}

fn whole(
    from: &str,
    response: Response<Body>,
    part: &mut Part,
    most: u64,
) -> Result<Came, Failure> {
    let headers = response.headers();
    part.clear()
        .map_err(|error| unwritable(part.path(), &error))?;
    if !is_plain(headers) {
        return Err(Failure::could_not_run(format!(
            "{from}: the server sends it packed, which was not asked for"
        )));
    }
    let total = text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if total.is_some_and(|total| total > most) {
        return Err(too_large(from, most));
    }
    let came = came(headers, total);
    let etag = text(headers, &header::ETAG).filter(|etag| !etag.starts_with("W/"));
    if let (Some(etag), Some(total), Some(boot)) = (etag, total, boot()) {
        let from = from.to_owned();
        let note = Note {
            from,
            etag,
            total,
            boot,
        };
        part.write_note(&note)
            .map_err(|error| unwritable(part.path(), &error))?;
    }
    read(from, response, part, total, most).map(|()| came)
}

/// What is said of a table beyond the bound.
pub fn too_large(from: &str, most: u64) -> Failure {
    Failure::could_not_run(format!("{from}: it has more than {most} bytes"))
        .spoil()
        .hint("see whether it is the right file; --max-bytes takes larger ones")
}

/// Reads an answer to its end, which is at `total` bytes of the whole.
fn read(
    from: &str,
    response: Response<Body>,
    part: &mut Part,
    total: Option<u64>,
    most: u64,
) -> Result<(), Failure> {
    let mut body = response
        .into_body()
        .into_with_config()
        .limit(most.saturating_add(1))
        .reader();
    let mut piece = vec![0; 64 << 10];
    let end = loop {
        match body.read(&mut piece) {
            Ok(0) => break None,
            Ok(_) if part.size > most => break Some(String::new()),
            Ok(read) => part
                .add(&piece[..read])
                .map_err(|error| unwritable(part.path(), &error))?,
            Err(error) => break Some(error.to_string()),
        }
    };
    if part.size > most {
        return Err(too_large(from, most));
    }
    if end.is_none() && total.is_none_or(|total| total == part.size) {
        return Ok(());
    }
    let of = total.map_or_else(String::new, |total| format!(" of {total}"));
    let why = end.map_or_else(String::new, |why| format!(": {why}"));
    let host = uri(from).map_or_else(|_| from.to_owned(), |uri| host(&uri));
    let failure = Failure::could_not_run(format!(
        "{host}: interrupted after {}{of} bytes{why}",
        part.size
    ));
    Err(if part.note(from).is_some() {
        failure.hint("run it again: it goes on from there")
    } else {
        failure.hint("run it again: it starts anew, as nothing says that the rest would be of the same version")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rest_of_the_same_version_is_added() {
        let note = Note {
            from: String::new(),
            etag: "\"a\"".to_owned(),
            total: 100,
            boot: String::new(),
        };
        let check = |range: &str, etag: &str, encoding: &str, expected| {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                (header::CONTENT_RANGE, range),
                (header::ETAG, etag),
                (header::CONTENT_ENCODING, encoding),
            ] {
                if !value.is_empty() {
                    headers.insert(name, value.parse().expect("a value"));
                }
            }
            assert_eq!(
                continues(&headers, &note, 40),
                expected,
                "{range} {etag} {encoding}"
            );
        };
        check("bytes 40-99/100", "\"a\"", "", true);
        check("bytes 40-99/100", "\"a\"", "identity", true);
        check("bytes 40-99/100", "\"a\"", "gzip", false);
        check("bytes 40-99/100", "\"b\"", "", false);
        check("bytes 40-99/100", "", "", false);
        check("bytes 39-99/100", "\"a\"", "", false);
        check("bytes 40-98/100", "\"a\"", "", false);
        check("bytes 40-99/101", "\"a\"", "", false);
        check("bytes 40-99/*", "\"a\"", "", false);
        check("", "\"a\"", "", false);
    }
}
