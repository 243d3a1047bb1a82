//! Which keys does a client's Initial have, and what is in it? RFC 9001 sections 5.2 to 5.4, RFC 9369 section 3.3.

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt as _, KeyInit as _},
};
use aes_gcm::{
    Aes128Gcm,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;

use super::header::{Packet, Version};

/// `initial_salt` of RFC 9001 section 5.2 and of RFC 9369 section 3.3.1.
const SALT_ONE: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
const SALT_TWO: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
    0xf9, 0xbd, 0x2e, 0xd9,
];

/// Keys of what a client sends in Initials.
pub struct Keys {
    payload: Aes128Gcm,
    iv: [u8; 12],
    header: Aes128,
}

impl Keys {
    /// The keys that derive from the connection id to which the client's first Initial went.
    pub fn of_client(version: Version, destination: &[u8]) -> Self {
        let (salt, [key, iv, header]) = match version {
            Version::One => (SALT_ONE, ["quic key", "quic iv", "quic hp"]),
            Version::Two => (SALT_TWO, ["quicv2 key", "quicv2 iv", "quicv2 hp"]),
        };
        let initial = Hkdf::<Sha256>::new(Some(&salt), destination);
        let client = Hkdf::<Sha256>::from_prk(&expand::<32>(&initial, "client in"))
            .expect("a secret as long as the hash");
        Self {
            payload: Aes128Gcm::new(&expand(&client, key).into()),
            iv: expand(&client, iv),
            header: Aes128::new(&expand(&client, header).into()),
        }
    }

    /// The number of a packet, and what is in it, where it was sent under these keys. `next` is the number behind the largest
    /// so far, as only the lower bytes of a number are sent.
    pub fn open(&self, packet: &Packet<'_>, next: u64) -> Option<(u64, Vec<u8>)> {
        let hidden = packet.bytes.get(packet.number_at..)?;
        // Where the number would end if it had four bytes, as it may.
        let mut mask: [u8; 16] = *hidden.get(4..)?.first_chunk()?;
        self.header.encrypt_block((&mut mask).into());
        let first = packet.bytes.first()? ^ (mask[0] & 0x0f);
        let length = usize::from(first & 3) + 1;
        let (number, payload) = hidden.split_at_checked(length)?;
        let number: Vec<u8> = number.iter().zip(&mask[1..]).map(|(a, b)| a ^ b).collect();
        let header = [
            &[first][..],
            packet.bytes.get(1..packet.number_at)?,
            &number,
        ]
        .concat();
        let number = full_number(&number, next);
        let mut nonce = self.iv;
        for (byte, part) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= part;
        }
        let payload = Payload {
            msg: payload,
            aad: &header,
        };
        let clear = self.payload.decrypt(&nonce.into(), payload).ok()?;
        Some((number, clear))
    }
}

/// HKDF-Expand-Label of RFC 8446 section 7.1, without a context.
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> [u8; N] {
    let label = ["tls13 ", label].concat();
    let info = [&[0, N as u8, label.len() as u8], label.as_bytes(), &[0][..]].concat();
    let mut expanded = [0; N];
    secret
        .expand(&info, &mut expanded)
        .expect("fewer bytes than 255 hashes");
    expanded
}

/// The number nearest to `next` that has these lower bytes: RFC 9000 appendix A.3.
fn full_number(lower: &[u8], next: u64) -> u64 {
    let window = 1 << (8 * lower.len());
    let lower = lower
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let candidate = next & !(window - 1) | lower;
    if candidate + window / 2 <= next && candidate < (1 << 62) - window {
        candidate + window
    } else if candidate > next + window / 2 && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_nearest_to_the_next_one() {
        let check = |lower: &[u8], next, expected| assert_eq!(full_number(lower, next), expected);
        // The example of RFC 9000 appendix A.3: 0xa82f30ea was the largest.
        check(&[0x9b, 0x32], 0xa82f_30eb, 0xa82f_9b32);
        check(&[2], 0, 2);
        check(&[255], 0, 255);
        check(&[0x80, 0, 0, 1], 0, 0x8000_0001);
        check(&[1], 256, 257);
        check(&[255], 256, 255);
        check(&[0], 255, 256);
        check(&[255], (1 << 62) - 1, (1 << 62) - 1);
        check(&[0], 1 << 62, 1 << 62);
    }
}
