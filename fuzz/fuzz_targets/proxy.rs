//! Feeds any bytes as a command to Android's resolver, and as its answer to each kind of command: addresses are few and of the name asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::name::{
    host::host,
    progress::Progress,
    proxy::{Asks, Command, Proxy, Told, answer, command},
};

fuzz_target!(|bytes: &[u8]| {
    if let Some(Command::List(name) | Command::Host(name)) = command(bytes) {
        assert_eq!(host(name.as_bytes()).as_ref(), Some(&name));
    }
    let texts: [&[u8]; 3] = [
        b"getaddrinfo a.example 443 -1 0 -1 -1 100",
        b"gethostbyname 100 a.example 2",
        b"resnsend 100 0 AAcBAAABAAAAAAAAAWEHZXhhbXBsZQAAAQAB",
    ];
    for text in texts {
        let asked = command(text).expect("a command");
        let whole = answer(&asked, bytes);
        if let Progress::Is(Told::Addresses(name, addresses)) = &whole {
            assert_eq!(name, "a.example");
            assert!(addresses.len() <= 64, "more than are kept");
        }
        // In two parts it is the same.
        let mut proxy = Proxy::default();
        let asked = proxy.ask(1, (1, 1), (&[text, &[0]].concat(), true), 1);
        assert_eq!(asked, Asks::Name("a.example".to_owned()));
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let told = proxy.tell(1, first, 2).or_else(|| proxy.tell(1, second, 3));
        if let (Some((_, told)), Progress::Is(whole)) = (told, whole) {
            assert_eq!(told, whole);
        }
    }
});
