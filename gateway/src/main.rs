//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    mesh::main("gateway", gateway::run)
}
