//! Which service does the other side want, by the name it gives?

/// Longer names are no names: a command line of a shell is the longest.
const MAX_LENGTH: usize = 128 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// A command, or none for what comes on stdin. In packets that keep stdout, stderr and exit code apart, or not.
    Shell {
        command: String,
        has_packets: bool,
    },
    Sync,
    /// A connection from the device: what `adb forward` needs.
    Connect {
        host: Option<String>,
        port: u16,
    },
    Root,
    Unroot,
}

impl Service {
    /// None where there is no such service here.
    pub fn of(name: &[u8]) -> Option<Self> {
        let end = name.iter().position(|byte| *byte == 0);
        let name = &name[..end.unwrap_or(name.len())];
        if name.len() > MAX_LENGTH {
            return None;
        }
        let name = String::from_utf8_lossy(name);
        let (kind, rest) = name.split_once(':')?;
        let mut words = kind.split(',');
        match words.next()? {
            "shell" => Some(Self::Shell {
                command: rest.to_owned(),
                // Others are the kind of terminal and whether there shall be one.
                has_packets: words.any(|word| word == "v2"),
            }),
            "exec" => Some(Self::Shell {
                command: rest.to_owned(),
                has_packets: false,
            }),
            "sync" => Some(Self::Sync),
            "root" => Some(Self::Root),
            "unroot" => Some(Self::Unroot),
            "tcp" => {
                let (port, host) = match rest.split_once(':') {
                    Some((port, host)) => (port, Some(host.to_owned())),
                    None => (rest, None),
                };
                Some(Self::Connect {
                    host,
                    port: port.parse().ok()?,
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_name_has_an_answer(name: Vec<u8>) {
            let _ = Service::of(&name);
        }

        #[test]
        fn any_text_behind_a_known_word_has_an_answer(text: String) {
            for word in ["shell:", "shell,v2,", "exec:", "sync:", "tcp:", "tcp:1:", "root:"] {
                let _ = Service::of(format!("{word}{text}").as_bytes());
            }
        }
    }

    fn check(name: &str, expected: Option<&Service>) {
        assert_eq!(Service::of(name.as_bytes()).as_ref(), expected, "{name:?}");
    }

    #[test]
    fn services_are_known_by_their_names() {
        let check_shell = |name, command: &str, has_packets| {
            let command = command.to_owned();
            let expected = Service::Shell {
                command,
                has_packets,
            };
            check(name, Some(&expected));
        };
        check_shell("shell:id -u\0", "id -u", false);
        check_shell("shell,v2,TERM=xterm,raw:echo a:b", "echo a:b", true);
        check_shell("shell,v2:", "", true);
        check_shell("exec:cat", "cat", false);
        check("sync:\0", Some(&Service::Sync));
        let check_connect = |name, host: Option<&str>| {
            let host = host.map(str::to_owned);
            check(name, Some(&Service::Connect { host, port: 9741 }));
        };
        check_connect("tcp:9741", None);
        check_connect("tcp:9741:::1", Some("::1"));
        for unknown in ["tcp:", "tcp:65536", "jdwp:1", "shell", "", "reboot:"] {
            check(unknown, None);
        }
    }
}
