//! What did a C library answer, as the kernel side read it out of a program's memory?

use tracer_common::{
    Address,
    name::{ADDRESSES, Answered, ONLY_NUMBERS},
};
use zerocopy::FromBytes as _;

use super::host::host;

/// A call that asked for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// As host names are compared.
    pub name: String,
    /// None where it failed.
    pub addresses: Vec<Address>,
}

/// The call that an event tells of. `None` where nobody was asked: for an address in text, or for no name.
pub fn call(bytes: &[u8]) -> Option<Call> {
    let answered = Answered::read_from_bytes(bytes).ok()?;
    if answered.wishes & ONLY_NUMBERS != 0 {
        return None;
    }
    let end = answered.name.iter().position(|byte| *byte == 0)?;
    let name = host(&answered.name[..end])?;
    let count = (answered.count as usize).min(ADDRESSES);
    let addresses = match answered.result {
        0 => answered.addresses[..count].to_vec(),
        _ => Vec::new(),
    };
    Some(Call { name, addresses })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracer_common::name::NAME_BYTES;
    use zerocopy::IntoBytes as _;

    use super::*;

    const ONE: Address = Address::mapped(0x0100_007f);

    fn answered(name: &[u8], count: u64, result: i32, wishes: u32) -> Answered {
        let mut room = [b'x'; NAME_BYTES];
        room[..name.len()].copy_from_slice(name);
        Answered {
            name: room,
            addresses: [ONE; ADDRESSES],
            result,
            wishes,
            count,
        }
    }

    fn check(answered: &Answered, expected: Option<(&str, usize)>) {
        let found = call(answered.as_bytes());
        let expected = expected.map(|(name, count)| Call {
            name: name.to_owned(),
            addresses: vec![ONE; count],
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn a_call_has_its_name_and_its_addresses() {
        check(&answered(b"A.Example.\0", 2, 0, 0), Some(("a.example", 2)));
        check(&answered(b"localhost\0", 0, 0, 0), Some(("localhost", 0)));
        // `AI_ADDRCONFIG | AI_CANONNAME`
        check(
            &answered(b"a.example\0", 1, 0, 0x22),
            Some(("a.example", 1)),
        );
        check(
            &answered(b"a.example\0", u64::MAX, 0, 0),
            Some(("a.example", ADDRESSES)),
        );
    }

    #[test]
    fn one_that_failed_has_no_addresses() {
        check(&answered(b"a.example\0", 3, -2, 0), Some(("a.example", 0)));
        check(&answered(b"a.example\0", 3, 1, 0), Some(("a.example", 0)));
    }

    #[test]
    fn an_address_in_text_and_no_name_is_no_call() {
        for name in [
            &b"127.0.0.1\0"[..],
            b"::1\0",
            b"127.1\0",
            b"fe80::1%eth0\0",
            b"\0",
            b"a b\0",
        ] {
            check(&answered(name, 1, 0, 0), None);
        }
        check(&answered(b"a.example\0", 0, -2, ONLY_NUMBERS), None);
        // Without its end it is cut.
        check(&answered(&[b'a'; NAME_BYTES], 1, 0, 0), None);
    }

    #[test]
    fn only_a_whole_answer_is_one() {
        let whole = answered(b"a.example\0", 1, 0, 0);
        let bytes = whole.as_bytes();
        for end in 0..bytes.len() {
            assert_eq!(call(&bytes[..end]), None, "{end} bytes");
        }
        assert_eq!(call(&[bytes, &[0]].concat()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), size_of::<Answered>())) {
            if let Some(call) = call(&bytes) {
                prop_assert_eq!(host(call.name.as_bytes()), Some(call.name));
                prop_assert!(call.addresses.len() <= ADDRESSES);
            }
        }
    }
}
