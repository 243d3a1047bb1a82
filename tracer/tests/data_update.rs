//! `tracer data update` and `tracer data unmapped` against real servers: what arrives, what stays when something goes wrong, what
//! is said, and that nobody else is contacted.

#[path = "data_update/interrupted.rs"]
mod interrupted;
#[path = "data_update/local.rs"]
mod local;
#[path = "data_update/refused.rs"]
mod refused;
#[path = "data_update/server.rs"]
mod server;
#[path = "data_update/tables.rs"]
mod tables;
#[path = "data_update/tls.rs"]
mod tls;
#[path = "data_update/unmapped.rs"]
mod unmapped;
#[path = "data_update/ways.rs"]
mod ways;
#[path = "data_update/world.rs"]
mod world;
