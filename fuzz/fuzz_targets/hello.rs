//! Feeds any bytes as what a TLS client sends first: more bytes never change an answer, nor do records, nor another parser.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tls_parser::{
    SNIType, TlsExtension, TlsMessage, TlsMessageHandshake, parse_tls_client_hello_extensions,
    parse_tls_plaintext,
};
use tracer::name::{
    hello::{LONGEST, message, records},
    host::host,
    progress::Progress,
};

#[path = "../../tracer/src/name/hello/made.rs"]
#[allow(dead_code, reason = "tests take the rest")]
mod made;

fuzz_target!(|bytes: &[u8]| {
    stays(bytes, message(bytes), message);
    stays(bytes, records(bytes), records);
    if let Progress::Is(hello) = message(bytes) {
        let size = 1 + bytes.len() % 999;
        let split = made::records(bytes, size);
        match records(&split) {
            Progress::Is(again) => assert_eq!(again, hello),
            progress => assert!(split.len() > LONGEST, "{progress:?} in records of {size}"),
        }
    }
    if let (Progress::Is(hello), Some(name)) = (records(bytes), by_another(bytes)) {
        let expected = name.and_then(|name| host(&name));
        assert_eq!(hello.name.as_deref(), expected.as_deref());
        assert!(hello.alpn.len() <= 8);
    }
});

fn stays<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    whole: Progress<T>,
    of: impl Fn(&[u8]) -> Progress<T>,
) {
    let cut = of(&bytes[..bytes.len() - bytes.len() / 3]);
    assert!(
        cut == Progress::Incomplete || cut == whole,
        "{cut:?} became {whole:?}"
    );
}

/// The name as tls-parser has it, where it finds a hello.
fn by_another(bytes: &[u8]) -> Option<Option<Vec<u8>>> {
    let (_, record) = parse_tls_plaintext(bytes).ok()?;
    let TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)) = record.msg.first()? else {
        return None;
    };
    let Some(extensions) = hello.ext else {
        return Some(None);
    };
    let (rest, extensions) = parse_tls_client_hello_extensions(extensions).ok()?;
    rest.is_empty().then(|| {
        extensions.iter().find_map(|extension| match extension {
            TlsExtension::SNI(names) => names
                .iter()
                .find(|(kind, _)| *kind == SNIType::HostName)
                .map(|(_, name)| name.to_vec()),
            _ => None,
        })
    })
}
