//! What every store of live views promises, kept by both: Redis (a real one) and the embedded file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use engagement_sync::{
    live_datasets,
    live_view::{CardRows, HeadPatch, Limits, LiveView, ViewError, Write, embedded::EmbeddedView, redis::RedisView},
    row::Row,
};
use jiff::Timestamp;

const LIMITS: Limits = Limits { log_entries: 10, cards: 2 };

fn patient(number: i64, guarantor: i64, name: &str) -> Row {
    let row = Row::new(live_datasets::get("patient").unwrap());
    row.with("pat_num", number).with("guarantor", guarantor).with("l_name", name)
}

fn appointment(key: i64, patient: i64) -> Row {
    Row::new(live_datasets::get("appointment").unwrap()).with("apt_num", key).with("pat_num", patient)
}

fn write(epoch: u64, upserts: Vec<Row>) -> Write {
    Write { epoch: Some(epoch), log: true, upserts, ..Write::default() }
}

fn delete(epoch: u64, dataset: &str, key: i64) -> Write {
    Write { deletes: vec![(live_datasets::get(dataset).unwrap(), key.to_string())], ..write(epoch, Vec::new()) }
}

async fn both(check: impl AsyncFn(Arc<dyn LiveView>)) {
    let folder = tempfile::tempdir().unwrap();
    check(Arc::new(EmbeddedView::open(&folder.path().join("view.redb"), LIMITS).unwrap())).await;
    let server = test_servers::Redis::start().await;
    check(Arc::new(RedisView::connect(&server.url(), None, LIMITS).await.unwrap())).await;
}

fn sorted(mut rows: Vec<Row>) -> Vec<String> {
    rows.sort_by_key(Row::key);
    rows.iter().map(Row::key).collect()
}

