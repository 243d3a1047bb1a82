//! Do the module's scripts do what they say, in both shells that a phone may run them in?

mod install;
mod phone;
#[path = "../android/program.rs"]
mod program;
mod removal;
mod service;
