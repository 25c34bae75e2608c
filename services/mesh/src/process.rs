//! What every service's `main.rs` is made of: parse, set up telemetry, bind, run until told to stop, flush.

use std::{future::Future, net::SocketAddr, process::ExitCode};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};
use tokio_util::sync::CancellationToken;

use crate::{telemetry, transport::Listener};

/// The port that a service listens on unless told otherwise.
pub fn default_port(service: &str) -> u16 {
    match service {
        "gateway" => 50050,
        "sync-state" => 50051,
        "analytics-sync" => 50052,
        "engagement-sync" => 50053,
        "pms-connector" => 50054,
        _ => 0,
    }
}

#[derive(Debug, Parser)]
#[command(version)]
struct Cli<C: Args> {
    /// The address to serve on [default: loopback at the service's own port]
    #[arg(long, env = "CHAIRSYNC_LISTEN")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    config: C,
    #[command(flatten)]
    telemetry: telemetry::TelemetryArgs,
}

/// Runs a service as a process of its own. Exit code 0 after an orderly end, 1 with a sentence when it cannot run, 2
/// for wrong arguments.
pub fn main<C, R>(name: &'static str, run: impl FnOnce(C, Listener, CancellationToken) -> R) -> ExitCode
where
    C: Args,
    R: Future<Output = anyhow::Result<()>>,
{
    // Without this the help would begin with the words of the flattened arguments.
    let about = format!("chairsync's {name}, as a process of its own");
    let matches = Cli::<C>::command().name(name).about(about).long_about(None).get_matches();
    let cli = match Cli::<C>::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(name, &error.into()),
    };
    match runtime.block_on(start(name, cli, run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(name, &error),
    }
}

async fn start<C: Args, R: Future<Output = anyhow::Result<()>>>(
    name: &'static str,
    cli: Cli<C>,
    run: impl FnOnce(C, Listener, CancellationToken) -> R,
) -> anyhow::Result<()> {
    let telemetry = telemetry::init(name, &cli.telemetry).await?;
    let address = cli.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], default_port(name))));
    let bound = Listener::bind(address).await;
    let listener =
        bound.map_err(|e| anyhow::anyhow!("cannot listen on {address} ({e}); choose another by --listen"))?;
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));
    let ended = run(cli.config, listener, shutdown).await;
    telemetry.shutdown().await;
    ended
}

/// Cancels `shutdown` at the first SIGINT or SIGTERM; the second ends the process at once.
pub async fn cancel_on_signal(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("signals cannot be caught: the process will not drain");
        return;
    };
    for first in [true, false] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        match first {
            true => shutdown.cancel(),
            false => std::process::exit(130),
        }
    }
}

fn failed(name: &str, error: &anyhow::Error) -> ExitCode {
    tracing::error!("{error:#}");
    eprintln!("{name}: {error:#}");
    ExitCode::FAILURE
}
