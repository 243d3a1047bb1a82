//! The program: the command line, and the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tracer::command::main())
}
