//! The process: configuration, telemetry, listener, serve, drain.

fn main() -> std::process::ExitCode {
    mesh::main("analytics-sync", analytics_sync::run)
}
