//! Snapshots, fetches and digests equal what the server says.

use std::sync::Arc;

use arrow::array::{AsArray as _, Decimal128Array};
use chairsync_proto::pms::{
    DigestRequest, KeyRange, Selector, SnapshotChunk, SnapshotDataset, SnapshotStart, snapshot_response::Part,
};
use futures::StreamExt as _;
use mesh::{
    datasets::{self, Dataset},
    key_sums::KeySums,
    rows::decode,
};
use mysql_async::prelude::Queryable;
use pms_connector::connector::Connector;
use test_servers::Brand;

use crate::practice::{Practice, Rows, rows_of, same};

on_each_server!(
    a_snapshot_of_every_dataset_equals_the_tables,
    a_snapshot_resumes_after_every_chunk_and_survives_a_missing_column_and_table,
    money_is_what_the_server_casts_it_to,
    fetches_and_digests_equal_the_tables,
    the_server_and_the_connector_digest_keys_alike,
    a_fetch_past_its_deadline_is_given_up_and_holds_up_nobody,
);

pub fn wanted(dataset: &str, token: &str) -> SnapshotDataset {
    SnapshotDataset { dataset: dataset.to_owned(), resume_token: token.to_owned(), ..Default::default() }
}

pub async fn snapshot(
    connector: &Arc<dyn Connector>,
    datasets: Vec<SnapshotDataset>,
) -> (SnapshotStart, Vec<SnapshotChunk>) {
    let mut stream = Arc::clone(connector).snapshot(datasets).await.unwrap();
    let Some(Part::Start(start)) = stream.next().await.unwrap().unwrap().part else { panic!("no start") };
    let mut chunks = Vec::new();
    while let Some(message) = stream.next().await {
        let Some(Part::Chunk(chunk)) = message.unwrap().part else { panic!("no chunk") };
        chunks.push(chunk);
    }
    (start, chunks)
}

/// The rows of chunks, which must come in key order and none twice.
fn rows(dataset: &Dataset, chunks: &[SnapshotChunk]) -> Rows {
    let mut all = Rows::new();
    let mut before: Option<i64> = None;
    for chunk in chunks.iter().filter(|c| c.dataset == dataset.name) {
        let batch = decode(&chunk.arrow_ipc).unwrap();
        assert_eq!(batch.num_rows() as i64, chunk.rows);
        for (key, row) in rows_of(dataset, &batch) {
            if let Ok(number) = key.parse() {
                assert!(before.replace(number) < Some(number), "{} {number} out of order", dataset.name);
            }
            assert!(all.insert(key, row).is_none());
        }
    }
    all
}

async fn a_snapshot_of_every_dataset_equals_the_tables(brand: Brand) {
    let mut practice = Practice::generated(brand, 7, 120).await;
    practice.sql("SET SESSION sql_mode = ''").await;
    practice
        .sql("UPDATE patient SET Birthdate = '0000-00-00' WHERE PatNum = (SELECT MIN(PatNum) FROM appointment)")
        .await;
    practice.sql("UPDATE adjustment SET AdjAmt = 33.335 LIMIT 1").await;
    practice.sql("UPDATE adjustment SET AdjAmt = -0.00005 ORDER BY AdjNum DESC LIMIT 1").await;
    practice
        .sql("INSERT INTO commlog (CommlogNum, PatNum, Note, CommDateTime) VALUES (-5, 1, 'é 😀 \\n', '0000-00-00')")
        .await;
    practice.sql("INSERT INTO commlog (CommlogNum, PatNum, Note) VALUES (9223372036854775807, 1, NULL)").await;
    let connector = practice.connector().await;
    let (start, chunks) = snapshot(&connector, datasets::all().map(|d| wanted(d.name, "")).collect()).await;
    assert_eq!(start.counts.len(), datasets::all().count());
    for dataset in datasets::all() {
        let mine: Vec<_> = chunks.iter().filter(|c| c.dataset == dataset.name).cloned().collect();
        assert_eq!(mine.iter().filter(|c| c.last).count(), 1, "{}", dataset.name);
        assert!(mine.last().unwrap().last);
        let expected = practice.expected(dataset).await;
        same(dataset, &rows(dataset, &mine), &expected);
    }
}

