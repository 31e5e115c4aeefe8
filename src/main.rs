//! The `adconversion` binary.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    adconversion_operator::cli::main()
}
