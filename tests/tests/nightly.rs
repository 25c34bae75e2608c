//! Promise: nights after days of changes on a real MariaDB end with the same tables as the database has, row for row: deletes of
//! splits and claim lines, changes in tables without a change column, commits that came late, rows with an old stamp, a column
//! that an update brought, a damaged table and a killed worker among them.
//! Method: the three services in one process, changes by SQL, runs asked for by hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::HashMap, path::PathBuf, time::Duration};

use chairsync_proto::{
    state::{GetPracticeStateRequest, state_service_client::StateServiceClient},
    sync::{RunState, StartSyncRequest, sync_service_client::SyncServiceClient},
};
use chairsync_tests::{practice, tables};
use mesh::{
    secret::Secret,
    transport::{Channel, Endpoint, connect, in_process},
};
use mysql_async::{Conn, prelude::Queryable};
use rand::{Rng as _, SeedableRng, rngs::StdRng};
use test_servers::MariaDb;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const NIGHTS: usize = 3;
const LIMIT: Duration = Duration::from_secs(300);

/// sync-state, the connector and a worker, in this process.
struct Mesh {
    folder: tempfile::TempDir,
    state: Endpoint,
    connector: Endpoint,
    stop: CancellationToken,
}

impl Mesh {
    fn start() -> Self {
        let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (state, state_listener) = in_process("sync-state");
        let (connector, connector_listener) = in_process("pms-connector");
        let config = sync_state::Config { data: Some(folder.path().join("state")), ..Default::default() };
        let credentials = HashMap::from([(practice::CREDENTIAL.to_owned(), Secret::new(MariaDb::READER_PASSWORD))]);
        let pms = pms_connector::Config { credentials, ..Default::default() };
        tokio::spawn(sync_state::run(config, state_listener, stop.clone()));
        tokio::spawn(pms_connector::run(pms, connector_listener, stop.clone()));
        Self { folder, state, connector, stop }
    }

    fn tables(&self) -> PathBuf {
        self.folder.path().join("tables")
    }

    fn worker(&self) -> (JoinHandle<anyhow::Result<()>>, Endpoint) {
        let (endpoint, listener) = in_process("analytics-sync");
        let config = analytics_sync::Config {
            store: self.tables().to_string_lossy().into_owned(),
            sync_state: self.state.clone(),
            pms_connector: self.connector.clone(),
            worker: None,
            capacity: 1,
            lease_seconds: 2,
            object_store: Default::default(),
        };
        (tokio::spawn(analytics_sync::run(config, listener, self.stop.clone())), endpoint)
    }

    fn client(&self) -> Channel {
        connect(&self.state)
    }

    /// Asks for everything to be brought up to date and waits until it is.
    async fn night(&self) {
        let run = self.asked().await;
        let done = practice::finished(self.client(), &run, LIMIT).await;
        assert_eq!(done.state(), RunState::Succeeded, "{:?}", done.error);
    }

    async fn asked(&self) -> String {
        let request = StartSyncRequest { practice: "practices/nights".to_owned(), ..Default::default() };
        SyncServiceClient::new(self.client()).start_sync(request).await.unwrap().into_inner().run.unwrap().name
    }

    /// The accepted version of each dataset.
    async fn versions(&self) -> HashMap<String, i64> {
        let request = GetPracticeStateRequest { practice: "practices/nights".to_owned() };
        let state =
            StateServiceClient::new(self.client()).get_practice_state(request).await.unwrap().into_inner().state;
        state.unwrap().datasets.into_iter().filter_map(|d| Some((d.dataset, d.version?))).collect()
    }
}

async fn sql(conn: &mut Conn, statement: impl AsRef<str>) {
    conn.query_drop(statement.as_ref()).await.unwrap_or_else(|e| panic!("{}: {e}", statement.as_ref()));
}

