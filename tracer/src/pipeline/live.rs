//! Contacts that live: what they are now, read anew each time.

use std::{collections::HashMap, io};

use tracer_common::{
    Connection, Flow, FlowKey, Record,
    map::{
        CONNECTION_CLOSED, CONNECTION_LATE, CONNECTION_NO_CONTACT, CONNECTION_PAST, PROTOCOL_TCP,
    },
    record::{ESTABLISHED, LATE, NO_CONTACT, PAST, UNKNOWN},
};

use super::Pipeline;
use crate::model::Id;

impl Id {
    pub fn of_record(record: &Record) -> Self {
        let is_tcp = record.destination.protocol == PROTOCOL_TCP;
        Self {
            socket: record.socket,
            began_ns: record.began_ns,
            address: record.destination.address,
            port: if is_tcp { 0 } else { record.remote_port },
        }
    }

    fn of_connection(socket: u64, connection: &Connection) -> Self {
        Self {
            socket,
            began_ns: connection.began_ns,
            address: connection.destination.address,
            port: 0,
        }
    }

    pub fn of_flow(key: &FlowKey, flow: &Flow) -> Self {
        Self {
            socket: key.socket,
            began_ns: flow.began_ns,
            address: flow.destination.address,
            port: key.port,
        }
    }
}

/// A contact that lives.
pub struct Contact {
    /// What its record would say now: that has not ended, and no outcome but that it is established.
    pub record: Record,
    /// Neither over nor about to be.
    pub is_open: bool,
}

/// The contacts that live.
pub type Live = HashMap<Id, Contact>;

impl Pipeline {
    /// Adds the connections of TCP. Returns how many there are.
    pub(super) fn read_connections(&mut self, live: &mut Live) -> io::Result<u64> {
        let own = self.kernel.own_handle;
        let entries = self.kernel.connections(|socket, connection| {
            let destination = connection.destination;
            if destination.process == own {
                return;
            }
            let id = Id::of_connection(*socket, connection);
            let record = of_connection(*socket, connection);
            let is_closed = u32::from(connection.flags) & CONNECTION_CLOSED != 0;
            let is_contact = record.flags & NO_CONTACT == 0;
            let is_open = record.outcome == ESTABLISHED && is_contact && !is_closed;
            live.insert(id, Contact { record, is_open });
        })?;
        Ok(entries)
    }
}

/// What the record of a connection would say now.
fn of_connection(socket: u64, connection: &Connection) -> Record {
    let sample = connection.sample();
    let mut record = Record {
        destination: connection.destination,
        socket,
        began_ns: connection.began_ns,
        established_ns: connection.established_ns,
        thread: connection.thread,
        sent: sample.sent,
        received: sample.received,
        local: sample.local,
        local_port: sample.local_port,
        remote_port: sample.remote_port,
        namespace: sample.namespace,
        interface: sample.interface,
        outcome: if connection.established_ns == 0 {
            UNKNOWN
        } else {
            ESTABLISHED
        },
        ..Record::default()
    };
    if u32::from(connection.flags) & CONNECTION_NO_CONTACT != 0 {
        record.flags |= NO_CONTACT;
    }
    if u32::from(connection.flags) & CONNECTION_LATE != 0 {
        record.flags |= LATE;
    }
    if u32::from(connection.flags) & CONNECTION_PAST != 0 {
        record.flags |= PAST;
    }
    record
}
