//! A contact for whose end the kernel ran no program: its socket is gone, and its memory is somebody else's.

use aya::maps::{HashMap, Map, MapData};
use tracer_common::{
    Connection,
    map::{CONNECTION_ACCEPTED, DIRECTION_OUT},
};

use crate::support::{Directory, Helper, Namespace, Tracer};

const PLACE: &str = "127.0.0.1:7087";
/// As many bytes as are looked at of the memory that is somebody else's, on either side of a socket.
const AROUND: u64 = 1024;

type Connections = HashMap<MapData, u64, Connection>;

/// The table in which a connection that was begun to the place lives, the address of its socket, and the entry. That of a tracer which has
/// ended may be there for a moment; others come and go meanwhile.
fn begun(port: u16) -> (Connections, u64, Connection) {
    let is_it = |entry: &Connection| {
        let place = entry.destination;
        (place.port, place.direction) == (port, DIRECTION_OUT)
    };
    aya::maps::loaded_maps()
        .filter_map(Result::ok)
        .filter(|map| map.name_as_str() == Some("CONNECTIONS"))
        .filter_map(|map| {
            Connections::try_from(Map::HashMap(MapData::from_id(map.id()).ok()?)).ok()
        })
        .find_map(|map| {
            let mut entries = map.iter().filter_map(Result::ok);
            let (sock, entry) = entries.find(|(_, entry)| is_it(entry))?;
            drop(entries);
            Some((map, sock, entry))
        })
        .expect("the client's entry")
}

#[test]
fn what_lies_where_a_socket_was_is_not_counted_as_its_bytes() {
    let (directory, host) = (Directory::new("gone"), Namespace::new("tg"));
    // Whoever has said nothing yet may still say a name, and is shown under none until then.
    let tracer = Tracer::start(&["--names", "off"]);
    let mut command = host.command(&directory.app("gone-server"));
    command.args(["serve", "--until-stdin-closes", "--listen", PLACE]);
    let server = Helper::start(&mut command, "ready");
    let mut command = host.command(&directory.app("gone-client"));
    command.args(["hold", "--to", PLACE, "--times", "1"]);
    let client = Helper::start(&mut command, "holding");
    let (mut map, sock, live) = begun(7087);
    // As if there had been sockets all around, to other places, of which nobody saw the end.
    let mut count = 0;
    for sock in (sock - AROUND..=sock + AROUND).step_by(8) {
        let mut gone = live;
        gone.destination.port = 9;
        gone.seal = gone.destination.seal();
        gone.began_ns += 1 + count;
        for (flag, at) in [(0, 0), (CONNECTION_ACCEPTED, 4)] {
            gone.flags = live.flags | flag as u16;
            // The server's socket may be one of the neighbours.
            if map.insert(sock + at, gone, 1).is_ok() {
                count += 1;
            }
        }
    }
    let gone = [("app", "gone-client"), ("port", "9")];
    for _ in 0..2 {
        let metrics = tracer.metrics();
        metrics.check("tracer_connections_open", &gone, count);
        metrics.check("tracer_sent_bytes_total", &gone, 0);
        metrics.check("tracer_received_bytes_total", &gone, 0);
    }
    client.finish();
    server.finish();
}
