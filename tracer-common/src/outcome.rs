//! Why an attempt failed: an index into [`crate::Counts::failed`] and the value of the label `reason`.

use crate::record::{self, ESTABLISHED};

/// An RST, or an ICMP port unreachable, answered the SYN (`ECONNREFUSED`).
pub const REFUSED: usize = 0;
/// Reset between SYN and established for another reason (`ECONNRESET`, `EPIPE`).
pub const RESET: usize = 1;
/// Nobody answered (`ETIMEDOUT`).
pub const TIMED_OUT: usize = 2;
/// No way to the address (`EHOSTUNREACH`, `ENETUNREACH`, …) or none from here (`EADDRNOTAVAIL`), or no SYN could leave.
pub const UNREACHABLE: usize = 3;
/// Forbidden on the way or on this machine (`EACCES`, `EPERM`).
pub const DENIED: usize = 4;
/// The program closed the socket before an answer came.
pub const CANCELLED: usize = 5;
/// Any other error.
pub const OTHER: usize = 6;
/// How many there are.
pub const REASONS: usize = 7;

/// The label of each reason.
pub const NAMES: [&str; REASONS] = [
    "refused",
    "reset",
    "timed_out",
    "unreachable",
    "denied",
    "cancelled",
    "other",
];

/// The reason that an error number (`errno`) of a socket means, `None` for 0.
#[inline]
pub const fn of_errno(errno: i32) -> Option<usize> {
    match errno {
        0 => None,
        1 | 13 => Some(DENIED),
        32 | 104 => Some(RESET),
        99..=101 | 112 | 113 => Some(UNREACHABLE),
        110 => Some(TIMED_OUT),
        111 => Some(REFUSED),
        125 => Some(CANCELLED),
        _ => Some(OTHER),
    }
}

/// How a flow ended, as [`crate::Record::outcome`]: `answered` or not; `closed`, its socket is; `error`, which came back (`errno`, 0
/// where none did), and `refused`, with which the last call to send failed.
#[inline]
pub const fn of_flow(answered: bool, closed: bool, error: i32, refused: i32) -> u16 {
    if answered {
        return ESTABLISHED;
    }
    let reason = match of_errno(if error == 0 { refused } else { error }) {
        Some(reason) => reason,
        None if closed => CANCELLED,
        None => TIMED_OUT,
    };
    record::failed(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FAILED;

    #[test]
    fn a_flow_ends_as_it_was_answered_or_not() {
        let failed = record::failed;
        assert_eq!(of_flow(true, true, 111, 0), ESTABLISHED);
        assert_eq!(of_flow(false, true, 111, 0), failed(REFUSED));
        assert_eq!(of_flow(false, true, 0, 1), failed(DENIED));
        assert_eq!(of_flow(false, false, 0, 1), failed(DENIED));
        assert_eq!(of_flow(false, true, 0, 0), failed(CANCELLED));
        assert_eq!(of_flow(false, false, 0, 0), failed(TIMED_OUT));
    }

    #[test]
    fn only_what_failed_has_a_reason() {
        assert_eq!(record::reason(record::UNKNOWN), None);
        assert_eq!(record::reason(ESTABLISHED), None);
        assert_eq!(record::reason(FAILED), Some(REFUSED));
        assert_eq!(record::reason(FAILED + OTHER as u16), Some(OTHER));
        assert_eq!(record::reason(FAILED + REASONS as u16), None);
        assert_eq!(record::reason(u16::MAX), None);
    }
}
