//! The two outlets of the generator, compared: the practice in memory, and the same practice loaded into a real server
//! and read by the Open Dental connector.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chairsync_proto::{
    pms::{DigestRequest, KeyRange, Selector, SnapshotDataset, snapshot_response::Part},
    practice::OpenDentalSource,
};
use futures::StreamExt as _;
use jiff::civil::date;
use mesh::{datasets, secret::Secret};
use test_servers::MariaDb;

use super::{Config, Pace, SamplePractice, load, load::Options, memory::testing};
use crate::{
    connector::Connector,
    opendental::{Manners, OpenDental, Pace as Polling},
};

/// The rows of every dataset, by key, each value as text.
type Whole = BTreeMap<String, testing::Seen>;

async fn whole(connector: Arc<dyn Connector>) -> Whole {
    let wanted = datasets::all().map(|d| SnapshotDataset { dataset: d.name.to_owned(), ..Default::default() });
    let mut stream = connector.snapshot(wanted.collect()).await.unwrap();
    let mut seen = Whole::new();
    while let Some(part) = stream.next().await {
        if let Some(Part::Chunk(chunk)) = part.unwrap().part {
            let batch = mesh::rows::decode(&chunk.arrow_ipc).unwrap();
            assert_eq!(batch.schema(), datasets::schema(datasets::get(&chunk.dataset).unwrap()));
            seen.entry(chunk.dataset).or_default().extend(testing::rows(&batch));
        }
    }
    seen
}

async fn loaded(server: &MariaDb, database: &str, config: &Config) -> Arc<OpenDental> {
    server.create_database(database).await;
    load(&server.root_url(database), None, config, &Options::default(), |_| ()).await.unwrap();
    let polling = Polling { poll: Duration::from_secs(1), reconcile: Duration::from_secs(30), chunk_rows: 50_000 };
    let password = Secret::new(MariaDb::READER_PASSWORD);
    let source = OpenDentalSource { uri: server.url(database), ..Default::default() };
    Arc::new(OpenDental::new(&source, Some(&password), None, polling, &Manners::default()).unwrap())
}

#[tokio::test]
async fn memory_and_server_show_the_same_rows() {
    let server = MariaDb::start().await;
    for (seed, patients) in [(31, 300), (32, 40)] {
        let config = Config { seed, patients, as_of: date(2026, 3, 17), years: 3 };
        let real = loaded(&server, &format!("od{seed}"), &config).await;
        let memory = SamplePractice::new(config, Pace::Still);
        let (from_server, from_memory) = (whole(Arc::clone(&real) as _).await, whole(Arc::clone(&memory) as _).await);
        for dataset in datasets::all() {
            let empty = testing::Seen::new();
            let (a, b) =
                (from_server.get(dataset.name).unwrap_or(&empty), from_memory.get(dataset.name).unwrap_or(&empty));
            assert_eq!(a.len(), b.len(), "{}", dataset.name);
            for ((key, one), (same, other)) in a.iter().zip(b) {
                assert!(key == same, "{}: keys differ", dataset.name);
                for ((column, one), other) in dataset.columns.iter().zip(one).zip(other) {
                    assert!(one == other, "{}.{} differs", dataset.name, column.name);
                }
            }
        }
        digests_agree(&*real, &*memory).await;
        fetches_agree(&*real, &*memory).await;
    }
}

async fn digests_agree(real: &dyn Connector, memory: &dyn Connector) {
    for dataset in datasets::all().filter(|d| d.has_numeric_key()) {
        for range in [KeyRange::default(), KeyRange { first: Some(150), last: Some(1_200) }] {
            let request = DigestRequest {
                dataset: dataset.name.to_owned(),
                ranges: vec![range],
                list_keys: true,
                ..DigestRequest::default()
            };
            let of = async |connector: &dyn Connector| {
                let ranges = connector.digest(request.clone()).await.unwrap().ranges;
                let digest = ranges.into_iter().next().unwrap();
                (digest.count, digest.key_hash, digest.key_sum, digest.keys)
            };
            assert!(of(real).await == of(memory).await, "{}", dataset.name);
        }
    }
}

async fn fetches_agree(real: &dyn Connector, memory: &dyn Connector) {
    let select = |dataset: &str, column: &str| Selector {
        dataset: dataset.to_owned(),
        column: column.to_owned(),
        values: (1_000..1_060).collect(),
    };
    let asked = [select("patient", "pat_num"), select("procedure", "pat_num"), select("patient", "guarantor")];
    let (one, other) = (real.fetch(asked.to_vec()).await.unwrap(), memory.fetch(asked.to_vec()).await.unwrap());
    for (one, other) in one.rows.iter().zip(&other.rows) {
        let read = |ipc: &[u8]| testing::rows(&mesh::rows::decode(ipc).unwrap());
        let (one, other) = (read(&one.arrow_ipc), read(&other.arrow_ipc));
        assert!(!one.is_empty() && one == other);
    }
}
