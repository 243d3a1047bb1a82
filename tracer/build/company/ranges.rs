//! Which operators publish which addresses as theirs, as ranges that do not overlap?

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::layout::Range;

/// Both families, and the operators that the ranges name.
pub struct Ranges {
    /// The name shown, and the id of the entity.
    pub operators: Vec<(&'static str, &'static str)>,
    pub v4: Vec<Range<u32>>,
    pub v6: Vec<Range<u128>>,
}

/// What is shown for a file's name, and the id of the entity, where `entities.toml` has it.
const NAMES: [(&str, &str, &str); 11] = [
    ("amazon", "Amazon", "amazon"),
    ("cloudflare", "Cloudflare", "cloudflare"),
    ("digitalocean", "DigitalOcean", "digitalocean"),
    ("facebook", "Meta", "meta"),
    ("google", "Google", "google"),
    ("linode", "Linode", ""),
    ("microsoft", "Microsoft", "microsoft"),
    ("openai", "OpenAI", "openai"),
    ("oracle", "Oracle", "oracle"),
    ("telegram", "Telegram", "telegram"),
    ("vultr", "Vultr", "vultr"),
];

/// One line of a file, with its family's addresses widened.
struct Prefix {
    first: u128,
    last: u128,
    operator: u8,
}

pub fn read(data: &Path) -> Result<Ranges, String> {
    let mut operators = Vec::new();
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    let folder = data.join("ip");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .and_then(|files| {
            files
                .map(|file| file.map(|file| file.path()))
                .collect::<Result<_, _>>()
        })
        .map_err(|error| format!("read data/ip: {error}"))?;
    files.sort();
    for file in files {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        let stem = name.split('-').next().unwrap_or_default();
        let operator = NAMES.iter().find(|(file, ..)| *file == stem);
        let (_, shown, id) =
            operator.ok_or_else(|| format!("data/ip/{name}: no operator is called so"))?;
        let known = operators.iter().position(|(known, _)| known == shown);
        let at = known.unwrap_or_else(|| {
            operators.push((*shown, *id));
            operators.len() - 1
        });
        let operator = u8::try_from(at).map_err(|_| "data/ip: too many operators".to_owned())?;
        for line in super::text(&folder, &name)?.lines() {
            let (prefix, is_v6) = prefix(line, operator)
                .ok_or_else(|| format!("data/ip/{name}: {line:?} is no prefix"))?;
            if is_special(prefix.first, is_v6) {
                continue;
            }
            if is_v6 { &mut v6 } else { &mut v4 }.push(prefix);
        }
    }
    let narrow =
        |address| u32::try_from(address).map_err(|_| "data/ip: an address is too large".to_owned());
    let v4 = flat(&v4)
        .into_iter()
        .map(|range| {
            Ok(Range {
                first: narrow(range.first)?,
                last: narrow(range.last)?,
                network: range.network,
                user: range.user,
            })
        })
        .collect::<Result<_, String>>()?;
    Ok(Ranges {
        operators,
        v4,
        v6: flat(&v6),
    })
}

fn prefix(line: &str, operator: u8) -> Option<(Prefix, bool)> {
    let (address, length) = line.trim().split_once('/')?;
    let length: u32 = length.parse().ok()?;
    let (bits, address) = match address.parse().ok()? {
        IpAddr::V4(address) => (32, u128::from(address.to_bits())),
        IpAddr::V6(address) => (128, address.to_bits()),
    };
    let host = u128::MAX.checked_shr(length + (128 - bits)).unwrap_or(0);
    (length <= bits && length > 0 && address & host == 0).then_some((
        Prefix {
            first: address,
            last: address | host,
            operator,
        },
        bits == 128,
    ))
}

/// Addresses for documentation and for measuring are nobody's, though an operator's list has them.
fn is_special(first: u128, is_v6: bool) -> bool {
    if is_v6 {
        let address = Ipv6Addr::from_bits(first);
        return matches!(address.segments(), [0x2001, 0x0db8 | 0x2 | 0x10..=0x1f, ..])
            || address.is_loopback();
    }
    u32::try_from(first).is_ok_and(|first| {
        let address = Ipv4Addr::from_bits(first);
        address.is_documentation()
            || address.is_private()
            || address.is_loopback()
            || address.is_multicast()
    })
}

/// Ranges with the same answer throughout. Where two operators name an address, the wider prefix is the network's, the
/// narrower one of who uses a part of it.
fn flat(prefixes: &[Prefix]) -> Vec<Range<u128>> {
    let mut edges = BTreeSet::new();
    for prefix in prefixes {
        edges.insert(prefix.first);
        if let Some(after) = prefix.last.checked_add(1) {
            edges.insert(after);
        }
    }
    let mut sorted: Vec<&Prefix> = prefixes.iter().collect();
    // Wider ones first.
    sorted.sort_by_key(|prefix| (prefix.first, u128::MAX - (prefix.last - prefix.first)));
    let edges: Vec<u128> = edges.into_iter().collect();
    let mut ranges: Vec<Range<u128>> = Vec::new();
    let mut open: Vec<&Prefix> = Vec::new();
    let mut next = sorted.into_iter().peekable();
    for (at, first) in edges.iter().enumerate() {
        open.retain(|prefix| prefix.last >= *first);
        while let Some(prefix) = next.next_if(|prefix| prefix.first == *first) {
            open.push(prefix);
        }
        let (Some(network), Some(user)) = (open.first(), open.last()) else {
            continue;
        };
        let last = edges.get(at + 1).map_or(u128::MAX, |next| next - 1);
        let (network, user) = (network.operator, user.operator);
        match ranges.last_mut() {
            Some(range)
                if range.last + 1 == *first && (range.network, range.user) == (network, user) =>
            {
                range.last = last;
            }
            _ => ranges.push(Range {
                first: *first,
                last,
                network,
                user,
            }),
        }
    }
    ranges
}
