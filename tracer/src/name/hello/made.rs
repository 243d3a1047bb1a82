//! How does a ClientHello look that a test needs? Built field by field, with no code of the parser's.
//!
//! It stands on its own, so that tests and examples outside of the crate can take it in with `#[path]`.

/// What is to be in it.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// SNI, as it is to stand there.
    pub name: Option<Vec<u8>>,
    pub alpn: Vec<Vec<u8>>,
    pub ech: bool,
    /// Bytes of the session id, at most 32.
    pub session: usize,
    /// Bytes of an extension of padding, in front of all others, where there are to be some.
    pub padding: usize,
}

impl Made {
    /// A hello to this server.
    pub fn to(name: &str) -> Self {
        Self {
            name: Some(name.as_bytes().to_vec()),
            session: 32,
            ..Self::default()
        }
    }

    /// The handshake message.
    pub fn message(&self) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([0x5a; 32]);
        body.extend(counted(1, &vec![7; self.session]));
        // A suite of GREASE, those of TLS 1.3, and one of TLS 1.2.
        body.extend(counted(
            2,
            &[0x0a, 0x0a, 0x13, 0x01, 0x13, 0x02, 0xc0, 0x2f],
        ));
        body.extend(counted(1, &[0]));
        body.extend(counted(2, &self.extensions()));
        [&[1][..], &counted(3, &body)].concat()
    }

    fn extensions(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut add = |kind: u16, content: &[u8]| {
            all.extend(kind.to_be_bytes());
            all.extend(counted(2, content));
        };
        add(0x0a0a, &[]);
        if self.padding > 0 {
            add(21, &vec![0; self.padding]);
        }
        if let Some(name) = &self.name {
            add(0, &counted(2, &[&[0][..], &counted(2, name)].concat()));
        }
        // supported_versions: TLS 1.3 and 1.2.
        add(43, &[4, 3, 4, 3, 3]);
        if !self.alpn.is_empty() {
            let list: Vec<u8> = self.alpn.iter().flat_map(|name| counted(1, name)).collect();
            add(16, &counted(2, &list));
        }
        if self.ech {
            add(0xfe0d, &[0; 40]);
        }
        all
    }
}

/// A message in TLS records with so many bytes each, the last with fewer.
pub fn records(message: &[u8], size: usize) -> Vec<u8> {
    message
        .chunks(size)
        .flat_map(|chunk| [&[22, 3, 1][..], &counted(2, chunk)].concat())
        .collect()
}

/// Bytes behind a big-endian number of `width` bytes that says how many they are.
pub fn counted(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_be_bytes();
    [&length[8 - width..], bytes].concat()
}
