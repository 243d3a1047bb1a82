//! `tracer data update`: fetch the tables of networks and countries. It is the only command that contacts anyone who was not named
//! to it, and it says whom. Whatever goes wrong, the old tables stay.

pub mod download;
mod folder;
mod origin;
pub mod part;
mod proxy;
pub mod published;
mod table;
mod web;

use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use ureq::tls::RootCerts;

use super::super::{DONE, NO};
use super::digest::Sum;
use super::failure::Failure;
use super::lock::{self, Lock};
use super::sets::kind;
use super::{FOLDER, answer};
use crate::enrich::mmdb::Kind;
use folder::Folder;
use origin::{Origin, Place, origins};
use table::Work;
use web::Web;

/// The command line.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where the tables lie.
    #[arg(long, value_name = "DIR", env = "TRACER_DATA_DIR", default_value = FOLDER)]
    data_dir: PathBuf,
    /// Fetch from here instead of from the publisher: an address or folder that has both tables under their names, or one table;
    /// may be given several times. A sum is looked for beside each, under its name and `.sha256`.
    #[arg(long, value_name = "URL|DIR|FILE")]
    from: Vec<String>,
    /// Leave the other table alone.
    #[arg(long, value_name = "network|country", value_parser = kind)]
    only: Option<Kind>,
    /// The SHA-256 that the table must have, from a source that you trust; with --only. Published sums are not asked for then.
    #[arg(long, value_name = "HEX", requires = "only", value_parser = sum)]
    sha256: Option<Sum>,
    /// The proxy to go through: http://HOST:PORT or socks5://HOST:PORT. Else that of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, but
    /// for the hosts of NO_PROXY.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Trust these authorities (PEM) and no others: that of a proxy which ends TLS, or of a mirror of your own.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long a server may be silent, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// The largest table to accept, in bytes.
    #[arg(long, value_name = "N", default_value_t = 256 << 20)]
    max_bytes: u64,
    /// Take a table that is older than the one that is there.
    #[arg(long)]
    force: bool,
    /// Say what would be contacted and written, and do neither.
    #[arg(long)]
    dry_run: bool,
}

fn sum(text: &str) -> Result<Sum, &'static str> {
    Sum::parse(text).ok_or("it is not 64 hexadecimal digits")
}

/// Does what was asked for. Returns the exit code: the worst of both tables, each of which is tried.
pub fn update(arguments: &Arguments) -> u8 {
    run(arguments).unwrap_or_else(|failure| failure.tell())
}

fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let origins = origins(&arguments.from, arguments.only)?;
    let roots = arguments.ca_file.as_deref().map(web::roots).transpose()?;
    let web = Web {
        patience: Duration::from_secs(arguments.timeout),
        proxy: arguments.proxy.clone(),
        roots: roots.unwrap_or(RootCerts::WebPki),
    };
    plan(arguments, &origins, &web)?;
    if arguments.dry_run {
        answer("nothing was contacted, nothing was written\n");
        return Ok(DONE);
    }
    let folder = Folder::open(&arguments.data_dir)?;
    let lock = match Lock::read(&arguments.data_dir)? {
        Ok(lock) => lock,
        Err(why) => {
            let bad = folder.set_aside(lock::NAME)?;
            answer(&format!(
                "{} is not a lock: {why}; it is kept as {bad}, and written anew\n",
                lock::NAME
            ));
            Lock::default()
        }
    };
    let mut work = Work {
        arguments,
        web,
        folder,
        lock,
    };
    let codes = origins.iter().map(|origin| {
        answer(&format!("{}\n", origin.kind.file_name()));
        work.fetch(origin)
            .map_or_else(|failure| failure.tell(), |()| DONE)
    });
    // Could not run (2) is worse than no (1), and that than done.
    Ok(codes.max().unwrap_or(NO))
}

/// Says what is contacted and what is written, before either is done.
fn plan(arguments: &Arguments, origins: &[Origin], web: &Web) -> Result<(), Failure> {
    let mut text = String::new();
    for origin in origins {
        let mut line = |what: &str, place: &Place| -> Result<(), Failure> {
            let through = match place {
                Place::Web(address) => web.through(&web::uri(address)?),
                Place::File(path) if what == "read" => {
                    // Said before anything is touched, and by the name that the user gave.
                    File::open(path).map_err(|error| {
                        Failure::could_not_run(format!("--from {}: {error}", path.display()))
                            .hint("name a folder with both tables, or --only the one that it has")
                    })?;
                    String::new()
                }
                Place::File(_) => String::new(),
            };
            let _ = writeln!(text, "{what:<8} {place}{through}");
            Ok(())
        };
        line("read", &origin.table)?;
        if arguments.sha256.is_none() {
            line("its sum", &origin.sum)?;
        }
        let table = arguments.data_dir.join(origin.kind.file_name());
        let _ = writeln!(
            text,
            "write    {}, licence {}",
            table.display(),
            origin.licence
        );
    }
    let _ = writeln!(
        text,
        "write    {}",
        arguments.data_dir.join(lock::NAME).display()
    );
    answer(&text);
    Ok(())
}
