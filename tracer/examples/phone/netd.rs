//! `netd` as far as it holds hooks: every one for itself, as different versions of Android do.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::bpf;
use crate::control;

const CGROUP_SKB: u32 = 8;
const CGROUP_SOCK: u32 = 9;
const CGROUP_SOCK_ADDR: u32 = 18;
const CGROUP_SOCKOPT: u32 = 25;

/// Types of a program and of its attachment: ingress, egress, sock_create.
const ANDROID_13: &[(u32, u32)] = &[(CGROUP_SKB, 0), (CGROUP_SKB, 1), (CGROUP_SOCK, 2)];
/// And bind.
const ANDROID_14: &[(u32, u32)] = &[(CGROUP_SOCK_ADDR, 8), (CGROUP_SOCK_ADDR, 9)];
/// And connect, sendmsg, recvmsg, getsockopt, setsockopt, sock_release.
const ANDROID_15: &[(u32, u32)] = &[
    (CGROUP_SOCK_ADDR, 10),
    (CGROUP_SOCK_ADDR, 11),
    (CGROUP_SOCK_ADDR, 14),
    (CGROUP_SOCK_ADDR, 15),
    (CGROUP_SOCK_ADDR, 19),
    (CGROUP_SOCK_ADDR, 20),
    (CGROUP_SOCKOPT, 21),
    (CGROUP_SOCKOPT, 22),
    (CGROUP_SOCK, 34),
];

/// `r0 = 1; exit`: everything passes.
const PASS: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];

/// Which version's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Profile {
    /// Android 13, and 14 up to its first quarterly release
    #[value(name = "13")]
    Android13,
    /// Android 14 from its second quarterly release on
    #[value(name = "14-qpr2")]
    Android14,
    /// Android 15 and later
    #[value(name = "15")]
    Android15,
}

impl Profile {
    fn hooks(self) -> Vec<(u32, u32)> {
        let lists = [
            (Self::Android13, ANDROID_13),
            (Self::Android14, ANDROID_14),
            (Self::Android15, ANDROID_15),
        ];
        lists
            .iter()
            .filter(|(since, _)| *since <= self)
            .flat_map(|(_, hooks)| *hooks)
            .copied()
            .collect()
    }
}

struct Netd {
    root: File,
    hooks: Vec<(u32, u32)>,
    programs: Vec<OwnedFd>,
    /// The kernel's numbers of them.
    numbers: Vec<u32>,
}

/// Attaches, then obeys: `restart` attaches anew, `check` fails where somebody else is attached.
pub fn run(socket: &Path, cgroup: &Path, profile: Profile) -> Result<()> {
    let root = File::open(cgroup).with_context(|| format!("open {}", cgroup.display()))?;
    let mut netd = Netd {
        root,
        hooks: profile.hooks(),
        programs: Vec::new(),
        numbers: Vec::new(),
    };
    netd.attach()?;
    control::obey(socket, |line| match line {
        "restart" => netd.attach().map(|()| String::new()),
        "check" => netd.check(),
        _ => bail!("not understood"),
    })
}

impl Netd {
    /// As at each start: what it had attached itself is replaced. Any failure would end the real one, and Android with it.
    fn attach(&mut self) -> Result<()> {
        self.programs.clear();
        for (kind, attachment) in &self.hooks {
            let program = load(*kind, *attachment)?;
            let mut attributes = bpf::Attributes::default();
            attributes[0] = self.root.as_raw_fd() as u32;
            attributes[1] = program.as_raw_fd() as u32;
            attributes[2] = *attachment;
            bpf::call(bpf::PROG_ATTACH, &mut attributes)
                .with_context(|| format!("attach {attachment}"))?;
            self.programs.push(program);
        }
        self.numbers = self.attached()?;
        Ok(())
    }

    fn check(&self) -> Result<String> {
        let now = self.attached()?;
        ensure!(
            now == self.numbers,
            "attached {now:?} instead of {:?}",
            self.numbers
        );
        // A later version wants the others, and may be installed any day.
        for (kind, attachment) in Profile::Android15.hooks() {
            let (count, ..) = self.query(attachment)?;
            let is_ours = self.hooks.contains(&(kind, attachment));
            ensure!(
                is_ours || count == 0,
                "attachment {attachment}: {count} programs of somebody else"
            );
        }
        Ok(format!("{} hooks", now.len()))
    }

    /// Numbers of the programs that are attached, each alone and with no flags.
    fn attached(&self) -> Result<Vec<u32>> {
        let one = |(_, attachment): &(u32, u32)| {
            let (count, flags, number) = self.query(*attachment)?;
            ensure!(
                count == 1 && flags == 0,
                "attachment {attachment}: {count} programs, flags {flags}"
            );
            Ok(number)
        };
        self.hooks.iter().map(one).collect()
    }

    /// How many programs are attached there, with which flags, and the number of the first.
    fn query(&self, attachment: u32) -> Result<(u32, u32, u32)> {
        let mut numbers = [0_u32; 8];
        let mut attributes = bpf::Attributes::default();
        attributes[0] = self.root.as_raw_fd() as u32;
        attributes[1] = attachment;
        attributes[4..6].copy_from_slice(&bpf::words(numbers.as_mut_ptr()));
        attributes[6] = numbers.len() as u32;
        bpf::call(bpf::PROG_QUERY, &mut attributes).context("ask what is attached")?;
        Ok((attributes[6], attributes[3], numbers[0]))
    }
}

fn load(kind: u32, attachment: u32) -> Result<OwnedFd> {
    let mut attributes = bpf::Attributes::default();
    attributes[0] = kind;
    attributes[1] = PASS.len() as u32;
    attributes[2..4].copy_from_slice(&bpf::words(PASS.as_ptr()));
    attributes[4..6].copy_from_slice(&bpf::words(c"GPL".as_ptr()));
    attributes[17] = attachment;
    bpf::open(bpf::PROG_LOAD, &mut attributes).with_context(|| format!("load for {attachment}"))
}
