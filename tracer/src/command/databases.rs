//! Which databases of networks and countries are used?

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::data::FOLDER;
use crate::{
    day::day,
    enrich::{
        Databases,
        mmdb::{Database, Kind},
    },
};

#[derive(Args)]
pub struct Paths {
    /// Folder of the databases that `tracer data update` fetches.
    #[arg(
        long,
        value_name = "DIR",
        env = "TRACER_DATA_DIR",
        default_value = FOLDER
    )]
    pub data_dir: PathBuf,
    /// Database in MaxMind's format that says in whose network an address is, instead of the one in the folder.
    #[arg(long, value_name = "FILE", env = "TRACER_ASN_DB")]
    asn_db: Option<PathBuf>,
    /// Database in MaxMind's format that says in which country an address is, instead of the one in the folder.
    #[arg(long, value_name = "FILE", env = "TRACER_COUNTRY_DB")]
    country_db: Option<PathBuf>,
}

impl Paths {
    /// Opens them. One that was named and cannot be used is an error; one that is only in the folder is said not to be used.
    pub fn open(&self) -> anyhow::Result<Databases> {
        let network = self.one(Kind::Network, self.asn_db.as_deref())?;
        let country = self.one(Kind::Country, self.country_db.as_deref())?;
        Ok(Databases::new(network, country))
    }

    fn one(&self, kind: Kind, named: Option<&Path>) -> anyhow::Result<Option<Database>> {
        let in_folder = self.data_dir.join(kind.file_name());
        let path = named.unwrap_or(&in_folder);
        if named.is_none() && !path.exists() {
            return Ok(None);
        }
        match Database::open(path, kind) {
            Ok(database) => Ok(Some(database)),
            Err(fault) if named.is_some() => Err(anyhow!(
                "{}: {fault}\nhint: give a database in MaxMind's format for both families, or leave the option out to take the one in {}",
                path.display(),
                self.data_dir.display()
            )),
            Err(fault) => {
                eprintln!(
                    "{} database: none ({}: {fault})\nhint: `tracer data update` fetches a new one",
                    kind.label(),
                    path.display()
                );
                Ok(None)
            }
        }
    }
}

/// A line for each database that is used.
pub fn describe(databases: &Databases) -> impl Iterator<Item = (Kind, String)> {
    databases.all().map(|(kind, database)| {
        let summary = database.summary();
        let text = format!(
            "{}, {} of {}, {}",
            database.path().display(),
            summary.name,
            day(summary.built),
            summary.schema.label()
        );
        (kind, text)
    })
}
