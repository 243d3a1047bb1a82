//! What of a message is the library shown? A copy in which only those records are left as they are that are read, since it
//! refuses a whole message for one that it does not know, and follows pointers as long as they lead backwards.

use simple_dns::CLASS;

use super::{
    ADDITIONAL, ANSWERS, AUTHORITIES, FLAGS, HEADER, MOST_RECORDS, QUESTIONS, RESERVED, name,
    number,
};

/// A, CNAME, AAAA, SVCB, HTTPS.
const READ: [u16; 5] = [1, CNAME, 28, SVCB, HTTPS];
const CNAME: u16 = 5;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;
/// A type for private use (RFC 6895 section 3.1), whose data the library leaves alone.
const OPAQUE: u16 = 65_280;
/// The upper bit of a class is mDNS's: of a question, that the answer may be for one host; of a record, that there is no other.
pub const CLASS_BITS: u16 = 0x7fff;

/// The copy, with the answers and, where these are wanted, the sections behind them. `None` where an answer is cut off; of the
/// other sections what cannot be read is left out.
pub fn plain(bytes: &[u8], has_answers: bool, has_others: bool) -> Option<Vec<u8>> {
    let mut at = HEADER;
    let mut copy = bytes.to_vec();
    // Whoever receives a message has to ignore the reserved bit; the library does not.
    set(&mut copy, FLAGS, number(bytes, FLAGS)? & !RESERVED)?;
    for _ in 0..number(bytes, QUESTIONS)? {
        at = name::end(bytes, at)?;
        // Of questions, too, it knows only some types and classes.
        set(&mut copy, at, 1)?;
        set(&mut copy, at + 2, CLASS::IN as u16)?;
        at += 4;
    }
    let mut is_wanted = has_answers;
    for section in [ANSWERS, AUTHORITIES, ADDITIONAL] {
        let count = number(bytes, section)?;
        let mut kept = 0;
        while is_wanted && kept < count.min(MOST_RECORDS) {
            match record(&mut copy, at) {
                Some(end) => at = end,
                None if section == ANSWERS => return None,
                None => break,
            }
            kept += 1;
        }
        set(&mut copy, section, kept)?;
        // Sections stand one behind another.
        is_wanted &= has_others && kept == count;
    }
    Some(copy)
}

/// Hides a record that is not read. Gives where it ends.
fn record(bytes: &mut [u8], at: usize) -> Option<usize> {
    let at = name::end(bytes, at)?;
    let (kind, class) = (number(bytes, at)?, number(bytes, at + 2)?);
    let data = at + 10;
    let end = data + usize::from(number(bytes, at + 8)?);
    bytes.get(data..end)?;
    // Where a name begins in the data that the library will read.
    let name = match kind {
        CNAME => Some(data),
        SVCB | HTTPS => Some(data + 2),
        _ => None,
    };
    let is_sound = name.is_none_or(|at| name::end(&bytes[..end], at).is_some());
    if !READ.contains(&kind) || class & CLASS_BITS != CLASS::IN as u16 || !is_sound {
        set(bytes, at, OPAQUE)?;
        set(bytes, at + 2, CLASS::IN as u16)?;
    }
    Some(end)
}

fn set(bytes: &mut [u8], at: usize, value: u16) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut::<2>()? = value.to_be_bytes();
    Some(())
}
