//! Do any bytes have an answer from what plays a phone? cargo runs no tests of examples, so its parsers are taken in here.

#![expect(dead_code, reason = "the tests use no more of each than its tests")]

#[path = "../examples/adbd/message.rs"]
mod message;
#[path = "../examples/adbd/packet.rs"]
mod packet;
#[path = "../examples/adbd/sync/request.rs"]
mod request;
#[path = "../examples/adbd/service.rs"]
mod service;
