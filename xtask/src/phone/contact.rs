//! A contact, as far as the truth of a day goes: two that are alike here are alike in all that is compared.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Whoever is contacted on the phone is there; the accepted side of the same contacts is not of the day.
pub const DESTINATIONS: [&str; 3] = ["198.18.", "198.19.", "2001:db8:"];

/// Whose it was, with whom, what became of it, and the bytes over it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    pub app: String,
    pub user: String,
    pub direction: String,
    pub protocol: String,
    pub destination: String,
    pub port: String,
    /// With the reason, where it failed.
    pub outcome: String,
    /// Where they are known.
    pub sent: Option<u64>,
    pub received: Option<u64>,
}

/// How many there are of each.
pub type Tally = BTreeMap<Contact, u64>;

impl Contact {
    /// What `/api/v1/contacts` says of one.
    pub fn of(said: &Value) -> Self {
        let text = |field: &str| shown(&said[field]);
        Self {
            app: text("app"),
            user: text("user"),
            direction: text("direction"),
            protocol: text("protocol"),
            destination: text("destination"),
            port: text("port"),
            outcome: match &said["reason"] {
                Value::Null => text("outcome"),
                reason => format!("{}: {}", text("outcome"), shown(reason)),
            },
            sent: said["sent_bytes"].as_u64(),
            received: said["received_bytes"].as_u64(),
        }
    }
}

/// A text as it is, all else as JSON: what is not known is `null`, which no app is called.
fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

impl fmt::Display for Contact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
        write!(
            formatter,
            "{} of user {}, {} over {}, {} port {}, {}, {} bytes sent and {} received",
            self.app,
            self.user,
            self.direction,
            self.protocol,
            self.destination,
            self.port,
            self.outcome,
            bytes(self.sent),
            bytes(self.received)
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_contact_is_what_the_page_says_of_it() {
        let mut said = json!({
            "id": 7, "live": false, "app": "com.a", "user": "10", "direction": "out", "protocol": "tcp",
            "destination": "198.18.0.1", "port": 9, "outcome": "failed", "reason": "refused",
            "sent_bytes": 0, "received_bytes": 0,
        });
        assert_eq!(
            Contact::of(&said).to_string(),
            "com.a of user 10, out over tcp, 198.18.0.1 port 9, failed: refused, 0 bytes sent and 0 received"
        );
        for field in ["app", "reason", "sent_bytes"] {
            said[field] = Value::Null;
        }
        assert_eq!(
            Contact::of(&said).to_string(),
            "null of user 10, out over tcp, 198.18.0.1 port 9, failed, ? bytes sent and 0 received"
        );
    }
}
