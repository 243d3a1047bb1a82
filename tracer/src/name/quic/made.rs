//! How does an Initial look that a client sends? Encrypted by code of its own, which the vectors of the RFCs check.
//!
//! It stands on its own, so that tests and examples outside of the crate can take it in with `#[path]`.

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

/// An Initial that is to be made.
#[derive(Clone, Debug)]
pub struct Initial<'a> {
    /// QUIC version 2 instead of 1.
    pub is_two: bool,
    /// The connection id from which the keys derive.
    pub keys_of: &'a [u8],
    /// The connection id to which it goes.
    pub destination: &'a [u8],
    pub token: &'a [u8],
    pub number: u32,
    /// How many bytes of the number are sent, 1 to 4.
    pub number_length: usize,
}

impl<'a> Initial<'a> {
    /// The first of a connection.
    pub fn to(destination: &'a [u8]) -> Self {
        Self {
            is_two: false,
            keys_of: destination,
            destination,
            token: &[],
            number: 0,
            number_length: 1,
        }
    }

    /// The packet with these frames, four bytes at least.
    pub fn packet(&self, frames: &[u8]) -> Vec<u8> {
        let version: u32 = if self.is_two { 0x6b33_43cf } else { 1 };
        let kind = if self.is_two { 0xd0 } else { 0xc0 };
        let number = &self.number.to_be_bytes()[4 - self.number_length..];
        let length = (number.len() + frames.len() + 16) as u16 | 0x4000;
        let header = [
            &[kind | (self.number_length - 1) as u8][..],
            &version.to_be_bytes(),
            &[self.destination.len() as u8],
            self.destination,
            &[0],
            &[0x40 | (self.token.len() >> 8) as u8, self.token.len() as u8],
            self.token,
            &length.to_be_bytes(),
            number,
        ]
        .concat();
        self.protected(&header, frames)
    }

    /// A packet with this header, which ends with the packet number.
    pub fn protected(&self, header: &[u8], frames: &[u8]) -> Vec<u8> {
        let secret = self.secret();
        let key: [u8; 16] = self.expanded(&secret, "key");
        let mut nonce: [u8; 12] = self.expanded(&secret, "iv");
        for (byte, part) in nonce[8..].iter_mut().zip(self.number.to_be_bytes()) {
            *byte ^= part;
        }
        let clear = Payload {
            msg: frames,
            aad: header,
        };
        let sealed = Aes128Gcm::new(&key.into())
            .encrypt(&nonce.into(), clear)
            .expect("a short payload");
        let mut packet = [header, &sealed].concat();
        let number_at = header.len() - self.number_length;
        let mut mask = [0; 16];
        mask.copy_from_slice(&packet[number_at + 4..][..16]);
        let key: [u8; 16] = self.expanded(&secret, "hp");
        Aes128::new(&key.into()).encrypt_block((&mut mask).into());
        packet[0] ^= mask[0] & 0x0f;
        for (byte, part) in packet[number_at..][..self.number_length]
            .iter_mut()
            .zip(&mask[1..])
        {
            *byte ^= part;
        }
        packet
    }

    fn secret(&self) -> Vec<u8> {
        let salt: &[u8] = if self.is_two {
            b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"
        } else {
            b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
        };
        let (initial, _) = Hkdf::<Sha256>::extract(Some(salt), self.keys_of);
        let client: [u8; 32] = labelled(&initial, "client in");
        client.to_vec()
    }

    fn expanded<const N: usize>(&self, secret: &[u8], name: &str) -> [u8; N] {
        let prefix = if self.is_two { "quicv2" } else { "quic" };
        labelled(secret, &format!("{prefix} {name}"))
    }
}

fn labelled<const N: usize>(secret: &[u8], label: &str) -> [u8; N] {
    let mut info = vec![0, N as u8, 6 + label.len() as u8];
    info.extend(b"tls13 ");
    info.extend(label.as_bytes());
    info.push(0);
    let mut expanded = [0; N];
    let secret = Hkdf::<Sha256>::from_prk(secret).expect("a secret of 32 bytes");
    secret.expand(&info, &mut expanded).expect("few bytes");
    expanded
}

/// A CRYPTO frame.
pub fn crypto(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let number = |number: usize| (number as u32 | 0x8000_0000).to_be_bytes();
    [&[6][..], &number(offset), &number(bytes.len()), bytes].concat()
}

/// Frames filled up with PADDING, so that a datagram with them is one that begins a connection.
pub fn padded(mut frames: Vec<u8>) -> Vec<u8> {
    frames.resize(frames.len().max(1_200), 0);
    frames
}
