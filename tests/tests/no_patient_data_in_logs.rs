//! Promise: a log at `trace` level of a full run holds no patient's name, phone, e-mail, birth date or note, and no
//! password of the database or of Redis.
//! Method: the five processes log everything while a practice is read whole, its huddle and cards are opened and calls
//! are refused; then the log is searched for every value of every generated patient.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeSet, time::Duration};

use chairsync_proto::{
    analytics::{GetMorningHuddleRequest, analytics_service_client::AnalyticsServiceClient},
    engagement::{OpenPatientCardRequest, patient_card_service_client::PatientCardServiceClient},
    sync::RunState,
};
use chairsync_tests::{
    practice,
    processes::{Processes, REDIS_PASSWORD},
};
use mysql_async::prelude::Queryable;
use test_servers::MariaDb;

/// What a log must not hold: columns with patients' words.
const PRIVATE: [&str; 11] = [
    "SELECT LName FROM patient",
    "SELECT FName FROM patient",
    "SELECT Preferred FROM patient",
    "SELECT CONCAT_WS(' ', FName, LName) FROM patient",
    "SELECT Email FROM patient",
    "SELECT HmPhone FROM patient UNION SELECT WkPhone FROM patient UNION SELECT WirelessPhone FROM patient",
    "SELECT CAST(Birthdate AS CHAR) FROM patient WHERE YEAR(Birthdate) > 1900",
    "SELECT MedUrgNote FROM patient UNION SELECT FamFinUrgNote FROM patient UNION SELECT ApptModNote FROM patient",
    "SELECT Note FROM commlog UNION SELECT Note FROM appointment",
    "SELECT Medical FROM patientnote",
    "SELECT Address FROM patient",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_full_run_names_nobody() {
    let pms = MariaDb::start().await;
    practice::load(&pms, "quiet", 11, 120).await;
    let mesh = Processes::start_with(&practice::credentials(), "trace", &[]).await;
    let run = practice::register(mesh.gateway(), "quiet", practice::on(&pms, "quiet", "America/Denver")).await;
    let run = practice::finished(mesh.gateway(), &run, Duration::from_secs(300)).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);

    let request = GetMorningHuddleRequest { practice: "practices/quiet".to_owned(), ..Default::default() };
    AnalyticsServiceClient::new(mesh.gateway()).get_morning_huddle(request).await.unwrap();
    let mut conn = pms.root("quiet").await;
    let patients: Vec<i64> = conn.query("SELECT PatNum FROM patient LIMIT 20").await.unwrap();
    let mut cards = PatientCardServiceClient::new(mesh.gateway());
    for patient in patients {
        let name = format!("practices/quiet/patients/{patient}");
        let _ = cards.open_patient_card(OpenPatientCardRequest { name, ..Default::default() }).await;
    }

    let log = mesh.logs();
    assert!(log.len() > 10_000, "the log is nearly empty: was it written at trace level?");
    let words: BTreeSet<&str> = log.split(|c: char| !c.is_alphanumeric() && !"@.-+_'".contains(c)).collect();
    for query in PRIVATE {
        let values: Vec<Option<String>> = conn.query(query).await.unwrap();
        for value in values.into_iter().flatten().filter(|v| v.trim().len() >= 3) {
            // A single word is looked up as a word; a text with blanks anywhere.
            let found =
                if value.contains(char::is_whitespace) { log.contains(&value) } else { words.contains(&*value) };
            assert!(!found, "a value of `{query}` stands in the log");
        }
    }
    for password in [REDIS_PASSWORD, MariaDb::READER_PASSWORD, MariaDb::ROOT_PASSWORD] {
        assert!(!log.contains(password), "a password stands in the log");
    }
}
