//! What do all connections share?

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result};

use crate::arguments::{Arguments, Profile};
use crate::group::Group;
use crate::sender::Sender;

pub struct Daemon {
    pub profile: Profile,
    pub shell: PathBuf,
    pub environment: Vec<(String, String)>,
    pub banner: String,
    pub group: Option<Group>,
    /// Whether shells are root's: after `adb root`.
    is_root: AtomicBool,
    connections: Mutex<Vec<Weak<Sender>>>,
}

impl Daemon {
    pub fn new(arguments: Arguments) -> Result<Self> {
        let model = &arguments.model;
        let name = model.replace(' ', "_").to_lowercase();
        let group = arguments.control_group.clone().map(Group::create);
        Ok(Self {
            group: group.transpose().context("create the control group")?,
            banner: format!(
                "device::ro.product.name={name};ro.product.model={model};ro.product.device={name};features=shell_v2,cmd"
            ),
            profile: arguments.profile,
            shell: arguments.shell(),
            environment: arguments.environment,
            is_root: AtomicBool::new(false),
            connections: Mutex::default(),
        })
    }

    pub fn is_root(&self) -> bool {
        self.is_root.load(Ordering::Relaxed)
    }

    pub fn remember(&self, connection: &Arc<Sender>) {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(connection));
    }

    /// What the other side sees when the real one restarts: every connection ends.
    pub fn restart(&self, is_root: bool) {
        self.is_root.store(is_root, Ordering::Relaxed);
        let connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for connection in connections.iter().filter_map(Weak::upgrade) {
            connection.hang_up();
        }
        if let Some(group) = &self.group {
            group.kill();
        }
    }
}
