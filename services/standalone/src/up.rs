//! `chairsync` without a command: the whole mesh in this process, from an empty folder to live features.

mod board;
pub(crate) mod data_dir;
mod follow;
mod lines;
mod practice;
mod rooms;
mod screen;
pub(crate) mod source;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::anyhow;
use mesh::{
    secret::Secret,
    transport::{self, Endpoint, Listener},
};
use tokio_util::sync::CancellationToken;

use data_dir::DataDir;
use rooms::Rooms;
use screen::Screen;
use source::Source;

/// How the mesh is run.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The mesh in one process")]
pub struct Args {
    /// Where state and tables are kept [default: $XDG_DATA_HOME/chairsync, else ~/.local/share/chairsync]
    #[arg(long, env = "CHAIRSYNC_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The address of the gateway
    #[arg(long, env = "CHAIRSYNC_LISTEN", default_value = "127.0.0.1:50050")]
    pub listen: SocketAddr,
    /// An Open Dental database instead of the sample, mysql://user:password@host:port/database; the password stays in memory
    #[arg(long, env = "CHAIRSYNC_PMS", hide_env_values = true, value_name = "URL")]
    pub pms: Option<Secret>,
    /// The practice's id [default: sample, or main with --pms]
    #[arg(long, value_name = "ID")]
    pub practice: Option<String>,
    /// The practice's IANA time zone [default: this machine's, or America/Chicago]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Keep state and live view in this Redis instead of files, redis://[user:password@]host:port
    #[arg(long, env = "CHAIRSYNC_REDIS", hide_env_values = true, value_name = "URL")]
    pub redis: Option<Secret>,
    /// Print nothing but errors
    #[arg(long)]
    pub quiet: bool,
    /// Print events as JSON lines: starting, progress, filling, ready, statuses, stopping, stopped
    #[arg(long)]
    pub json: bool,
    /// Listen beyond loopback although no caller's identity is checked yet
    #[arg(long, env = "CHAIRSYNC_INSECURE_LISTEN")]
    pub insecure_listen: bool,
}

/// Runs until a signal; then drains.
///
/// # Errors
/// When the folder is in use, the address is taken, an argument is wrong, or a service cannot start.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let source = Source::of(&args)?;
    let data = DataDir::open(args.data_dir.as_deref())?;
    let listener = Listener::bind(args.listen).await.map_err(|e| {
        anyhow!("cannot listen on {} ({e}); choose another address by --listen, e.g. 127.0.0.1:0", args.listen)
    })?;
    let address = listener.local_addr().unwrap_or(args.listen);
    let screen = Screen::new(args.quiet, args.json);
    screen.starting(data.path(), address);

    let signalled = CancellationToken::new();
    tokio::spawn(mesh::cancel_on_signal(signalled.clone()));
    let mut rooms = Rooms::start(&args, &source, &data, listener);
    let gateway: Endpoint = format!("http://{}", reachable(address)).parse()?;
    let called = reachable(address).to_string();
    let told = follow::run(&source, transport::connect(&gateway), &called, &screen);
    let ended = tokio::select! {
        () = signalled.cancelled() => Ok(()),
        ended = rooms.first_end() => ended.map_err(|error| match args.redis {
            Some(_) => anyhow!("{error:#}; `chairsync doctor --redis` says what is wrong with a Redis"),
            None => error,
        }),
        ended = told => ended,
    };
    screen.stopping();
    let drained = rooms.stop().await;
    screen.stopped();
    ended.and(drained)
}

/// The address to call: one that listens everywhere is called on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::from(([127, 0, 0, 1], address.port())),
        false => address,
    }
}
