//! Patient Finder over 100,000 patients through the gateway, by the five processes: how long the slowest of a hundred
//! questions takes.

use std::time::{Duration, Instant};

use chairsync_proto::analytics::{FindPatientsRequest, analytics_service_client::AnalyticsServiceClient};
use mesh::transport::Channel;
use state_bench::figures::{Goal, figure, quantile};

use super::whole::{self, NAME, PATIENCE, Size};

const SIZE: Size = Size { patients: 100_000, years: 2 };
const ROUNDS: usize = 5;
const QUESTIONS: usize = 300;

/// What is asked: filter, query, order.
const ASKED: [(&str, &str, &str); 8] = [
    ("", "", ""),
    ("status = patient AND active = true", "", "last_visit desc"),
    ("age >= 30 AND unscheduled_treatment > 500 AND next_appointment = null", "", "unscheduled_treatment desc"),
    ("past_due > 0", "", "past_due desc"),
    ("", "ma", ""),
    ("treatment_code = \"D27*\" OR treatment_code = \"D6*\"", "", "carrier"),
    ("recall_not_scheduled = true AND text_consent = yes", "", "recall_due"),
    ("NOT zip = \"9*\" AND has_insurance = true", "", "birthdate"),
];

/// Runs it. Prints its figures.
///
/// # Panics
/// When something cannot be started or read.
pub async fn run() {
    let whole = whole::practice(SIZE.given_or(), true).await;
    eprintln!("measuring");
    let gateway = || whole.mesh.gateway();
    let cold = Instant::now();
    let first = async {
        while asked(gateway(), 0).await.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, first).await.expect("a first table");
    let cold = cold.elapsed().as_secs_f64();

    let mut slowest = Vec::new();
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        let mut took = Vec::with_capacity(QUESTIONS);
        for question in 0..QUESTIONS {
            let start = Instant::now();
            asked(gateway(), question).await.expect("an answer");
            took.push(start.elapsed().as_secs_f64() * 1_000.0);
        }
        slowest.push(quantile(&mut took, 0.99));
    }
    figure("finder", "p99_ms", "ms", &slowest, &[], Goal::Below(50.0));
    figure("finder", "first_table_s", "s", &[cold], &[], Goal::Told);
}

/// Asks one of the questions; none while there are no patients to be found, or the first table takes longer than a call.
async fn asked(gateway: Channel, question: usize) -> Option<()> {
    let (filter, query, order_by) = ASKED[question % ASKED.len()];
    let request = FindPatientsRequest {
        practice: NAME.to_owned(),
        filter: filter.to_owned(),
        query: query.to_owned(),
        order_by: order_by.to_owned(),
        ..Default::default()
    };
    match AnalyticsServiceClient::new(gateway).find_patients(request).await {
        Ok(found) => (found.get_ref().total_size > 0).then_some(()),
        Err(status) if status.code() == tonic::Code::DeadlineExceeded => None,
        Err(status) => panic!("{status:?}"),
    }
}
