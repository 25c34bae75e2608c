//! sync-state as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    mesh::main("sync-state", sync_state::run)
}
