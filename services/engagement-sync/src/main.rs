//! The engagement-sync service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    mesh::main::<engagement_sync::Config, _>("engagement-sync", engagement_sync::run)
}
