//! The PMS, as the connector sees it.

use chairsync_proto::{
    pms::{DescribeRequest, DescribeResponse, pms_connector_service_client::PmsConnectorServiceClient},
    practice::PmsSource,
};
use mesh::{secret::Secret, transport};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Finding, LIMIT, clock};
use crate::{
    failure::Failure,
    render::{count, time},
    up::source::{CREDENTIAL, as_flags, open_dental},
};

const PART: &str = "pms";

/// Describes the database through a connector in this process.
pub async fn check(url: &Secret) -> Vec<Finding> {
    let (kind, password) = match open_dental(url) {
        Ok(source) => source,
        Err(refusal) => return vec![Finding::fail(PART, refusal.message)],
    };
    let (endpoint, listener) = transport::in_process("pms-connector");
    let config = pms_connector::Config {
        credentials: password.into_iter().map(|word| (CREDENTIAL.to_owned(), word)).collect(),
        ..Default::default()
    };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(pms_connector::run(config, listener, stop.clone()));
    let request =
        DescribeRequest { practice: "practices/doctor".to_owned(), source: Some(PmsSource { kind: Some(kind) }) };
    let mut client = PmsConnectorServiceClient::new(transport::connect(&endpoint));
    let findings = match timeout(LIMIT, client.describe(request)).await {
        Ok(Ok(answer)) => judge(&answer.into_inner()),
        Ok(Err(status)) => vec![Finding::fail(PART, as_flags(&Failure::of(&status).to_string()))],
        Err(_) => vec![Finding::fail(PART, "it does not answer in 10 s; check host and port and that it runs")],
    };
    stop.cancel();
    serving.abort();
    findings
}

fn judge(found: &DescribeResponse) -> Vec<Finding> {
    let rows: i64 = found.datasets.iter().map(|d| d.estimated_rows).sum();
    let about = format!("{} on {}, about {} rows", found.product, found.server_version, count(rows));
    let mut findings = vec![Finding::ok(PART, about)];
    // A user who may write is among the connector's warnings.
    findings.extend((!found.user_can_write).then(|| Finding::ok(PART, "the user may only read")));
    findings.extend(time::timestamp(found.server_time.as_ref()).map(|theirs| clock(PART, theirs)));
    findings.extend(found.binlog.iter().map(|b| Finding::ok(PART, format!("binlog: {}", b.verdict))));
    findings.extend(found.warnings.iter().map(|warning| Finding::warn(PART, warning.clone())));
    findings
}
