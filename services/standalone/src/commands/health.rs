//! `chairsync health`: whether a service answers that it serves; for probes.

use std::{process::ExitCode, time::Duration};

use mesh::transport::{self, Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::failure::Failure;

/// Less than a probe waits.
const LIMIT: Duration = Duration::from_secs(5);

/// What to ask.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The service to ask, e.g. http://127.0.0.1:50050
    pub url: Endpoint,
}

/// Asks once. Exit code 0 when it serves.
///
/// # Errors
/// A sentence when it does not serve or does not answer within 5 s.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let url = &args.url;
    let mut client = HealthClient::new(transport::connect(url));
    match tokio::time::timeout(LIMIT, client.check(HealthCheckRequest::default())).await {
        Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => Ok(ExitCode::SUCCESS),
        Ok(Ok(_)) => anyhow::bail!("{url} answers, but does not serve yet"),
        Ok(Err(status)) => anyhow::bail!("{url}: {}", Failure::of(&status)),
        Err(_) => anyhow::bail!("{url} does not answer within {} s; check that it runs", LIMIT.as_secs()),
    }
}
