//! How many instructions does the kernel run more while somebody traces?
//!
//! On an emulated machine with one processor, whose clock counts instructions: a nanosecond is one. Whatever else this machine does
//! changes nothing, and the figures are the same on every machine. Whoever traces is stopped meanwhile, so that the kernel's part is
//! measured alone; its buffers have room for all that is said.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::table;
use crate::architecture::Architecture;
use crate::cache::Cache;
use crate::packages::Packages;
use crate::vm::binaries;
use crate::vm::kernels::KERNELS;
use crate::vm::machine::{End, Pace};
use crate::vm::runs::{self, Plan};

const MACHINES: &[&str] = &["x86-6.12", "x86-7", "arm-6.12-16k"];
/// The two kinds of hooks, with the goal for a connect and close.
const HOOKS: [(&str, f64); 2] = [("tracing", 6_000.0), ("cgroup", 7_000.0)];
const BASE: &str = "base";
const TCPLIFE: &str = "tcplife";
const CONNECT: &str = "connect";
/// What else is measured, and what it is called.
const PARTS: [(&str, &str); 3] = [
    (
        "early",
        "write of 100 bytes over TCP, where names are looked for",
    ),
    ("late", "the same behind that"),
    ("datagram", "UDP datagram, both ends"),
];
/// Begins a line that is for us.
const MARK: &str = "@@bench";
/// It takes a minute or two.
const LIMIT: Duration = Duration::from_secs(900);

/// Prints the figures of each machine.
pub fn measure(tcplife: &Path) -> Result<()> {
    let cache = Cache::open()?;
    for name in MACHINES {
        let said = run(&cache, name, tcplife)?;
        show(name, &figures(&said)?)?;
    }
    Ok(())
}

/// What a machine says.
fn run(cache: &Cache, name: &str, tcplife: &Path) -> Result<String> {
    let kernel = KERNELS
        .iter()
        .find(|kernel| kernel.name == name)
        .with_context(|| format!("there is no kernel {name}"))?;
    let packages = Packages::new(cache);
    let built = binaries::build(cache, &packages, kernel.architecture)?;
    let is_ours = kernel.architecture == Architecture::of_this_machine()?;
    let others: Vec<_> = is_ours.then(|| tcplife.to_owned()).into_iter().collect();
    let script = script(
        built.named("tracer")?,
        built.named("workload")?,
        others.first().map(|path| &**path),
    );
    let machines = runs::prepare(&Plan {
        cache,
        kernels: vec![kernel],
        scope: None,
        shell: Some(&script),
        is_bare: false,
        files: &others,
        limit: LIMIT,
        jobs: 1,
        tests: &[],
    })?;
    let mut said = String::new();
    for mut machine in machines {
        machine.pace = Pace::Counted;
        if machine.run(&machine.script, LIMIT, false)? == End::TimeIsUp {
            bail!("{name} was given up after {} s", LIMIT.as_secs());
        }
        let log = machine.log();
        said += &fs::read_to_string(&log).with_context(|| format!("read {}", log.display()))?;
    }
    Ok(said)
}

/// Measures without anybody, with tcplife and with each kind of hooks.
///
/// What one takes is the difference of many and few: to start the generator costs more than some of what is asked for.
fn script(tracer: &Path, workload: &Path, tcplife: Option<&Path>) -> String {
    let mut script = format!(
        r#"span() {{ local start=${{EPOCHREALTIME/./}}; {workload} "$@" </dev/null >/dev/null; echo $((${{EPOCHREALTIME/./}} - start)); }}
each() {{
    local who=$1 part=$2 few=$3 many=$4; shift 4
    span "$@" --times $few >/dev/null
    echo "{MARK} $who $part $((($(span "$@" --times $many) - $(span "$@" --times $few)) * 1000 / (many - few)))"
}}
measure() {{
    each $1 {CONNECT} 100 2100 storm --threads 1
    for turn in 1 2 3 4 5 6 7 8; do each $1 early 10 150 loopback --protocol tcp --rounds --bytes 100; done
    each $1 late 200 5200 loopback --protocol tcp --rounds --bytes 100
    each $1 datagram 100 5100 loopback --protocol udp --bytes 100
}}
beside() {{
    sleep 3
    kill -STOP $!
    measure $1
    kill -KILL $!
    wait
    sleep 3
}}
measure {BASE}
"#,
        workload = workload.display(),
    );
    let mut watch = |command: String, until: &str, who: &str| {
        script += &[&command, " &\n", until, "beside ", who, "\n"].concat();
    };
    if let Some(tcplife) = tcplife {
        watch(format!("{} >/dev/null", tcplife.display()), "", TCPLIFE);
    }
    let until = "until wget -q -O /dev/null http://127.0.0.1:9741/readyz; do sleep 1; done\n";
    for (hooks, _) in HOOKS {
        let command = format!("{} run --hooks {hooks} --log error", tracer.display());
        watch(command, until, hooks);
    }
    script
}

/// Instructions, by who watches and what is done.
type Figures = BTreeMap<(String, String), f64>;

/// The mean of what is said of the same.
fn figures(said: &str) -> Result<Figures> {
    let mut sums: BTreeMap<(String, String), (f64, f64)> = BTreeMap::new();
    for line in said.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some(MARK) {
            continue;
        }
        let (Some(who), Some(part), Some(number)) = (words.next(), words.next(), words.next())
        else {
            bail!("half a line: {line}");
        };
        let number: f64 = number.parse().context("a number")?;
        let (sum, count) = sums.entry((who.to_owned(), part.to_owned())).or_default();
        *sum += number;
        *count += 1.0;
    }
    let means = sums
        .into_iter()
        .map(|(what, (sum, count))| (what, sum / count));
    Ok(means.collect())
}

fn show(machine: &str, figures: &Figures) -> Result<()> {
    let of = |who: &str, part: &str| figures.get(&(who.to_owned(), part.to_owned())).copied();
    let base = |part| of(BASE, part).with_context(|| format!("{machine} says nothing of {part}"));
    let connect = base(CONNECT)?;
    let note = format!("of {connect:.0} without");
    if let Some(with) = of(TCPLIFE, CONNECT) {
        let what = format!("instructions added per connect+close, {machine}, {TCPLIFE}");
        table::figure(&what, with - connect, "", &note);
    }
    for (hooks, goal) in HOOKS {
        let with = of(hooks, CONNECT).with_context(|| format!("{machine} has no {hooks}"))?;
        let what = format!("instructions added per connect+close, {machine}, {hooks}");
        table::judged(&what, with - connect, goal, "", &note);
    }
    for (part, called) in PARTS {
        for (hooks, _) in HOOKS {
            let with = of(hooks, part).with_context(|| format!("{machine} has no {hooks}"))?;
            let what = format!("instructions added, {machine}, {hooks}: {called}");
            let base = base(part)?;
            table::figure(&what, with - base, "", &format!("of {base:.0} without"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_several_times_is_a_mean() {
        let said = "noise\n@@bench base early 10\n@@bench base early 20\n@@bench cgroup late 7\n";
        let found = figures(said).expect("figures");
        let expected = [
            (("base".to_owned(), "early".to_owned()), 15.0),
            (("cgroup".to_owned(), "late".to_owned()), 7.0),
        ];
        assert_eq!(found, Figures::from(expected));
        assert!(figures("@@bench base early").is_err());
    }
}