async fn a_snapshot_resumes_after_every_chunk_and_survives_a_missing_column_and_table(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    practice.sql("ALTER TABLE procedurelog DROP COLUMN TaxAmt").await;
    let numbers = practice.numbers(9_000).await;
    practice
        .sql(&format!(
            "INSERT INTO procedurelog (ProcNum, PatNum, ProcFee, ProcDate) \
             SELECT seq * 1000003 - 3000000000, seq, seq / 3, '2024-02-29' FROM {numbers}"
        ))
        .await;
    let connector = practice.connector().await;
    let dataset = datasets::get("procedure").unwrap();
    let expected = practice.expected(dataset).await;
    let (_, whole) = snapshot(&connector, vec![wanted("procedure", "")]).await;
    assert!(whole.len() > 2, "several chunks");
    same(dataset, &rows(dataset, &whole), &expected);
    for kept in 1..=whole.len() {
        let (_, rest) = snapshot(&connector, vec![wanted("procedure", &whole[kept - 1].resume_token)]).await;
        assert!(rest.last().unwrap().last);
        let both: Vec<_> = whole[..kept].iter().chain(&rest).cloned().collect();
        same(dataset, &rows(dataset, &both), &expected);
    }
}

async fn money_is_what_the_server_casts_it_to(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    // Cents, parts of cents, and doubles that are no decimal of four places.
    let numbers = practice.numbers(20_000).await;
    practice
        .sql(&format!(
            "INSERT INTO adjustment (AdjNum, AdjAmt) SELECT seq, CASE seq % 5 \
             WHEN 0 THEN (seq * 7919 % 2000003 - 1000000) / 100 WHEN 1 THEN (seq * 7919 % 2000003 - 1000000) / 1000 \
             WHEN 2 THEN (RAND(seq) - 0.5) * POW(10, seq % 11) WHEN 3 THEN (seq * 7919 % 2000003 - 1000000 + 0.5) / 10000 \
             ELSE seq * 0.1e0 + 0.2e0 END FROM {numbers}"
        ))
        .await;
    let connector = practice.connector().await;
    let dataset = datasets::get("adjustment").unwrap();
    let (_, chunks) = snapshot(&connector, vec![wanted("adjustment", "")]).await;
    same(dataset, &rows(dataset, &chunks), &practice.expected(dataset).await);
    let place = dataset.position("adj_amt").unwrap();
    let sum: i128 = chunks
        .iter()
        .flat_map(|c| {
            let batch = decode(&c.arrow_ipc).unwrap();
            let amounts: Decimal128Array = batch.column(place).as_primitive().clone();
            amounts.values().to_vec()
        })
        .sum();
    let said: String = practice
        .admin
        .query_first("SELECT CAST(SUM(CAST(AdjAmt AS DECIMAL(18, 4))) * 10000 AS SIGNED) FROM adjustment")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(sum.to_string(), said);
}

