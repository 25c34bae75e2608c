//! Every way in which a source cannot be read says what is wrong and the way out.

use std::sync::Arc;

use chairsync_proto::practice::{PmsSource, SampleSource, pms_source::Kind};
use mesh::{ErrorReason, Refusal};
use test_servers::Brand;

use crate::practice::{Practice, source, sources};
use crate::reading::wanted;

on_each_server!(
    a_source_that_cannot_be_opened_says_why,
    a_missing_table_or_key_and_a_strange_token_say_so,
    a_server_that_was_killed_is_refused_and_read_again_when_it_is_back,
);

async fn refused(source: &PmsSource) -> Refusal {
    match sources().open("north", source).await {
        Err(refusal) => refusal,
        Ok(connector) => connector.describe().await.unwrap_err(),
    }
}

async fn a_source_that_cannot_be_opened_says_why(brand: Brand) {
    let practice = Practice::empty(brand).await;
    let uri = practice.server.url("practice");
    let closed = format!("mysql://reader@127.0.0.1:{}/practice", test_servers::free_port());
    for (source, reason) in [
        (practice.source("wrong"), ErrorReason::PmsAccessDenied),
        (practice.source(""), ErrorReason::PmsAccessDenied),
        (practice.source("unknown"), ErrorReason::CredentialNotFound),
        (practice.source("../etc"), ErrorReason::InvalidField),
        (source(&closed, "reader"), ErrorReason::PmsUnreachable),
        (source(&practice.server.url("nowhere"), "reader"), ErrorReason::PmsNotRecognized),
        (source(&practice.server.url("mysql"), "reader"), ErrorReason::PmsNotRecognized),
        (source("postgres://reader@127.0.0.1/practice", "reader"), ErrorReason::InvalidField),
        (source("mysql://127.0.0.1/practice", "reader"), ErrorReason::InvalidField),
        (source("mysql://reader@127.0.0.1", "reader"), ErrorReason::InvalidField),
        (source("not a uri", "reader"), ErrorReason::InvalidField),
        (source(&uri.replace("reader@", "reader:hunter2@"), "reader"), ErrorReason::InvalidField),
        (PmsSource { kind: None }, ErrorReason::InvalidField),
        (
            PmsSource { kind: Some(Kind::Sample(SampleSource { patients: 2_000_000, ..SampleSource::default() })) },
            ErrorReason::InvalidField,
        ),
    ] {
        let refusal = refused(&source).await;
        assert_eq!(refusal.reason, reason, "{refusal:?}");
        let shown = format!("{refusal:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("not-the-password"), "{shown}");
    }
}

async fn a_missing_table_or_key_and_a_strange_token_say_so(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    practice.sql("DROP TABLE paysplit").await;
    practice.sql("ALTER TABLE recall CHANGE RecallNum Renamed BIGINT NOT NULL AUTO_INCREMENT").await;
    let connector = practice.connector().await;
    for (dataset, token, reason, part) in [
        ("payment_split", "", ErrorReason::PmsTableMissing, "paysplit"),
        ("recall", "", ErrorReason::PmsColumnMissing, "recall_num"),
        ("patient", "nonsense", ErrorReason::ResumeTokenInvalid, "resume token"),
        ("dentist", "", ErrorReason::InvalidField, "canonical dataset"),
    ] {
        let refusal = Arc::clone(&connector).snapshot(vec![wanted(dataset, token)]).await.err().unwrap();
        assert_eq!(refusal.reason, reason, "{refusal:?}");
        assert!(refusal.message.contains(part), "{refusal:?}");
    }
    // Of another server: the same database's name there is another database.
    let other = Practice::empty(brand).await;
    let (start, chunks) = crate::reading::snapshot(&other.connector().await, vec![wanted("patient", "")]).await;
    let refusal =
        Arc::clone(&connector).snapshot(vec![wanted("patient", &chunks[0].resume_token)]).await.err().unwrap();
    assert_eq!(refusal.reason, ErrorReason::SourceChanged);
    let refusal = Arc::clone(&connector).changes(start.position, vec!["patient".to_owned()]).await.err().unwrap();
    assert_eq!(refusal.reason, ErrorReason::SourceChanged);
    let refusal = Arc::clone(&connector).changes("x".to_owned(), vec!["patient".to_owned()]).await.err().unwrap();
    assert_eq!(refusal.reason, ErrorReason::InvalidField);
}

async fn a_server_that_was_killed_is_refused_and_read_again_when_it_is_back(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    let connector = practice.connector().await;
    connector.describe().await.unwrap();
    practice.server.kill();
    assert_eq!(connector.describe().await.unwrap_err().reason, ErrorReason::PmsUnreachable);
    practice.server.restart().await;
    connector.describe().await.unwrap();
}
