//! Why a command could not do what it was asked for, and what the user can do about it.

use std::fmt::Display;

use super::super::{COULD_NOT_RUN, NO};

/// A reason to stop, with the exit code that it means.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    why: String,
    hint: Option<String>,
    spoils: bool,
}

impl Failure {
    /// It could not be tried to the end.
    pub fn could_not_run(why: impl Display) -> Self {
        Self::new(COULD_NOT_RUN, why)
    }

    /// It was tried to the end, and what came is not what it should be.
    pub fn no(why: impl Display) -> Self {
        Self::new(NO, why)
    }

    fn new(code: u8, why: impl Display) -> Self {
        Self {
            code,
            why: why.to_string(),
            hint: None,
            spoils: false,
        }
    }

    /// Says what the user can do.
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// What was fetched so far is of no use: there is no going on with it.
    pub fn spoil(mut self) -> Self {
        self.spoils = true;
        self
    }

    /// Whether what was fetched so far is of no use.
    pub fn spoils(&self) -> bool {
        self.spoils
    }

    /// Writes it to standard error. Returns the exit code.
    pub fn tell(&self) -> u8 {
        eprintln!("tracer: {}", self.why);
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        self.code
    }
}
