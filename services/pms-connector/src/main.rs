//! The connector as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    mesh::main::<pms_connector::Config, _>("pms-connector", pms_connector::run)
}
