//! Commands and answers come out of it as they went in, whatever comes before they are whole; and nobody fills it.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::{
    protocol::{ADDRESSES, FOUND},
    *,
};
use crate::name::dns::{
    self, Message,
    made::{self as message, A, Made, QUESTION},
};

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    let ips = texts.iter().map(|text| text.parse().expect("an address"));
    ips.collect()
}

fn query() -> Vec<u8> {
    Made::query(7, "A.Example", A).bytes()
}

fn resnsend() -> String {
    format!("resnsend 100 0 {}", STANDARD.encode(query()))
}

fn reply(name: &str) -> Vec<u8> {
    let record = message::record(QUESTION, A, 60, &[192, 0, 2, 1]);
    Made::answer(7, name, A, &[record]).bytes()
}

#[test]
fn a_command_says_which_name_is_asked_for() {
    let check = |text: &str, expected: Option<&str>| {
        let command = command(text.as_bytes());
        assert_eq!(command.as_ref().map(Command::name), expected, "{text}");
    };
    check(
        "getaddrinfo A.Example. 443 -1 0 -1 -1 100",
        Some("a.example"),
    );
    check("getaddrinfo a.example ^ 1024 0 1 0 0", Some("a.example"));
    check("gethostbyname 100 a.example 2", Some("a.example"));
    check(&resnsend(), Some("a.example"));
    // An address in text, only such, none at all, and what is no question for a name.
    check("getaddrinfo 192.0.2.1 443 -1 0 -1 -1 100", None);
    check("getaddrinfo a.example 443 4 0 0 0 100", None);
    check("getaddrinfo ^ 443 -1 0 -1 -1 100", None);
    check("gethostbyaddr 192.0.2.1 4 2 100", None);
    check("getdnsnetid 100", None);
    check("resnsend 100 0 %%%", None);
    check(
        &format!("resnsend 100 0 {}", STANDARD.encode(reply("a.example"))),
        None,
    );
    check("", None);
}

#[track_caller]
fn check_answer(command: &str, writes: &[Vec<u8>], expected: &Progress<Told>) {
    let command = super::command(command.as_bytes()).expect("a command");
    let whole = writes.concat();
    for end in 0..whole.len() {
        // No part of it is more than it is.
        let found = answer(&command, &whole[..end]);
        assert_eq!(found, Progress::Incomplete, "{end} bytes");
    }
    assert_eq!(&answer(&command, &whole), expected);
    assert_eq!(&answer(&command, &[&whole[..], b"more"].concat()), expected);
}

#[test]
fn an_answer_has_its_addresses_once_it_is_whole() {
    let told =
        |addresses: &[&str]| Progress::Is(Told::Addresses("a.example".to_owned(), ips(addresses)));
    let both = ["192.0.2.1", "2001:db8::1"];
    let list = "getaddrinfo a.example 443 -1 0 -1 -1 100";
    check_answer(list, &made::list(&ips(&both)), &told(&both));
    // Once for each kind of socket.
    let twice = ips(&["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"]);
    check_answer(list, &made::list(&twice), &told(&both[..1]));
    check_answer(list, &made::failed(), &told(&[]));
    let host = "gethostbyname 100 a.example 2";
    for one in both {
        let writes = made::entry("a.example", &ips(&[one]));
        check_answer(host, &writes, &told(&[one]));
    }
    check_answer(host, &made::failed(), &told(&[]));
    let failed = [(-111_i32).to_be_bytes().to_vec()];
    check_answer(&resnsend(), &failed, &told(&[]));
}

#[test]
fn an_answer_of_dns_is_one_to_the_question() {
    let writes = made::message(&reply("a.example"));
    let Some(Message::Answer(expected)) = dns::message(&reply("a.example")) else {
        panic!("no answer was made");
    };
    check_answer(&resnsend(), &writes, &Progress::Is(Told::Dns(expected)));
    check_answer(
        &resnsend(),
        &made::message(&reply("b.example")),
        &Progress::Not,
    );
    check_answer(&resnsend(), &made::message(&query()), &Progress::Not);
}

