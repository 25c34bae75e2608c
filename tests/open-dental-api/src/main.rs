//! A stand-in for Open Dental's REST API: the public contract of the calls that chairsync makes, over a real MariaDB with
//! the schema of Open Dental. It writes to that database itself, splits payments itself, throttles as the vendor's cloud
//! does, and fails when told to: a program for tests, never for a practice.
//!
//! [`server`] speaks HTTP, [`faults`] and [`throttle`] stand before the [`office`], which knows the calls.

mod faults;
mod office;
mod server;
mod throttle;

use std::{net::SocketAddr, sync::Arc};

use clap::Parser as _;

/// How the stand-in is started.
#[derive(Debug, clap::Parser)]
struct Args {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:30223")]
    listen: SocketAddr,
    /// The database, mysql://user:password@host:port/database, of a user who may write
    #[arg(long, env = "OPEN_DENTAL_API_DATABASE", hide_env_values = true)]
    database: String,
    /// The keys that it knows, {developer key}/{customer key}
    #[arg(long, env = "OPEN_DENTAL_API_KEYS", hide_env_values = true)]
    keys: String,
    /// Throttle as the vendor's cloud does: one request a second
    #[arg(long)]
    remote: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let office = office::Office::open(&args.database)?;
    let throttle = args.remote.then(throttle::Throttle::default);
    let server = server::Server::new(office, faults::Faults::default(), throttle, &args.keys);
    server::serve(Arc::new(server), args.listen).await
}
