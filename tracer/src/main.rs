//! `tracer`: which app of this machine contacted whom, how often, and how much it sent.

mod model;

fn main() {}