#[test]
fn what_says_two_families_is_no_answer() {
    let command = command(b"getaddrinfo a.example 443 -1 0 -1 -1 100").expect("a command");
    let whole = made::list(&ips(&["192.0.2.1"])).concat();
    // The family among the numbers, that in the address, and the word before each entry.
    for at in [15, 28, 7] {
        let mut other = whole.clone();
        other[at] ^= 8;
        assert_eq!(answer(&command, &other), Progress::Not, "{at}");
    }
    assert_eq!(
        answer(&command, b"500 Command not recognized\0"),
        Progress::Not
    );
}

/// A conversation as it goes: each write by itself.
fn talk(
    proxy: &mut Proxy,
    socket: u64,
    who: Who,
    writes: &[Vec<u8>],
    at_ns: u64,
) -> Vec<(Who, Told)> {
    let told = writes
        .iter()
        .filter_map(|bytes| proxy.tell(socket, bytes, at_ns));
    assert_ne!(who, (0, 0));
    told.collect()
}

/// What is said, and awaited.
fn ask(proxy: &mut Proxy, socket: u64, who: Who, text: &str, at_ns: u64) -> Asks {
    proxy.ask(socket, who, (text.as_bytes(), true), at_ns)
}

fn is(name: &str) -> Asks {
    Asks::Name(name.to_owned())
}

const HOST: &str = "gethostbyname 100 b.example 2\0";
const LIST: &str = "getaddrinfo a.example 443 -1 0 -1 -1 100\0";

#[test]
fn who_asked_is_told_and_nobody_else() {
    let mut proxy = Proxy::default();
    let (one, two) = ((1, 11), (2, 22));
    let told = |name: &str, addresses: &[&str]| Told::Addresses(name.to_owned(), ips(addresses));
    // In two writes, and another one between.
    let (first, second) = LIST.split_at(26);
    assert_eq!(ask(&mut proxy, 5, one, first, 1), Asks::Nothing);
    assert_eq!(ask(&mut proxy, 6, two, HOST, 1), is("b.example"));
    assert_eq!(ask(&mut proxy, 5, one, second, 2), is("a.example"));
    let a = made::list(&ips(&["192.0.2.1"]));
    let b = made::entry("b.example", &ips(&["192.0.2.2"]));
    assert_eq!(
        talk(&mut proxy, 6, two, &b, 3),
        [(two, told("b.example", &["192.0.2.2"]))]
    );
    assert_eq!(
        talk(&mut proxy, 5, one, &a, 3),
        [(one, told("a.example", &["192.0.2.1"]))]
    );
    // It is over, and there is no second answer.
    assert_eq!(talk(&mut proxy, 5, one, &a, 4), []);
    assert_eq!(talk(&mut proxy, 7, one, &a, 4), []);
    // What is no question is nobody's, and what a library asks that library is told.
    let other = ask(&mut proxy, 5, two, "getdnsnetid 100\0", 7);
    assert_eq!(other, Asks::Nothing);
    let of_library = proxy.ask(5, two, (HOST.as_bytes(), false), 8);
    assert_eq!(of_library, is("b.example"));
    assert_eq!(talk(&mut proxy, 5, two, &b, 8), []);
    assert!(proxy.talks.is_empty());
}

#[test]
fn of_two_questions_without_an_answer_between_nobody_knows_which_is_answered() {
    for who in [(1, 11), (2, 22)] {
        let mut proxy = Proxy::default();
        assert_eq!(ask(&mut proxy, 5, (1, 11), LIST, 1), is("a.example"));
        assert_eq!(ask(&mut proxy, 5, who, HOST, 2), is("b.example"));
        let b = made::entry("b.example", &ips(&["192.0.2.2"]));
        assert_eq!(talk(&mut proxy, 5, who, &b, 3), []);
        // Once nobody waits any more the socket is another one.
        let later = 3 + PATIENCE_NS;
        assert_eq!(ask(&mut proxy, 5, who, HOST, later), is("b.example"));
        assert_eq!(talk(&mut proxy, 5, who, &b, later).len(), 1);
    }
}

