//! The sample practice as a PMS.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, pin::pin};

use arrow::{array::AsArray, datatypes::Int64Type};
use chairsync_proto::pms::{
    ChangesResponse, DigestRequest, KeyRange, Selector, SnapshotDataset, SnapshotResponse, changes_response,
    snapshot_response,
};
use futures::{Stream, StreamExt};

use super::{
    testing::{Seen, rows},
    *,
};
use crate::sample::generator::tests::config;

fn all_datasets() -> Vec<SnapshotDataset> {
    datasets::all().map(|d| SnapshotDataset { dataset: d.name.to_owned(), ..Default::default() }).collect()
}

fn names() -> Vec<String> {
    datasets::all().map(|d| d.name.to_owned()).collect()
}

/// Reads a snapshot to its end: its position and the rows of each dataset.
async fn read(
    stream: impl Stream<Item = Result<SnapshotResponse, Refusal>>,
) -> (String, BTreeMap<String, Seen>, Vec<(String, String)>) {
    let (mut position, mut seen, mut tokens) = (String::new(), BTreeMap::<String, Seen>::new(), Vec::new());
    let mut stream = pin!(stream);
    while let Some(part) = stream.next().await {
        match part.unwrap().part.unwrap() {
            snapshot_response::Part::Start(start) => position = start.position,
            snapshot_response::Part::Chunk(chunk) => {
                let batch = mesh::rows::decode(&chunk.arrow_ipc).unwrap();
                assert_eq!(i64::try_from(batch.num_rows()).unwrap(), chunk.rows);
                assert_eq!(batch.schema(), datasets::schema(datasets::get(&chunk.dataset).unwrap()));
                seen.entry(chunk.dataset.clone()).or_default().extend(rows(&batch));
                tokens.push((chunk.dataset, chunk.resume_token));
            }
        }
    }
    (position, seen, tokens)
}

async fn whole(practice: &Arc<SamplePractice>) -> (String, BTreeMap<String, Seen>) {
    let (position, seen, _) = read(Arc::clone(practice).snapshot(&all_datasets()).unwrap()).await;
    (position, seen)
}

/// Applies changes until all that has happened is in.
async fn follow(
    practice: &Arc<SamplePractice>,
    mut stream: impl Stream<Item = Result<ChangesResponse, Refusal>> + Unpin,
    view: &mut BTreeMap<String, Seen>,
) -> String {
    let target = practice.position_text(practice.store.read().position());
    while let Some(part) = stream.next().await {
        match part.unwrap().part.unwrap() {
            changes_response::Part::Opened(opened) => assert_eq!(opened.fingerprint, practice.fingerprint()),
            changes_response::Part::Batch(batch) => {
                let seen = view.entry(batch.dataset.clone()).or_default();
                for key in &batch.deleted_keys {
                    seen.remove(key);
                }
                if !batch.arrow_ipc.is_empty() {
                    seen.extend(rows(&mesh::rows::decode(&batch.arrow_ipc).unwrap()));
                }
            }
            changes_response::Part::Progress(progress) if progress.position == target => return progress.position,
            changes_response::Part::Progress(_) => {}
        }
    }
    panic!("the stream ended");
}

