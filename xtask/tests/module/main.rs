//! Do the module's scripts do what they say, in both shells that a phone may run them in?

mod install;
mod phone;
mod removal;
mod service;
