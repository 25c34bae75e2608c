//! The `chairsync` binary: the whole mesh in one process, and the operator's CLI.
//!
//! [`cli`] is what can be typed. Without a subcommand [`up`] runs the five services in this process, embedded; each
//! subcommand is a file of [`commands`] and talks to a gateway. [`render`] makes text of answers, [`failure`] of refusals,
//! [`pace`] keeps progress readable, [`doctor`] holds the checks of `chairsync doctor`.

pub mod cli;
mod client;
mod commands;
mod doctor;
pub mod failure;
mod pace;
pub mod render;
pub mod up;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, parser::ValueSource};

use cli::{Cli, Command};

/// What is logged unless `--log` says otherwise: a person reads this terminal, so that only warnings run into the table.
const DEFAULT_LOG: &str = "warn";

/// Parses, runs and says how it ended: 0 for success, 1 with a sentence for a failure, 2 for wrong arguments.
pub fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let logs_by_default = matches.value_source("log") == Some(ValueSource::DefaultValue);
    let mut cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if logs_by_default {
        cli.telemetry.log = DEFAULT_LOG.to_owned();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let ended = runtime.block_on(run(cli));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match ended {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let telemetry = mesh::telemetry::init("chairsync", &cli.telemetry).await?;
    let ended = match cli.command {
        None => up::run(cli.up).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Practice(args)) => commands::practice::run(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Status(args)) => commands::status::run(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Runs(args)) => commands::runs::run(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Board(args)) => commands::board::run(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Outbox(args)) => commands::outbox::run(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Watch(args)) => commands::watch::run(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Report(args)) => commands::report::run(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Reports(args)) => commands::report::list(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Sample(args)) => commands::sample::run(args).await.map(|()| ExitCode::SUCCESS),
        Some(Command::Features(args)) => commands::features::run(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Health(args)) => commands::health::run(args).await,
        Some(Command::Doctor(args)) => commands::doctor::run(args).await,
    };
    telemetry.shutdown().await;
    ended
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("chairsync: {error:#}");
    ExitCode::FAILURE
}