#[tokio::test]
async fn a_snapshot_resumes_after_every_chunk() {
    let practice = SamplePractice::new(config(21, 700), Pace::Still);
    let wanted: Vec<SnapshotDataset> = ["procedure", "preference", "payment_plan"]
        .iter()
        .map(|d| SnapshotDataset { dataset: (*d).to_owned(), ..Default::default() })
        .collect();
    let (_, seen, tokens) = read(Arc::clone(&practice).snapshot(&wanted).unwrap()).await;
    assert!(tokens.len() > 4, "more than one chunk of procedures");
    for (dataset, resume_token) in tokens {
        let part = [SnapshotDataset { dataset: dataset.clone(), resume_token, ..Default::default() }];
        let (_, rest, _) = read(Arc::clone(&practice).snapshot(&part).unwrap()).await;
        let rest = rest.get(&dataset).cloned().unwrap_or_default();
        let all = &seen[&dataset];
        assert!(rest.iter().all(|(key, row)| all.get(key) == Some(row)));
        // What is left and what went before make the whole: keys that come first are numbers below the rest.
        assert!(rest.len() < all.len());
    }
    // Datasets that are there but empty still end with a chunk.
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn changes_applied_to_a_snapshot_give_a_fresh_snapshot() {
    let practice = SamplePractice::new(config(22, 200), Pace::ByHand);
    let (position, mut view) = whole(&practice).await;
    for _ in 0..150 {
        practice.tick().unwrap();
    }
    let mut stream = Box::pin(Arc::clone(&practice).changes(&position, &names()).unwrap());
    let reached = follow(&practice, &mut stream, &mut view).await;
    assert!(view == whole(&practice).await.1);
    // The same stream goes on, and a new one from where the first was.
    for _ in 0..150 {
        practice.tick().unwrap();
    }
    let mut other = view.clone();
    follow(&practice, &mut stream, &mut view).await;
    let fresh = whole(&practice).await.1;
    assert!(view == fresh);
    let resumed = Box::pin(Arc::clone(&practice).changes(&reached, &names()).unwrap());
    follow(&practice, resumed, &mut other).await;
    assert!(other == fresh);
    assert!(!view["appointment"].is_empty());
}

#[tokio::test]
async fn two_tellings_from_one_seed_are_equal_but_their_positions_are_not() {
    let (one, other) =
        (SamplePractice::new(config(23, 120), Pace::ByHand), SamplePractice::new(config(23, 120), Pace::ByHand));
    for _ in 0..100 {
        assert_eq!(one.tick(), other.tick());
    }
    let ((position, seen), (_, same)) = (whole(&one).await, whole(&other).await);
    assert!(seen == same);
    let refusal = other.changes(&position, &names()).err().unwrap();
    assert_eq!(refusal.reason, ErrorReason::SourceChanged);
}

#[tokio::test]
async fn records_are_fetched_by_key_and_by_reference() {
    let practice = SamplePractice::new(config(24, 150), Pace::Still);
    let (_, seen) = whole(&practice).await;
    let keys: Vec<i64> = seen["patient"].keys().take(3).map(|k| k.parse().unwrap()).collect();
    let select = |dataset: &str, column: &str, values: Vec<i64>| Selector {
        dataset: dataset.to_owned(),
        column: column.to_owned(),
        values,
    };
    let asked = [select("patient", "pat_num", keys.clone()), select("procedure", "pat_num", keys.clone())];
    let answer = practice.fetch(&asked).unwrap();
    let patients = mesh::rows::decode(&answer.rows[0].arrow_ipc).unwrap();
    let found: Vec<i64> = patients.column(0).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(found.len(), 3);
    let procedures = rows(&mesh::rows::decode(&answer.rows[1].arrow_ipc).unwrap());
    let theirs: Seen = seen["procedure"]
        .iter()
        .filter(|(_, row)| keys.contains(&row[1].as_ref().unwrap().parse().unwrap()))
        .map(|(key, row)| (key.clone(), row.clone()))
        .collect();
    assert!(procedures == theirs && !theirs.is_empty());
    for (dataset, column) in [("nothing", "pat_num"), ("patient", "l_name"), ("patient", "none")] {
        let refusal = practice.fetch(&[select(dataset, column, vec![1])]).unwrap_err();
        assert_eq!(refusal.reason, ErrorReason::InvalidField);
    }
}

#[tokio::test]
async fn ranges_cover_every_key_and_show_what_differs() {
    let practice = SamplePractice::new(config(25, 200), Pace::ByHand);
    let ask = |practice: &SamplePractice, ranges: Vec<KeyRange>| {
        let request = DigestRequest {
            dataset: "appointment".to_owned(),
            ranges,
            rows_per_range: 100,
            list_keys: true,
            contents: true,
            ..DigestRequest::default()
        };
        practice.digest(&request).unwrap().ranges
    };
    let before = ask(&practice, Vec::new());
    let all: i64 = before.iter().map(|r| r.count).sum();
    assert_eq!(all, practice.describe().datasets.iter().find(|d| d.dataset == "appointment").unwrap().estimated_rows);
    assert!(
        before.len() > 5
            && before[0].range.unwrap().first.is_none()
            && before.last().unwrap().range.unwrap().last.is_none()
    );
    assert!(before.windows(2).all(|w| w[0].range.unwrap().last.unwrap() + 1 == w[1].range.unwrap().first.unwrap()));
    assert_eq!(before[0].keys.len(), usize::try_from(before[0].count).unwrap());
    assert_eq!(before[0].key_sum, before[0].keys.iter().sum::<i64>());
    let ranges: Vec<KeyRange> = before.iter().map(|r| r.range.unwrap()).collect();
    assert_eq!(ask(&practice, ranges.clone()), before);
    for _ in 0..60 {
        practice.tick();
    }
    assert_ne!(ask(&practice, ranges), before);
    let named = DigestRequest { dataset: "preference".to_owned(), ..DigestRequest::default() };
    assert_eq!(practice.digest(&named).unwrap_err().reason, ErrorReason::InvalidField);
}

#[tokio::test]
async fn sources_are_read_and_kept() {
    let practices = SamplePractices::default();
    let source = SampleSource { seed: 5, patients: 30, as_of_date: "2026-03-17".into(), ..SampleSource::default() };
    let one = practices.open(&source).await.unwrap();
    assert!(Arc::ptr_eq(&one, &practices.open(&source).await.unwrap()));
    assert_eq!(one.config().years, 3);
    for (source, field) in [
        (SampleSource { patients: 20_001, ..source.clone() }, "source.sample.patients"),
        (SampleSource { years: 31, ..source.clone() }, "source.sample.years"),
        (SampleSource { as_of_date: "17.3.2026".into(), ..source.clone() }, "source.sample.as_of_date"),
    ] {
        assert_eq!(practices.open(&source).await.unwrap_err().field.unwrap().0, field);
    }
    let token = SnapshotDataset {
        dataset: "patient".into(),
        resume_token: "sample/6/30/2026-03-17/3/patient/#7".into(),
        ..Default::default()
    };
    let refusal = Arc::clone(&one).snapshot(&[token]).err().unwrap();
    assert_eq!(refusal.reason, ErrorReason::ResumeTokenInvalid);
    for position in ["x", "other:7"] {
        assert!(Arc::clone(&one).changes(position, &names()).is_err());
    }
    let ahead = one.position_text(9);
    assert_eq!(one.changes(&ahead, &names()).err().unwrap().reason, ErrorReason::ResnapshotRequired);
}

#[tokio::test]
async fn a_living_practice_goes_on_by_itself_until_it_is_dropped() {
    let practice = SamplePractice::new(config(26, 60), Pace::Every(Duration::from_millis(1)));
    let mut position = practice.position.subscribe();
    for _ in 0..5 {
        position.changed().await.unwrap();
    }
    let weak = Arc::downgrade(&practice);
    drop(practice);
    while position.changed().await.is_ok() {}
    assert!(weak.upgrade().is_none());
}