#[test]
fn what_the_resolver_may_understand_otherwise_is_not_read() {
    let mut proxy = Proxy::default();
    for text in [
        "gethostbyname \"0 good.example x\" evil.example 2\0",
        "getaddrinfo a\\.example 443 -1 0 -1 -1 100\0",
        &format!("{LIST}{HOST}"),
    ] {
        assert_eq!(ask(&mut proxy, 5, (1, 1), text, 1), Asks::Unread, "{text}");
        // What it is answered is no answer to what is asked next.
        assert_eq!(ask(&mut proxy, 5, (1, 1), HOST, 2), is("b.example"));
        let other = made::entry("b.example", &ips(&["192.0.2.2"]));
        assert_eq!(talk(&mut proxy, 5, (1, 1), &other, 3), []);
        proxy = Proxy::default();
    }
    let long = "a".repeat(2 * COMMAND);
    assert_eq!(ask(&mut proxy, 5, (1, 1), &long, 1), Asks::Unread);
    for text in [
        "gethostbyname 100 a.example 2 3",
        "gethostbyname a.example 2",
        "gethostbyname x a.example 2",
        "getaddrinfo a.example 443 -1 0 -1 -1",
        "getaddrinfo a.example 443 -1 0 -1 -1 100 1 1",
    ] {
        assert_eq!(command(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn there_is_room_for_so_many_and_one_program_takes_no_others() {
    let mut proxy = Proxy::default();
    let mut made = 0;
    for process in 0..(WAITING / OF_A_PROGRAM) as u64 {
        for _ in 0..OF_A_PROGRAM {
            made += 1;
            assert_eq!(
                ask(&mut proxy, made, (process, 1), HOST, 1),
                is("b.example")
            );
        }
        // It is counted, and its answer is not awaited.
        assert_eq!(ask(&mut proxy, 0, (process, 1), HOST, 1), is("b.example"));
        assert_eq!(proxy.talks.len(), made as usize);
        assert_eq!(proxy.lost(), process + 1);
    }
    let lost = proxy.lost();
    ask(&mut proxy, 0, (99, 1), HOST, 1);
    assert_eq!((proxy.lost(), proxy.talks.len()), (lost + 1, WAITING));
    let later = 2 + PATIENCE_NS;
    ask(&mut proxy, 0, (99, 1), LIST, later);
    assert_eq!((proxy.lost(), proxy.talks.len()), (lost + 1, 1));
    // An answer is no longer than it may be.
    let long = [
        &b"222\0\0\0\0\x01"[..],
        &[0; 16],
        &u32::MAX.to_be_bytes()[..],
        &vec![0; 2 * ANSWER],
    ]
    .concat();
    assert_eq!(proxy.tell(0, &long, later), None);
    assert!(proxy.talks.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..3_usize) {
        let _ = command(&bytes);
        for part in bytes.chunks(50) {
            ask(&mut Proxy::default(), 1, (1, 1), &String::from_utf8_lossy(part), 1);
        }
        let text = ["getaddrinfo a.example 443 -1 0 -1 -1 100", "gethostbyname 100 a.example 2", &resnsend()][kind].to_owned();
        let command = command(text.as_bytes()).expect("a command");
        for bytes in [bytes.clone(), [FOUND, &bytes].concat()] {
            if let Progress::Is(Told::Addresses(name, addresses)) = answer(&command, &bytes) {
                prop_assert_eq!(name, "a.example");
                prop_assert!(addresses.len() <= ADDRESSES);
            }
        }
    }

    #[test]
    fn what_is_answered_is_told(count in 0..100_usize, is_six: bool, as_list: bool) {
        let address = |number: usize| -> IpAddr {
            let number = number as u8;
            if is_six { [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, number].into() } else { [192, 0, 2, number].into() }
        };
        let addresses: Vec<_> = (0..count).map(address).collect();
        let (text, writes) = if as_list {
            ("getaddrinfo a.example 443 -1 0 -1 -1 100", made::list(&addresses))
        } else {
            ("gethostbyname 100 a.example 2", made::entry("a.example", &addresses))
        };
        prop_assume!(as_list || !addresses.is_empty());
        let command = command(text.as_bytes()).expect("a command");
        let kept = addresses.iter().copied().take(ADDRESSES).collect();
        prop_assert_eq!(answer(&command, &writes.concat()), Progress::Is(Told::Addresses("a.example".to_owned(), kept)));
    }
}
