//! The gateway serves while all services behind it do.

use std::time::Duration;

use chairsync_proto::{catalog, feature::Server};
use mesh::transport::{Channel, Endpoint, connect};
use tokio_util::sync::CancellationToken;
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_check_response, health_client::HealthClient},
    server::HealthReporter,
};

const EVERY: Duration = Duration::from_secs(2);
/// While something is missing it is asked more often: a start should not take longer than it must.
const EVERY_UNTIL_SERVING: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(2);

/// Asks each upstream again and again, and tells `reporter`: a public service serves while its own upstream does, the
/// whole (`""`) while all do.
pub(crate) async fn follow(upstreams: [(Server, Endpoint); 3], reporter: HealthReporter, shutdown: CancellationToken) {
    let upstreams = upstreams.map(|(server, at)| (server, HealthClient::new(connect(&at))));
    reporter.set_service_status("", ServingStatus::NotServing).await;
    loop {
        let mut all = true;
        for (server, client) in &upstreams {
            let serves = serves(client.clone()).await;
            all &= serves;
            for service in services(*server) {
                reporter.set_service_status(service, status(serves)).await;
            }
        }
        reporter.set_service_status("", status(all)).await;
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(if all { EVERY } else { EVERY_UNTIL_SERVING }) => {}
        }
    }
    for service in services(Server::Unspecified).chain([""]) {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
}

async fn serves(mut client: HealthClient<Channel>) -> bool {
    let answer = tokio::time::timeout(LIMIT, client.check(HealthCheckRequest::default())).await;
    let serving = health_check_response::ServingStatus::Serving;
    answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.into_inner().status() == serving))
}

fn status(serves: bool) -> ServingStatus {
    if serves { ServingStatus::Serving } else { ServingStatus::NotServing }
}

/// The public services of a server; of all servers for the zero value.
fn services(server: Server) -> impl Iterator<Item = &'static str> {
    let of = catalog::methods()
        .values()
        .filter(move |m| !m.internal && (server == Server::Unspecified || m.server == server));
    of.map(|m| m.service.as_str()).collect::<std::collections::BTreeSet<_>>().into_iter()
}