#[tokio::test]
async fn a_batch_applied_twice_changes_once() {
    both(async |view| {
        let rows = vec![patient(1, 1, "Doe"), patient(2, 1, "Doe\nJr\u{0}:"), appointment(9, 2)];
        let first = view.apply("a", write(1, rows.clone())).await.unwrap();
        assert_eq!((first.sequence, first.changed), (3, 3));
        let again = view.apply("a", write(1, rows.clone())).await.unwrap();
        assert_eq!((again.sequence, again.changed), (3, 0));
        let patients = live_datasets::get("patient").unwrap();
        let read = view.get("a", patients, &["2".into(), "5".into()]).await.unwrap();
        assert!(read == [rows[1].clone()], "a row comes back as it went in");
        let gone = view.apply("a", delete(1, "appointment", 9)).await.unwrap();
        let twice = view.apply("a", delete(1, "appointment", 9)).await.unwrap();
        assert_eq!((gone.changed, twice.changed, twice.sequence), (1, 0, 4));
        let log = view.log("a", 0, 100).await.unwrap();
        assert_eq!(log.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(log.iter().map(|entry| entry.patient).collect::<Vec<_>>(), [Some(1), Some(2), Some(2), Some(2)]);
        assert!(log[3].row.is_none() && log[2].row == Some(appointment(9, 2)));
        assert_eq!(view.log("a", 2, 1).await.unwrap()[0].sequence, 3);
    })
    .await;
}

#[tokio::test]
async fn a_stale_epoch_is_refused_and_changes_nothing() {
    both(async |view| {
        view.apply("a", write(7, vec![patient(1, 1, "new")])).await.unwrap();
        let before = view.head("a").await.unwrap();
        let refused = view.apply("a", write(6, vec![patient(1, 1, "old")])).await;
        assert_eq!(refused, Err(ViewError::Stale { held: 7 }));
        assert_eq!(view.head("a").await.unwrap(), before);
        let repair =
            Write { if_sequence: Some(before.sequence + 1), epoch: None, ..write(0, vec![patient(2, 2, "x")]) };
        assert_eq!(view.apply("a", repair.clone()).await, Err(ViewError::Moved));
        let repair = Write { if_sequence: Some(before.sequence), ..repair };
        assert_eq!(view.apply("a", repair).await.unwrap().changed, 1);
        assert_eq!(view.head("a").await.unwrap().epoch, 7, "a repair holds no lease and raises no fence");
    })
    .await;
}

#[tokio::test]
async fn rows_are_found_by_patient_family_and_page() {
    both(async |view| {
        let patients = live_datasets::get("patient").unwrap();
        let appointments = live_datasets::get("appointment").unwrap();
        let mut rows: Vec<Row> = (1..=40).map(|n| patient(n, n % 4, "x")).collect();
        rows.extend((1..=40).map(|n| appointment(n, n % 7 + 1)));
        view.apply("a", write(1, rows)).await.unwrap();
        view.apply("b", write(1, vec![patient(1, 3, "of another practice")])).await.unwrap();
        let family = view.in_groups("a", patients, &[3]).await.unwrap();
        assert_eq!(family.len(), 10);
        view.apply("a", write(1, vec![patient(3, 2, "moved to another family")])).await.unwrap();
        assert_eq!(view.in_groups("a", patients, &[3]).await.unwrap().len(), 9);
        assert_eq!(view.in_groups("a", patients, &[2, 3]).await.unwrap().len(), 20);
        assert_eq!(sorted(view.in_groups("a", appointments, &[7]).await.unwrap()), ["13", "20", "27", "34", "6"]);
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let page = view.page("a", appointments, after.as_deref(), 7).await.unwrap();
            keys.extend(page.rows.iter().map(Row::key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut all = view.keys("a", appointments).await.unwrap();
        assert_eq!(keys.len(), 40);
        keys.sort();
        all.sort();
        assert_eq!(keys, all);
    })
    .await;
}

#[tokio::test]
async fn the_log_is_bounded_and_says_where_it_begins() {
    both(async |view| {
        for number in 1..=14 {
            view.apply("a", write(1, vec![patient(number, 1, "x")])).await.unwrap();
        }
        let head = view.head("a").await.unwrap();
        assert_eq!((head.sequence, head.floor), (14, 4));
        let log = view.log("a", head.floor, 100).await.unwrap();
        assert_eq!((log.first().unwrap().sequence, log.len()), (5, 10));
    })
    .await;
}

#[tokio::test]
async fn the_head_moves_with_its_rows() {
    both(async |view| {
        let through = Timestamp::from_second(1_700_000_000).unwrap();
        let head = HeadPatch {
            cursor: Some("p1".into()),
            synced_through: Some(through),
            filled: Some(true),
            fingerprint: Some("f".into()),
            ..HeadPatch::default()
        };
        view.apply("a", Write { head, ..write(3, vec![patient(1, 1, "x")]) }).await.unwrap();
        let head = view.head("a").await.unwrap();
        assert_eq!(
            (head.cursor.as_str(), head.synced_through, head.filled, head.epoch),
            ("p1", Some(through), true, 3)
        );
        assert!(head.marked_at.is_some() && !head.incarnation.is_empty());
        view.forget("a").await.unwrap();
        assert_eq!(view.head("a").await.unwrap(), Default::default());
        assert!(view.keys("a", live_datasets::get("patient").unwrap()).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_store_that_lost_its_tail_begins_a_new_life() {
    both(async |view| {
        view.apply("a", write(1, vec![patient(1, 1, "x")])).await.unwrap();
        let before = view.head("a").await.unwrap();
        let known = Write { known_sequence: 5, ..write(1, vec![patient(2, 1, "x")]) };
        assert_eq!(view.apply("a", known).await, Err(ViewError::RolledBack));
        let after = view.head("a").await.unwrap();
        assert_ne!(after.incarnation, before.incarnation);
        assert_eq!((after.sequence, after.floor), (5, 5), "no number is used twice");
        let next = view.apply("a", Write { known_sequence: 5, ..write(1, vec![patient(2, 1, "x")]) }).await.unwrap();
        assert_eq!(next.sequence, 6);
    })
    .await;
}

#[tokio::test]
async fn the_least_recently_opened_cards_are_dropped() {
    both(async |view| {
        let rows =
            |n: u8| CardRows { fetched_at: Timestamp::from_second(n.into()).unwrap(), bytes: vec![n, b'\n', 0, n] };
        for n in 1..=3 {
            view.remember_card("a", n.into(), rows(n)).await.unwrap();
            // The order is by time of opening: the clock's next tick.
            let now = Timestamp::now().as_millisecond();
            while Timestamp::now().as_millisecond() == now {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(view.card("a", 1).await.unwrap(), None);
        assert_eq!(view.card("a", 3).await.unwrap(), Some(rows(3)));
        assert!(view.card("a", 2).await.unwrap().is_some() && view.card("b", 2).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn moves_are_heard_and_the_secret_stays() {
    both(async |view| {
        let secret = view.token_secret().await.unwrap();
        assert_eq!((secret.len(), view.token_secret().await.unwrap()), (32, secret));
        let mut moves = view.moves("a");
        // Redis tells of a write through a subscription that may still be opening: write until it is heard.
        for number in 1.. {
            view.apply("a", write(1, vec![patient(number, 1, "x")])).await.unwrap();
            let wait = std::time::Duration::from_millis(200);
            if tokio::time::timeout(wait, moves.changed()).await.is_ok() {
                break;
            }
            assert!(number < 200, "no move was heard");
        }
    })
    .await;
}

#[tokio::test]
async fn the_file_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("view.redb");
    let view = EmbeddedView::open(&path, LIMITS).unwrap();
    view.apply("a", write(1, vec![patient(1, 1, "x")])).await.unwrap();
    let (head, secret) = (view.head("a").await.unwrap(), view.token_secret().await.unwrap());
    drop(view);
    let view = EmbeddedView::open(&path, LIMITS).unwrap();
    assert_eq!((view.head("a").await.unwrap(), view.token_secret().await.unwrap()), (head, secret));
}

#[tokio::test]
async fn an_unreachable_redis_is_said_without_its_password() {
    let port = test_servers::free_port();
    let error = RedisView::connect(&format!("redis://:sesame@127.0.0.1:{port}"), None, LIMITS).await.unwrap_err();
    assert!(matches!(error, ViewError::Unavailable(_)) && !error.to_string().contains("sesame"));
}
