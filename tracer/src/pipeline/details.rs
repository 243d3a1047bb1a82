//! What few contacts have: over which interface a link-local remote is, to whom this machine led datagrams instead, and payload that
//! went past TCP.

use std::{collections::HashMap, ffi::CStr, fs, io, os::unix::fs::MetadataExt as _};

use tracer_common::{FlowKey, Record, map::PROTOCOL_TCP, record::PAST};

use super::programs::Known;
use crate::{
    decode,
    kernel::source::Kernel,
    model::{Detail, Endpoint},
};

/// Names of interfaces that are remembered until the next second.
const NAMES: usize = 1_024;

#[derive(Default)]
pub struct Details {
    translations: HashMap<FlowKey, Endpoint>,
    /// How many the kernel side had noted when they were read.
    noted: u64,
    /// By network namespace and index; `None` where it has no name that could be found.
    names: HashMap<(u32, u32), Option<Box<str>>>,
    /// The tracer's own network namespace.
    own: Option<u32>,
}

impl Details {
    /// Learns what has been translated since the last time. A flow outlives its socket, so what ended since then is told too.
    pub fn refresh(&mut self, kernel: &mut Kernel) {
        // An interface may have another name by now.
        self.names.clear();
        let noted = kernel.translations_noted();
        if noted == self.noted {
            return;
        }
        let mut translations = HashMap::new();
        let read = kernel.translations(|key, to| {
            let to = Endpoint {
                address: Some(decode::ip(to.address)),
                port: Some(to.port),
            };
            translations.insert(*key, to);
        });
        // What could not be read is read the next time.
        if read.is_ok() {
            self.translations = translations;
            self.noted = noted;
        }
    }

    /// `None` for a contact that has none of it, which is almost every one.
    pub fn of(&mut self, known: &Known, record: &Record) -> Option<Box<Detail>> {
        let translated = self.translated(record);
        let interface = (record.interface != 0).then(|| self.interface(known, record));
        let detail = Detail {
            translated,
            interface,
            past_tcp: record.flags & PAST != 0,
        };
        (detail != Detail::default()).then(|| Box::new(detail))
    }

    fn translated(&self, record: &Record) -> Option<Endpoint> {
        if self.translations.is_empty() || record.destination.protocol == PROTOCOL_TCP {
            return None;
        }
        let key = FlowKey {
            socket: record.socket,
            address: record.destination.address,
            port: record.remote_port,
            protocol: record.destination.protocol,
            padding: 0,
            interface: record.interface,
        };
        self.translations.get(&key).copied()
    }

    /// The interface's name, as its network namespace has it; its index where that cannot be asked any more.
    fn interface(&mut self, known: &Known, record: &Record) -> Box<str> {
        let place = (record.namespace, record.interface);
        if self.names.len() >= NAMES {
            self.names.clear();
        }
        let own = *self
            .own
            .get_or_insert_with(|| namespace_of("self").unwrap_or(0));
        let process = known.program.as_ref().and_then(|program| program.process);
        let name = self.names.entry(place).or_insert_with(|| match place {
            (0, _) => None,
            (namespace, index) if namespace == own => own_name(index),
            (namespace, index) => name_at(process?, namespace, index),
        });
        name.clone()
            .unwrap_or_else(|| record.interface.to_string().into())
    }
}

pub(super) fn namespace_of(process: &str) -> io::Result<u32> {
    let inode = fs::metadata(format!("/proc/{process}/ns/net"))?.ino();
    u32::try_from(inode).map_err(io::Error::other)
}

/// The name of an interface of the tracer's own network namespace.
fn own_name(index: u32) -> Option<Box<str>> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer is as long as the call asks for.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    let name = CStr::from_bytes_until_nul(&name).ok()?.to_str().ok()?;
    (!found.is_null()).then(|| name.into())
}

/// That of one of another namespace, as a process in it sees it: in the list of those with addresses of IPv6, or of those that speak IPv4.
fn name_at(process: u32, namespace: u32, index: u32) -> Option<Box<str>> {
    let is_there = namespace_of(&process.to_string()).is_ok_and(|there| there == namespace);
    let list = |name| fs::read_to_string(format!("/proc/{process}/net/{name}")).unwrap_or_default();
    is_there
        .then(|| name_in(&list("if_inet6"), index).or_else(|| name_in_igmp(&list("igmp"), index)))
        .flatten()
}

/// The name in `/proc/net/igmp`: a decimal index and the name, and below each its groups, indented.
fn name_in_igmp(list: &str, index: u32) -> Option<Box<str>> {
    list.lines().find_map(|line| {
        let (found, rest) = line.split_once('\t')?;
        let is_it = found.parse() == Ok(index);
        // The name has ten places, and a colon right behind it where it is longer.
        let name = rest.split([' ', ':']).next().filter(|_| is_it)?;
        (!name.is_empty()).then(|| name.into())
    })
}

/// The name in `/proc/net/if_inet6`: address, index, length of the prefix, scope, flags, all of them hexadecimal, and the name.
fn name_in(list: &str, index: u32) -> Option<Box<str>> {
    list.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let found = u32::from_str_radix(words.nth(1)?, 16).ok()?;
        (found == index)
            .then(|| words.nth(3))
            .flatten()
            .map(Into::into)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "00000000000000000000000000000001 01 80 10 80       lo\n\
        fe8000000000000000000000000000a1 1f 40 20 80     eth0\n";

    #[test]
    fn a_list_of_groups_names_interfaces() {
        let list = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
                    1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n\
                    12\tred       :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n\
                    13\tdocker_gwbridge:     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n";
        assert_eq!(name_in_igmp(list, 1).as_deref(), Some("lo"));
        assert_eq!(name_in_igmp(list, 12).as_deref(), Some("red"));
        assert_eq!(name_in_igmp(list, 13).as_deref(), Some("docker_gwbridge"));
        for index in [0, 2, 10_000] {
            assert_eq!(name_in_igmp(list, index), None);
        }
        assert_eq!(name_in_igmp("7", 7), None);
        assert_eq!(name_in_igmp("7\t", 7), None);
    }

    #[test]
    fn a_list_of_addresses_names_interfaces() {
        assert_eq!(name_in(LIST, 1).as_deref(), Some("lo"));
        assert_eq!(name_in(LIST, 31).as_deref(), Some("eth0"));
        assert_eq!(name_in(LIST, 2), None);
        for length in 0..LIST.len() {
            let name = name_in(&LIST[..length], 31);
            let is_begun = name.is_none_or(|name| "eth0".starts_with(&*name));
            assert!(is_begun, "{length}");
        }
    }

    #[test]
    fn the_loopback_interface_has_its_name_here_and_seen_by_a_process() {
        let index = c"lo";
        // SAFETY: a string that ends with NUL.
        let index = unsafe { libc::if_nametoindex(index.as_ptr()) };
        assert_eq!(own_name(index).as_deref(), Some("lo"));
        assert_eq!(own_name(u32::MAX), None);
        let (own, here) = (
            namespace_of("self").expect("a namespace"),
            std::process::id(),
        );
        // Where it has an address of IPv6.
        let list = fs::read_to_string("/proc/self/net/if_inet6").unwrap_or_default();
        assert_eq!(name_at(here, own, index), name_in(&list, index));
        assert_eq!(name_at(here, own.wrapping_add(1), index), None);
    }
}
