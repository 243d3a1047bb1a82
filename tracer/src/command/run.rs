//! `tracer run`: trace, serve, and end cleanly.

use std::{
    collections::HashSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use log::LevelFilter;
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::TcpSocket,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
};

use super::{
    databases,
    device::{self, Device},
    lines,
    place::{bind, listen},
    readers::{WAITING, answer},
    tick::Tick,
};
use crate::{
    attribute::{Attribution, List, Notice},
    enrich::Databases,
    expose::{
        http::{Request, Source, router},
        serve::serve,
    },
    kernel::{globals::Origin, hooks::Way, load::Options, source::Kernel},
    pipeline::Pipeline,
};

/// Where Android keeps the list of its packages.
const ANDROID_PACKAGES: &str = "/data/system/packages.list";
/// How often it is looked who is gone and what waits in the ring buffer.
const TICK: Duration = Duration::from_secs(1);
/// The same while programs come and go by the thousand.
const HURRIED_TICK: Duration = Duration::from_millis(100);

#[derive(Args)]
pub struct Arguments {
    /// Address and port to serve on; may be given several times.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        env = "TRACER_LISTEN",
        value_delimiter = ',',
        default_value = "127.0.0.1:9741"
    )]
    listen: Vec<SocketAddr>,
    /// Android's list of packages; giving it names apps by it on any machine. /data/system/packages.list is taken where it
    /// exists.
    #[arg(long, value_name = "FILE", env = "TRACER_PACKAGES_LIST")]
    packages_list: Option<PathBuf>,
    /// Destinations of one app that get a series of their own; the rest of them is folded into ~other.
    #[arg(
        long,
        value_name = "N",
        env = "TRACER_MAX_DESTINATIONS_PER_APP",
        default_value_t = 500
    )]
    max_destinations_per_app: u32,
    /// Which kind of hooks to use.
    #[arg(long, env = "TRACER_HOOKS", default_value = "auto")]
    hooks: Hooks,
    /// Whether to look for the names of destinations, in handshakes and in DNS.
    #[arg(long, env = "TRACER_NAMES", default_value = "on")]
    names: Names,
    /// By what destinations are summed: by name where there is one, or always by address.
    #[arg(long, env = "TRACER_DESTINATIONS", default_value = "name")]
    destinations: Destinations,
    #[command(flatten)]
    databases: databases::Paths,
    /// How much to log: off, error, warn, info, debug, trace. From debug on, the kernel side logs too.
    #[arg(long, value_name = "LEVEL", env = "TRACER_LOG", default_value = "info")]
    log: LevelFilter,
    /// Other sizes for the kernel's maps, as NAME=ENTRIES (RECORDS=BYTES); names as in tracer-ebpf/src/maps.rs.
    #[arg(long, value_name = "NAME=ENTRIES", env = "TRACER_MAP_CAPACITY", value_delimiter = ',', value_parser = capacity, hide_short_help = true)]
    map_capacity: Vec<(String, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Hooks {
    /// The best that this machine has.
    Auto,
    /// Tracepoints and kprobes.
    Tracing,
    /// Tracepoints and the root control group.
    Cgroup,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Destinations {
    Name,
    /// Names are in the API.
    Address,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Names {
    On,
    /// No payload is looked at.
    Off,
}

/// Names of the maps whose size a user may choose.
const MAPS: [&str; 9] = [
    "DESTINATIONS",
    "PROCESSES",
    "CONNECTIONS",
    "FLOWS",
    "SOCKETS",
    "LISTENERS",
    "NAMES",
    "OLDER",
    "RECORDS",
];

fn capacity(text: &str) -> Result<(String, u32), String> {
    let (name, entries) = text.split_once('=').ok_or("it is not NAME=ENTRIES")?;
    if !MAPS.contains(&name) {
        return Err(format!(
            "there is no map {name}; there are {}",
            MAPS.join(", ")
        ));
    }
    let entries = entries
        .parse()
        .map_err(|_| format!("{entries} is no number of entries"))?;
    if entries == 0 {
        return Err("a map needs room for one entry at least".to_owned());
    }
    Ok((name.to_owned(), entries))
}

/// Asks for the processor before others. It is needed for moments only; but who is preempted in a system call that reads a map
/// keeps the kernel from running kprobes and perf's programs on that processor until it goes on.
fn go_first() {
    const FIRST: libc::c_int = -20;
    // SAFETY: no memory is involved. Where it is refused, all is as before.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, FIRST) };
}

/// Runs until SIGINT or SIGTERM.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    go_first();
    lines::write(arguments.log);
    keep_memory_small();
    // What a user may have mistyped comes first, before the kernel is touched.
    let sockets = arguments
        .listen
        .iter()
        .map(|address| bind(*address))
        .collect::<anyhow::Result<Vec<_>>>()?;
    // They are what they are until the end of the run, so nobody else need own them.
    let databases: &Databases = Box::leak(Box::new(arguments.databases.open()?));
    let device = Device::at(Path::new("/"));
    let packages = list(arguments.packages_list.as_deref(), device.is_some());
    let by_sockets_user = !matches!(packages, List::None);
    let attribution = Attribution::new(Path::new("/"), packages)?;
    let debug = arguments.log >= LevelFilter::Debug;
    let kernel = Kernel::start(&Options {
        way: match arguments.hooks {
            Hooks::Auto => None,
            Hooks::Tracing => Some(Way::Tracing),
            Hooks::Cgroup => Some(Way::Cgroup),
        },
        by_sockets_user,
        is_phone: device::has_kernel(Path::new("/")),
        debug,
        names: arguments.names == Names::On,
        capacities: arguments.map_capacity.clone(),
    })?;
    if kernel.origin != Origin::Btf {
        eprintln!("BTF: {}", kernel.origin.describe());
    }
    for (kind, text) in databases::describe(databases) {
        eprintln!("{} database: {text}", kind.label());
    }
    let mut unserved = HashSet::new();
    for verdict in &kernel.verdicts {
        match &verdict.failure {
            None => eprintln!(
                "{}: {}",
                verdict.hook.gives.label(),
                verdict.hook.attach.label()
            ),
            // Another hook stands in for it; `tracer doctor` says why.
            Some(_) if kernel.serves(verdict.hook.gives) => {}
            // Once for each signal.
            Some(_) if !unserved.insert(verdict.hook.gives) => {}
            Some(failure) => eprintln!(
                "{}: none ({failure}); not seen: {}",
                verdict.hook.gives.label(),
                verdict.hook.gives.unseen()
            ),
        }
    }
    let pipeline = Pipeline::new(
        kernel,
        attribution,
        crate::pipeline::Options {
            maximum_destinations: arguments.max_destinations_per_app,
            names: arguments.names == Names::On,
            sums_by_name: arguments.destinations == Destinations::Name,
            databases,
        },
    );
    return_memory();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the event loop")?
        .block_on(trace(pipeline, sockets, debug))
}

/// By which list apps are named.
fn list(given: Option<&Path>, is_phone: bool) -> List {
    match given {
        Some(path) => List::Given(path.to_owned()),
        None if Path::new(ANDROID_PACKAGES).exists() => List::Given(ANDROID_PACKAGES.into()),
        None if is_phone => List::Awaited(ANDROID_PACKAGES.into()),
        None => List::None,
    }
}

async fn trace(mut pipeline: Pipeline, sockets: Vec<TcpSocket>, debug: bool) -> anyhow::Result<()> {
    if debug {
        follow_kernel_log(&mut pipeline)?;
    }
    let (requests, mut requested) = mpsc::channel(WAITING);
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, readiness) = watch::channel(Ok(()));
    let listeners = sockets
        .into_iter()
        .map(listen)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let server = tokio::spawn(serve(
        listeners,
        router(Source {
            requests,
            ready: readiness,
        }),
        async {
            // Either way it is time to stop: a word was said, or there is nobody left to say it.
            let _ = stopped.await;
        },
    ));
    let result = own(&mut pipeline, &mut requested).await;
    // What takes longest begins first.
    pipeline.kernel().lookups = None;
    let _ = ready.send(Err("the tracer is stopping".to_owned()));
    let _ = stop.send(());
    requested.close();
    server.await.context("serve")?;
    result
}

/// Owns the pipeline until a signal ends it.
async fn own(
    pipeline: &mut Pipeline,
    requested: &mut mpsc::Receiver<Request>,
) -> anyhow::Result<()> {
    let mut interrupted = signal(SignalKind::interrupt()).context("wait for SIGINT")?;
    let mut terminated = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
    let mut wanted = signal(SignalKind::io()).context("wait for SIGIO")?;
    // Who came before there was somebody to hear the signal.
    pipeline.give_way()?;
    // SAFETY: the descriptor is the value's own and stays the same as long as it lives.
    let ring =
        unsafe { AsyncFd::register_with_interest(pipeline.kernel().wake()?, Interest::READABLE) }
            .context("watch the ring buffer")?;
    // SAFETY: as above.
    let names = unsafe {
        AsyncFd::register_with_interest(pipeline.kernel().wake_for_names()?, Interest::READABLE)
    }
    .context("watch the ring buffer of names")?;
    let mut notice = pipeline
        .attribution()
        .notice()
        .map(watch_list)
        .transpose()?;
    // Set once for each time: readers and a busy kernel must not put it off.
    let began = Instant::now();
    let tick = Tick::new().context("make a timer")?;
    tick.set(TICK).context("set the timer")?;
    loop {
        tokio::select! {
            _ = interrupted.recv() => return Ok(()),
            _ = terminated.recv() => return Ok(()),
            _ = wanted.recv() => pipeline.give_way()?,
            guard = names.readable() => {
                pipeline.listen();
                guard.context("watch the ring buffer of names")?.clear_ready();
            }
            guard = ring.readable() => {
                pipeline.drain();
                guard.context("watch the ring buffer")?.clear_ready();
            }
            ready = noticed(&mut notice) => {
                pipeline.follow_packages();
                ready.context("watch the packages list")?;
            }
            Some(reader) = requested.recv() => {
                answer(reader, requested, |contacts| pipeline.snapshot(contacts));
            }
            due = tick.wait() => {
                due.context("wait for the timer")?;
                pipeline.set_second(began.elapsed().as_secs() as u32);
                let next = if pipeline.reap() { HURRIED_TICK } else { TICK };
                tick.set(next).context("set the timer")?;
            }
        }
    }
}

fn watch_list(notice: Notice) -> anyhow::Result<AsyncFd<Notice>> {
    // SAFETY: the descriptor is the notice's own and stays the same as long as it lives.
    unsafe { AsyncFd::register_with_interest(notice, Interest::READABLE) }
        .context("watch the packages list")
}

/// Waits until a file changed that is in a hurry; for ever where there is none.
async fn noticed(notice: &mut Option<AsyncFd<Notice>>) -> std::io::Result<()> {
    let Some(notice) = notice else {
        return std::future::pending().await;
    };
    let mut ready = notice.readable_mut().await?;
    ready.get_inner_mut().clear()?;
    ready.clear_ready();
    Ok(())
}

/// Passes on what the kernel side logs.
fn follow_kernel_log(pipeline: &mut Pipeline) -> anyhow::Result<()> {
    let logger = aya_log::EbpfLogger::init(pipeline.kernel().object())
        .context("read the kernel side's log")?;
    // SAFETY: the descriptor is the logger's own and stays the same as long as it lives.
    let mut logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) }
        .context("watch the kernel side's log")?;
    tokio::spawn(async move {
        while let Ok(mut guard) = logger.readable_mut().await {
            guard.get_inner_mut().flush();
            guard.clear_ready();
        }
    });
    Ok(())
}

/// glibc raises the size from which it gives memory back with every large block that is freed; the kernel's BTF, read once
/// at the start, would raise it to several megabytes for good. 128 KiB is its initial value.
fn keep_memory_small() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number in the allocator, before there is a second thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
    }
}

/// Gives back what the start needed and nobody needs any more.
fn return_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: asks the allocator to give free pages back.
    unsafe {
        libc::malloc_trim(0);
    }
}
