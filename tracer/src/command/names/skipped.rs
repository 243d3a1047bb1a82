//! What in a capture was not read, and why?

use std::fmt;

/// How often each happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    pub packets: u64,
    pub unknown_link: u64,
    pub not_ip: u64,
    pub not_transport: u64,
    pub cut_off: u64,
    pub fragments_dropped: u64,
    pub streams_dropped: u64,
    pub streams_given_up: u64,
    pub flows_dropped: u64,
    pub dns_unread: u64,
    /// Whether the file ended in the middle of a packet.
    pub ends_early: bool,
}

impl Skipped {
    /// Each reason that occurred, with what it means.
    fn reasons(&self) -> impl Iterator<Item = (u64, &'static str)> {
        [
            (self.unknown_link, "packets of a link that is not known"),
            (self.not_ip, "packets that are not IP"),
            (self.not_transport, "packets that are neither TCP nor UDP"),
            (
                self.cut_off,
                "packets of which only the beginning was captured",
            ),
            (
                self.fragments_dropped,
                "datagrams of which fragments are missing",
            ),
            (
                self.streams_dropped,
                "TCP streams with a hello or message begun, for which there was no room",
            ),
            (
                self.streams_given_up,
                "TCP streams of DNS with a gap or too long a message",
            ),
            (
                self.flows_dropped,
                "flows of QUIC without a hello yet, for which there was no room",
            ),
            (
                self.dns_unread,
                "messages at ports of DNS that have not one question",
            ),
            (
                u64::from(self.ends_early),
                "packet at the end, which is not whole",
            ),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
    }
}

/// What to tell the user; nothing where all was read.
impl fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons = self.reasons();
        let Some((count, reason)) = reasons.next() else {
            return Ok(());
        };
        write!(
            formatter,
            "of {} packets, not read: {count} {reason}",
            self.packets
        )?;
        for (count, reason) in reasons {
            write!(formatter, ", {count} {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_is_told() {
        let check = |skipped: Skipped, expected: &str| assert_eq!(skipped.to_string(), expected);
        let nothing = Skipped {
            packets: 9,
            ..Skipped::default()
        };
        check(nothing, "");
        let some = Skipped {
            not_ip: 2,
            ends_early: true,
            ..nothing
        };
        check(
            some,
            "of 9 packets, not read: 2 packets that are not IP, 1 packet at the end, which is not whole",
        );
    }
}
