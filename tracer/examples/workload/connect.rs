//! `connect`: the same session many times, in one thread, in several, or in forked children.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::{io, thread};

use anyhow::{Context, Result, ensure};

use crate::arguments::Connect;
use crate::kernel::{self, checked};
use crate::session::Plan;
use crate::socket;
use crate::truth::Truth;

pub fn run(arguments: &Connect, deadline: u32) -> Result<()> {
    let to = if arguments.v4_mapped {
        socket::v4_mapped(arguments.to)
    } else {
        arguments.to
    };
    let plan = Plan {
        to,
        mode: arguments.mode,
        bytes_out: arguments.bytes_out,
        bytes_in: arguments.bytes_in,
        verify: arguments.verify,
    };
    let truth = if arguments.fork {
        in_children(&plan, arguments.times, deadline)?
    } else if arguments.threads > 1 {
        in_threads(&plan, arguments.times, arguments.threads)?
    } else {
        repeat(&plan, arguments.times)?
    };
    truth.print(arguments.to);
    Ok(())
}

fn repeat(plan: &Plan, times: u64) -> Result<Truth> {
    let mut truth = Truth::default();
    for _ in 0..times {
        plan.run(&mut truth)?;
    }
    Ok(truth)
}

/// The part of a whole that falls to one of several.
pub fn share(whole: u64, index: u64, of: u64) -> u64 {
    whole / of + u64::from(index < whole % of)
}

fn in_threads(plan: &Plan, times: u64, threads: u64) -> Result<Truth> {
    thread::scope(|scope| {
        let mut running = Vec::new();
        for index in 0..threads {
            // The tracer must name the process, never these.
            let thread = thread::Builder::new().name(format!("thread-{index}"));
            let work = move || repeat(plan, share(times, index, threads));
            running.push(thread.spawn_scoped(scope, work).context("start a thread")?);
        }
        let mut truth = Truth::default();
        for thread in running {
            truth.add(&thread.join().expect("a session does not panic")?);
        }
        Ok(truth)
    })
}

fn in_children(plan: &Plan, times: u64, deadline: u32) -> Result<Truth> {
    let mut truth = Truth::default();
    for _ in 0..times {
        let (mut end, start) = io::pipe().context("pipe")?;
        // SAFETY: this process has one thread, so the child finds every lock free.
        let child = checked(unsafe { libc::fork() }).context("fork")?;
        if child == 0 {
            drop(end);
            kernel::end_after(deadline);
            let code = in_child(plan, File::from(OwnedFd::from(start)));
            // SAFETY: ends the process at once, without the parent's buffers and exit handlers.
            unsafe { libc::_exit(i32::from(code)) };
        }
        drop(start);
        let mut line = Vec::new();
        end.read_to_end(&mut line).context("read from a child")?;
        let mut status = 0;
        // SAFETY: the kernel writes one int.
        checked(unsafe { libc::waitpid(child, &raw mut status, 0) }).context("waitpid")?;
        ensure!(status == 0, "a child failed with status {status:#x}");
        truth.add(&Truth::from_line(&line)?);
    }
    Ok(truth)
}

fn in_child(plan: &Plan, mut parent: File) -> u8 {
    let told = repeat(plan, 1).and_then(|truth| {
        parent
            .write_all(truth.line(plan.to).to_string().as_bytes())
            .context("tell")
    });
    match told {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("workload: in a child: {error:#}");
            1
        }
    }
}
