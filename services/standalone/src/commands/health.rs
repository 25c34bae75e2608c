//! `chairsync health`: whether a service answers that it serves; for probes.

use std::{process::ExitCode, time::Duration};

use mesh::transport::{self, Endpoint};
use tonic::{Request, Response, Status, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::failure::Failure;

/// Less than a probe waits.
const LIMIT: Duration = Duration::from_secs(5);
const SERVING: i32 = 1; // grpc.health.v1.HealthCheckResponse.ServingStatus

/// What to ask.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The service to ask, e.g. http://127.0.0.1:50050
    pub url: Endpoint,
}

/// `grpc.health.v1.HealthCheckRequest`; an empty name asks for the whole server.
#[derive(Clone, PartialEq, prost::Message)]
struct Check {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Asks once. Exit code 0 when it serves.
///
/// # Errors
/// A sentence when it does not serve or does not answer within 5 s.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let url = &args.url;
    match tokio::time::timeout(LIMIT, check(url)).await {
        Ok(Ok(answer)) if answer.get_ref().status == SERVING => Ok(ExitCode::SUCCESS),
        Ok(Ok(_)) => anyhow::bail!("{url} answers, but does not serve yet"),
        Ok(Err(status)) => anyhow::bail!("{url}: {}", Failure::of(&status)),
        Err(_) => anyhow::bail!("{url} does not answer within {} s; check that it runs", LIMIT.as_secs()),
    }
}

async fn check(url: &Endpoint) -> Result<Response<Answer>, Status> {
    let mut client = Grpc::new(transport::connect(url));
    client.ready().await.map_err(|_| Status::unavailable("nothing answers"))?;
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    client.unary(Request::new(Check::default()), path, ProstCodec::<Check, Answer>::default()).await
}