async fn fetches_and_digests_equal_the_tables(brand: Brand) {
    let mut practice = Practice::generated(brand, 11, 60).await;
    let connector = practice.connector().await;
    let dataset = datasets::get("appointment").unwrap();
    let expected = practice.expected(dataset).await;
    let place = dataset.position("pat_num").unwrap();
    let patient = expected.values().find_map(|row| row[place].clone()).unwrap();
    let selector = |column: &str, values: Vec<i64>| Selector {
        dataset: "appointment".to_owned(),
        column: column.to_owned(),
        values,
    };
    let keys: Vec<i64> = expected.keys().map(|k| k.parse().unwrap()).collect();
    let selectors = vec![
        selector("pat_num", vec![patient.parse().unwrap()]),
        selector("apt_num", keys.clone()),
        selector("apt_num", vec![]),
    ];
    let answer = connector.fetch(selectors).await.unwrap();
    let got: Vec<Rows> =
        answer.rows.iter().map(|r| rows_of(dataset, &decode(&r.arrow_ipc).unwrap()).into_iter().collect()).collect();
    let of_patient = expected.iter().filter(|(_, r)| r[place].as_deref() == Some(&patient));
    same(dataset, &got[0], &of_patient.map(|(k, r)| (k.clone(), r.clone())).collect());
    same(dataset, &got[1], &expected);
    assert!(got[2].is_empty());

    let request = DigestRequest {
        dataset: "appointment".to_owned(),
        rows_per_range: 7,
        list_keys: true,
        contents: true,
        ..DigestRequest::default()
    };
    let digest = connector.digest(request.clone()).await.unwrap();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    let listed: Vec<i64> = digest.ranges.iter().flat_map(|r| r.keys.clone()).collect();
    assert_eq!(listed, sorted);
    for range in &digest.ranges {
        assert_eq!(KeySums::from(range), range.keys.iter().copied().collect());
    }
    practice.sql(&format!("UPDATE appointment SET Note = CONCAT(Note, 'x') WHERE AptNum = {}", sorted[10])).await;
    let after = connector.digest(request).await.unwrap();
    let moved: Vec<usize> = (0..digest.ranges.len()).filter(|&i| digest.ranges[i] != after.ranges[i]).collect();
    assert_eq!(moved, [1], "only the range of the changed row differs");
}

async fn the_server_and_the_connector_digest_keys_alike(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    let connector = practice.connector().await;
    let bits = (0..63).map(|bit| 1_i64 << bit);
    let mut keys: Vec<i64> = bits.flat_map(|one| [one, one + 1, -one, -one - 1]).chain([i64::MIN, i64::MAX]).collect();
    keys.sort_unstable();
    keys.dedup();
    let values: Vec<String> = keys.iter().map(|key| format!("({key})")).collect();
    practice.sql(&format!("INSERT INTO patient (PatNum) VALUES {}", values.join(", "))).await;
    // Each key alone, then all: their sum leaves 64 bits on the way.
    let alone = keys.iter().map(|&key| KeyRange { first: Some(key), last: Some(key) });
    let ranges = alone.chain([KeyRange::default()]).collect();
    let request = DigestRequest { dataset: "patient".to_owned(), ranges, ..DigestRequest::default() };
    let digest = connector.digest(request).await.unwrap();
    let (all, alone) = digest.ranges.split_last().unwrap();
    assert_eq!(KeySums::from(all), keys.iter().copied().collect());
    assert_eq!(alone.len(), keys.len());
    for (range, &key) in alone.iter().zip(&keys) {
        assert_eq!(KeySums::from(range), KeySums::from_iter([key]), "{key}");
    }
}

async fn a_fetch_past_its_deadline_is_given_up_and_holds_up_nobody(brand: Brand) {
    let mut practice = Practice::empty(brand).await;
    practice.sql("INSERT INTO patient (PatNum, LName) VALUES (7, 'x')").await;
    let connector = practice.connector().await;
    let selector = |dataset: &str, column: &str| Selector {
        dataset: dataset.to_owned(),
        column: column.to_owned(),
        values: vec![7],
    };
    let patient = selector("patient", "pat_num");
    connector.fetch(vec![patient.clone()]).await.unwrap();
    practice.sql("LOCK TABLES patient WRITE").await;
    // A call whose deadline passes is dropped by the server; it would wait for as long as the table is locked.
    let deadline = std::time::Duration::from_millis(500);
    let late = tokio::time::timeout(deadline, connector.fetch(vec![patient.clone()])).await;
    assert!(late.is_err(), "the table was locked");
    let others = connector.fetch(vec![selector("recall", "pat_num")]).await.unwrap();
    assert_eq!(others.rows.len(), 1);
    practice.sql("UNLOCK TABLES").await;
    let found = connector.fetch(vec![patient]).await.unwrap();
    assert_eq!(decode(&found.rows[0].arrow_ipc).unwrap().num_rows(), 1);
}
