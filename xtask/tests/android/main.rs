//! Does `cargo xtask android` do on a phone what it says? The real adb client talks to a phone that is played by adbd, and
//! the phone's programs are scripts.

mod failures;
mod find;
mod forwards;
mod phone;
mod program;
mod programs;
mod replaced;
mod steps;
mod tracer;
mod whole;