/// A day's changes.
async fn day(conn: &mut Conn, random: &mut StdRng) {
    for statement in [
        "UPDATE paysplit SET SplitAmt = SplitAmt + 1",
        "UPDATE procedurelog SET ProcStatus = 2, ProcFee = ProcFee + 0.5",
        "UPDATE patient SET City = CONCAT(City, 'x')",
        "UPDATE appointment SET Note = 'moved'",
        "UPDATE claimproc SET InsPayAmt = InsPayAmt + 10",
        "UPDATE scheduleop SET OperatoryNum = OperatoryNum + 1",
        "UPDATE definition SET ItemName = CONCAT(ItemName, '!')",
        "UPDATE appointmenttype SET AppointmentTypeName = CONCAT(AppointmentTypeName, '!')",
        "UPDATE preference SET ValueString = CONCAT(ValueString, ' ') WHERE PrefName NOT LIKE '%Version%'",
        "DELETE FROM paysplit",
        "DELETE FROM claimproc",
        "DELETE FROM scheduleop",
        "DELETE FROM treatplanattach",
        "DELETE FROM adjustment",
    ] {
        let (seed, rows) = (random.random_range(0..1_000_000), random.random_range(1..12));
        sql(conn, format!("{statement} ORDER BY RAND({seed}) LIMIT {rows}")).await;
    }
    for _ in 0..5 {
        let key: i64 = random.random_range(-1_000_000_000..1_000_000_000);
        sql(conn, format!("REPLACE INTO paysplit (SplitNum, SplitAmt, DatePay) VALUES ({key}, 12.34, '2026-01-05')"))
            .await;
        sql(conn, format!("REPLACE INTO scheduleop VALUES ({key}, 1, 2)")).await;
        // As a restore of single rows, or another program, brings them.
        sql(
            conn,
            format!("REPLACE INTO commlog (CommlogNum, Note, DateTStamp) VALUES ({key}, 'old', '2020-01-01 10:00:00')"),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nights_of_changes_end_with_the_tables_of_the_database() {
    let seed: u64 = std::env::var("CHAIRSYNC_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    println!("CHAIRSYNC_SEED={seed} repeats this run");
    let mut random = StdRng::seed_from_u64(seed);
    let pms = MariaDb::start().await;
    practice::load(&pms, "nights", 31, 200).await;
    let mut conn = pms.root("nights").await;
    sql(&mut conn, "ALTER TABLE procedurelog DROP COLUMN TaxAmt").await;
    let mesh = Mesh::start();
    // A worker ends with its endpoint.
    let (mut worker, mut _endpoint) = mesh.worker();
    let initial = practice::register(mesh.client(), "nights", practice::on(&pms, "nights", "America/Denver")).await;
    let done = practice::finished(mesh.client(), &initial, LIMIT).await;
    assert_eq!(done.state(), RunState::Succeeded, "{:?}", done.error);

    // An update of the PMS.
    sql(&mut conn, "ALTER TABLE procedurelog ADD COLUMN TaxAmt double NOT NULL DEFAULT 1.5").await;
    mesh.night().await;
    tables::equal_database(&mesh.tables(), "nights", &pms, "nights").await;

    for night in 0..NIGHTS {
        day(&mut conn, &mut random).await;
        let mut slow = pms.root("nights").await;
        sql(&mut slow, "START TRANSACTION").await;
        sql(&mut slow, format!("UPDATE recall SET Note = 'late {night}' ORDER BY RecallNum LIMIT 3")).await;
        let asked = mesh.asked().await;
        if night == 1 {
            // Killed in the middle, wherever that is; the next worker goes on.
            tokio::time::sleep(Duration::from_millis(random.random_range(10..600))).await;
            worker.abort();
            let _ = worker.await;
            (worker, _endpoint) = mesh.worker();
        }
        let done = practice::finished(mesh.client(), &asked, LIMIT).await;
        assert_eq!(done.state(), RunState::Succeeded, "seed {seed}: {:?}", done.error);
        sql(&mut slow, "COMMIT").await;
        if night == 2 {
            let log = mesh.tables().join("nights/claim_line/_delta_log");
            let newest = std::fs::read_dir(&log).unwrap().map(|e| e.unwrap().path()).max().unwrap();
            std::fs::write(newest, "{").unwrap();
        }
        mesh.night().await;
        tables::equal_database(&mesh.tables(), "nights", &pms, "nights").await;
    }

    // Nothing happened: what readers have stays as it is, and is newer.
    let before = mesh.versions().await;
    mesh.night().await;
    assert_eq!(mesh.versions().await, before, "seed {seed}");
    tables::equal_database(&mesh.tables(), "nights", &pms, "nights").await;
    mesh.stop.cancel();
    worker.await.unwrap().unwrap();
}
