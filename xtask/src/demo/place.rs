//! Where does all this happen? In two network namespaces without a name, and a folder: the former end with the processes that hold them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::child;
use super::folder::Folder;
use super::stage;
use crate::bench::process::Guarded;
use crate::ebpf;

/// Where the name server of the internet is.
pub const NAME_SERVER: &str = "192.0.2.53";

/// What a namespace of the phone's has instead of this machine's own files, so that only that name server is asked. A cache of names
/// would ask this machine's.
const OWN_FILES: &str = "\
    for name in resolv.conf nsswitch.conf hosts; do mount --bind \"$0/$name\" \"/etc/$name\" || exit 1; done\n\
    if [ -d /run/nscd ]; then mount -t tmpfs none /run/nscd || exit 1; fi\n";
const FILES: [(&str, &str); 3] = [
    ("resolv.conf", "nameserver 192.0.2.53\n"),
    ("nsswitch.conf", "hosts: files dns\n"),
    ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// Addresses and routes of the phone, and of the internet, which has all addresses of its hosts.
const WIRES: [&[&str]; 2] = [
    &[
        "link set lo up",
        "address add 192.0.2.1/24 dev p0",
        "link set p0 up",
        "route add default via 192.0.2.2",
    ],
    &[
        "link set lo up",
        "address add 192.0.2.2/24 dev i0",
        "address add 192.0.2.53/24 dev i0",
        "link set i0 up",
        "route add local 198.51.100.0/24 dev lo",
    ],
];
/// The same over IPv6. Without duplicate address detection an address is good at once.
const WIRES_SIX: [&[&str]; 2] = [
    &[
        "address add 2001:db8:1::1/64 dev p0 nodad",
        "-6 route add default via 2001:db8:1::2",
    ],
    &[
        "address add 2001:db8:1::2/64 dev i0 nodad",
        "-6 route add local 2001:db8:51::/64 dev lo",
    ],
];

/// A process that holds a network namespace, and the files of `/etc` that are seen there.
pub struct Namespace {
    holder: Guarded,
    /// It ends with its input.
    _input: ChildStdin,
}

impl Namespace {
    fn new(folder: &Folder, script: &str) -> Result<Self> {
        let mut command = ebpf::clean_command("unshare");
        command.args(["--net", "--mount", "--propagation", "private", "sh", "-c"]);
        command.arg(format!("{script}echo ready\nexec cat > /dev/null"));
        command.arg(&folder.0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = Guarded::start(&mut command)?;
        let (input, output) = holder.pipes().context("the pipes of a namespace")?;
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        read.context("wait for a namespace")?;
        ensure!(line == "ready\n", "a network namespace was not made");
        Ok(Self {
            holder,
            _input: input,
        })
    }

    pub fn id(&self) -> u32 {
        self.holder.id()
    }

    /// A command that runs in it; in its own folder only where it needs none of the files.
    pub fn command(&self, with_files: bool, program: impl AsRef<Path>) -> Command {
        let mut command = ebpf::clean_command("nsenter");
        command.arg(format!("--target={}", self.id())).arg("--net");
        if with_files {
            command.arg("--mount");
        }
        command.arg("--").arg(program.as_ref());
        command
    }

    /// Whether somebody listens at a port.
    pub fn has_port(&self, protocol: &str, port: u16) -> bool {
        let wanted = format!(":{port:04X} ");
        let table = |end: &str| format!("/proc/{}/net/{protocol}{end}", self.id());
        let has = |path| fs::read_to_string(path).is_ok_and(|text| text.contains(&wanted));
        ["", "6"].map(table).into_iter().any(has)
    }
}

/// All of it, removed with the value in this order.
pub struct Place {
    pub phone: Namespace,
    pub internet: Namespace,
    pub folder: Folder,
}

impl Place {
    pub fn new() -> Result<Self> {
        let folder = Folder::new()?;
        for (name, text) in FILES {
            folder.write(name, text)?;
        }
        let place = Self {
            phone: Namespace::new(&folder, OWN_FILES)?,
            internet: Namespace::new(&folder, "")?,
            folder,
        };
        let internet = place.internet.id();
        place.ip(
            &place.phone,
            &format!("link add p0 type veth peer name i0 netns {internet}"),
        )?;
        let wires = if stage::has_six() {
            vec![WIRES, WIRES_SIX]
        } else {
            vec![WIRES]
        };
        for [phone, internet] in wires {
            for arguments in phone {
                place.ip(&place.phone, arguments)?;
            }
            for arguments in internet {
                place.ip(&place.internet, arguments)?;
            }
        }
        Ok(place)
    }

    fn ip(&self, namespace: &Namespace, arguments: &str) -> Result<()> {
        let mut command = namespace.command(false, "ip");
        command.args(arguments.split(' '));
        child::finish(&mut command, &self.folder.path("ip.log")).map(drop)
    }
}
