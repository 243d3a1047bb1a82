//! Which names do clients show that encrypt their hello? The `public_name` of each ECHConfig (draft-ietf-tls-esni-25 section 4).

use crate::name::{host::host, reader::Reader};

/// The only version that is in use, which is also the number of the extension.
const VERSION: u64 = 0xfe0d;

/// The public names in an ECHConfigList, without the length before it, as far as it can be read.
pub fn public_names(list: &[u8]) -> impl Iterator<Item = String> {
    let mut reader = Reader::new(list);
    std::iter::from_fn(move || Some((reader.number(2)?, reader.counted(2)?)))
        .filter(|(version, _)| *version == VERSION)
        .filter_map(|(_, content)| public_name(content))
}

/// The name in `ECHConfigContents`.
fn public_name(content: &[u8]) -> Option<String> {
    let mut reader = Reader::new(content);
    let (_id, _kem) = (reader.number(1)?, reader.number(2)?);
    let (_key, _suites) = (reader.counted(2)?, reader.counted(2)?);
    let _longest_name = reader.number(1)?;
    host(reader.counted(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ECHConfig for this name.
    fn configuration(version: u16, name: &[u8]) -> Vec<u8> {
        let content = [
            &[7, 0, 0x20, 0, 4, 1, 2, 3, 4, 0, 4, 0, 1, 0, 1, 64][..],
            &[name.len() as u8],
            name,
            &[0, 0],
        ]
        .concat();
        [
            &version.to_be_bytes()[..],
            &(content.len() as u16).to_be_bytes(),
            &content,
        ]
        .concat()
    }

    fn check(list: &[u8], expected: &[&str]) {
        assert_eq!(public_names(list).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_configuration_has_its_public_name() {
        let one = configuration(0xfe0d, b"Public.Example");
        let other = configuration(0xfe0d, b"other.example");
        check(&one, &["public.example"]);
        check(
            &[&one[..], &configuration(0xfe0a, b"old.example"), &other].concat(),
            &["public.example", "other.example"],
        );
        check(&configuration(0xfe0d, b"192.0.2.1"), &[]);
        for end in 0..one.len() {
            check(&one[..end], &[]);
        }
    }
}
