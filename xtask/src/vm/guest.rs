//! What happens inside, from the first process on?
//!
//! What the kernel says goes to the console, what the tests say to a port of their own, so that neither breaks into the
//! other's lines. Between the tests lie lines that begin with `MARK`, which `results` reads.

use std::env;
use std::path::Path;

use super::kernels::Kernel;
use crate::plan::Scope;

/// Begins the lines that are for `results`.
pub const MARK: &str = "@@vm";

/// What the console says, with a number of seconds behind, when the first process is through with its preparations.
pub const STARTED: &str = "vm: started after";

/// The last line of a command's run, on the console.
pub const ENDED: &str = "vm: the command ended with";

/// The script that `INIT` starts.
pub const RUN: &str = "/vm/run";

/// The first process: a system as small as the tests can do with.
pub const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
chmod 1777 /tmp
mount -t tmpfs tmpfs /run
ln -s /proc/self/fd /dev/fd
for module in $(cat /vm/modules/order); do
    insmod /vm/modules/$module.ko || echo "vm: cannot load $module"
done
hostname tracer-vm
ip link set lo up
port=
for try in 1 2 3 4 5 6 7 8 9 10; do
    for port in /dev/vport*; do [ -c $port ] && break 2; done
    sleep 0.1
done
echo "vm: started after $(cut -d ' ' -f 1 /proc/uptime) s"
bash /vm/run </dev/null >$port 2>&1
echo "vm: the command ended with $?"
sync
poweroff -f
"#;

/// What all scripts begin with.
fn environment(kernel: &Kernel) -> String {
    let mut script = format!(
        "export TRACER_VM=1 TRACER_VM_KERNEL={} RUST_TEST_THREADS=1 RUST_BACKTRACE=0\ncd /tmp\n",
        kernel.name
    );
    // Which hooks the tracers inside take, where the tests do not say it themselves.
    if let Ok(hooks) = env::var("TRACER_HOOKS") {
        script += &["export TRACER_HOOKS=", &quoted(&hooks), "\n"].concat();
    }
    if !kernel.has_types {
        script += "export TRACER_VM_BTF=hidden\nmkdir /run/nothing\nmount --bind /run/nothing /sys/kernel/btf\n";
    }
    script
}

/// Runs a command of a developer.
pub fn command(kernel: &Kernel, command: &str) -> String {
    format!("{}{command}\n", environment(kernel))
}

/// Which tests a machine runs.
pub enum Choice<'plan> {
    /// These, in the short run or in the long one.
    Named(Vec<&'static str>, Scope),
    /// Those that fit the arguments of a test binary.
    Fitting(&'plan [String]),
}

/// Runs tests, each in a process of its own: then each has a time and an exit status, which say what happened however much the
/// programs that a test starts write into its output.
pub fn tests(kernel: &Kernel, binary: &Path, choice: &Choice) -> String {
    let binary = quoted(&binary.display().to_string());
    let mut environment = environment(kernel);
    let names = match choice {
        Choice::Named(names, scope) => {
            // Tests that try each kind of hooks by itself try only the kind that the tracer would choose there, but for those that find
            // most. The machine that all is started on tries each kind that it has, the cgroup always among them.
            environment += match scope {
                Scope::Short => "export TRACER_WAYS=chosen\n",
                Scope::Long => "export TRACER_LONG=1\n",
            };
            names.join(" ")
        }
        Choice::Fitting(arguments) => {
            let arguments: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
            let arguments = arguments.join(" ");
            format!(r"$({binary} --list --format terse {arguments} | sed -n 's/: test$//p')")
        }
    };
    format!(
        r#"{environment}now() {{ cut -d ' ' -f 1 /proc/uptime; }}
for name in {names}; do
    case " $DONE " in *" $name "*) continue ;; esac
    printf '\n{MARK} begin %s %s\n' $name $(now)
    {binary} --exact $name --nocapture --include-ignored
    status=$?
    printf '\n{MARK} end %s %s %s\n' $name $(now) $status
done
printf '\n{MARK} done %s\n' $(now)
"#
    )
}

/// The same script for a machine that is started again, without tests that are done.
pub fn without(script: &str, done: &[&str]) -> String {
    format!("DONE='{}'\n{script}", done.join(" "))
}

/// One word for a shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_stays_one_word() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn the_first_process_says_what_is_waited_for() {
        assert!(INIT.contains(ENDED));
        assert!(INIT.contains(RUN));
    }
}
