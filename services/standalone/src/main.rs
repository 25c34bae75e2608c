//! `chairsync`: the whole mesh in one process, and the operator's CLI.

use std::process::ExitCode;

fn main() -> ExitCode {
    chairsync::main()
}
