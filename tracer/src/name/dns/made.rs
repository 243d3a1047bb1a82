//! How does a DNS message look that a test needs? Built byte by byte, with no code of the parser's.
//!
//! It stands on its own, so that tests and examples outside of the crate can take it in with `#[path]`.

/// Types of records.
pub const A: u16 = 1;
pub const CNAME: u16 = 5;
pub const AAAA: u16 = 28;
pub const HTTPS: u16 = 65;

/// A pointer to the question's name.
pub const QUESTION: &[u8] = &[0xc0, 12];

/// A message that is to be made.
#[derive(Clone, Debug, Default)]
pub struct Made {
    pub id: u16,
    pub flags: u16,
    pub questions: Vec<Vec<u8>>,
    pub answers: Vec<Vec<u8>>,
    pub additional: Vec<Vec<u8>>,
}

impl Made {
    pub fn query(id: u16, name: &str, kind: u16) -> Self {
        Self {
            id,
            flags: 0x0100,
            questions: vec![question(name, kind)],
            ..Self::default()
        }
    }

    pub fn answer(id: u16, name: &str, kind: u16, answers: &[Vec<u8>]) -> Self {
        Self {
            flags: 0x8180,
            answers: answers.to_vec(),
            ..Self::query(id, name, kind)
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let counts = [
            self.questions.len(),
            self.answers.len(),
            0,
            self.additional.len(),
        ];
        for number in [self.id, self.flags]
            .into_iter()
            .chain(counts.map(|count| count as u16))
        {
            bytes.extend(number.to_be_bytes());
        }
        for part in [&self.questions, &self.answers, &self.additional] {
            bytes.extend(part.concat());
        }
        bytes
    }
}

/// A name, of which an empty one is the root.
pub fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes
}

pub fn question(text: &str, kind: u16) -> Vec<u8> {
    [&name(text)[..], &kind.to_be_bytes(), &[0, 1]].concat()
}

/// A record of the Internet. `owner` is a name as it stands in a message.
pub fn record(owner: &[u8], kind: u16, seconds: u32, data: &[u8]) -> Vec<u8> {
    [
        owner,
        &kind.to_be_bytes(),
        &[0, 1],
        &seconds.to_be_bytes(),
        &(data.len() as u16).to_be_bytes(),
        data,
    ]
    .concat()
}

/// The data of an HTTPS or SVCB record for its owner, with parameters of these numbers.
pub fn binding(parameters: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut data = vec![0, 1, 0];
    for (key, value) in parameters {
        data.extend(key.to_be_bytes());
        data.extend((value.len() as u16).to_be_bytes());
        data.extend(value);
    }
    data
}
