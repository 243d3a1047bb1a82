//! A phone in a box: an emulated device with the parts of Android's user space that matter to the tracer.
//!
//! Its kernels are Debian's, its inhabitants `tracer/examples/phone/` and `tracer/examples/adbd/`. The tracer comes to it as
//! to every phone, by the real adb client.

mod actors;
mod boot;
mod command;
mod compare;
mod contact;
mod contacts;
mod day;
mod differences;
mod doctor;
pub mod emulator;
mod figures;
mod image;
mod inside;
mod models;
mod names;
mod play;
mod prometheus;
mod proof;
pub mod report;

pub use command::{Arguments, phone};
pub use proof::Proof;

use anyhow::Result;

use crate::cache::Cache;

/// Gets what phones are made of, beside their kernels: nothing that is built.
pub fn fetch(cache: &Cache) -> Result<()> {
    image::busybox(cache).map(drop)
}
