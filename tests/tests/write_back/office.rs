//! A practice that takes writes: MariaDB, the stand-in, the mesh.

use std::time::Duration;

use chairsync_proto::{
    pms::WriteContent,
    practice::UpdatePracticeRequest,
    practice::practice_service_client::PracticeServiceClient,
    state::{EnqueueWriteRequest, state_service_client::StateServiceClient},
    sync::{ListWritesRequest, Write, WriteKind, WriteState, outbox_service_client::OutboxServiceClient},
};
use chairsync_tests::{
    open_dental_api::{API_CREDENTIAL, API_KEYS, StandIn},
    practice,
    processes::Processes,
};
use mesh::transport::Channel;
use mysql_async::{Conn, prelude::Queryable as _};
use prost::Message as _;
use test_servers::MariaDb;

pub const PRACTICE: &str = "practices/written";
const DATABASE: &str = "written";

/// All that a write passes through.
pub struct Office {
    pub pms: MariaDb,
    pub api: StandIn,
    pub mesh: Processes,
}

impl Office {
    /// Starts it; `automatic` is the practice's switch.
    pub async fn open(seed: u64, patients: u32, automatic: bool) -> Self {
        let pms = MariaDb::start().await;
        practice::load(&pms, DATABASE, seed, patients).await;
        let mut conn = pms.root(DATABASE).await;
        conn.query_drop(
            "INSERT INTO sheetdef (SheetDefNum, Description, SheetType, RevID) VALUES (9001, 'Consent', 6, 1)",
        )
        .await
        .expect("a template");
        let api = StandIn::start(pms.root_url(DATABASE), &[]).await;
        let credentials = [practice::credentials()[0], (API_CREDENTIAL, API_KEYS)];
        let settings = [
            ("pms-connector/CHAIRSYNC_API_ANSWER_MS", "600"),
            ("pms-connector/CHAIRSYNC_API_REQUESTS_PER_SECOND", "5000"),
            // Longer than the stand-in is ever late.
            ("engagement-sync/CHAIRSYNC_WRITE_SETTLE_MS", "1500"),
            ("engagement-sync/CHAIRSYNC_LEASE_SECONDS", "3"),
        ];
        let mesh = Processes::start_with(&credentials, "info", &settings).await;
        let mut settings = api.writes_of(practice::on(&pms, DATABASE, "America/Chicago"), false);
        settings.automatic_write_back = automatic;
        practice::register(mesh.gateway(), "written", settings).await;
        Self { pms, api, mesh }
    }

    /// The database, as its administrator.
    pub async fn sql(&self) -> Conn {
        self.pms.root(DATABASE).await
    }

    /// Some active patients who pay for themselves, by number.
    pub async fn patients(&self, most: usize) -> Vec<i64> {
        let sql = format!("SELECT PatNum FROM patient WHERE PatStatus = 0 ORDER BY PatNum LIMIT {most}");
        self.sql().await.query(sql).await.expect("patients")
    }

    /// A channel to sync-state itself: enqueueing is internal.
    pub fn state(&self) -> Channel {
        mesh::transport::connect(&self.mesh.url("sync-state").parse().expect("an endpoint"))
    }

    /// Switches automatic write-back.
    pub async fn automatic(&self, on: bool) {
        let practice = chairsync_proto::practice::Practice { automatic_write_back: on, ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["automatic_write_back".to_owned()] });
        let (name, practice) = (PRACTICE.to_owned(), Some(practice));
        let request = UpdatePracticeRequest { name, practice, update_mask, etag: String::new() };
        PracticeServiceClient::new(self.mesh.gateway()).update_practice(request).await.expect("the switch");
    }

    /// Enqueues one write and waits for its end.
    pub async fn write(&self, key: &str, kind: WriteKind, patient: i64, content: WriteContent) -> Write {
        let write = enqueue(self.state(), key, kind, &patient.to_string(), &content).await;
        self.ended(&write.name).await
    }

    /// Waits until a write has ended or is parked.
    pub async fn ended(&self, name: &str) -> Write {
        let request = chairsync_proto::sync::GetWriteRequest { name: name.to_owned() };
        let mut client = OutboxServiceClient::new(self.mesh.gateway());
        let wait = async {
            loop {
                let answer = client.get_write(request.clone()).await.expect("the write").into_inner();
                let write = answer.write.expect("a write");
                if !under_way().contains(&write.state()) {
                    return write;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("it ends")
    }
}

/// The states of writes that go on by themselves.
pub fn under_way() -> [WriteState; 4] {
    [WriteState::Accepted, WriteState::Sending, WriteState::Sent, WriteState::RetryWait]
}

/// Enqueues a write, again and again until sync-state has answered: it may be killed meanwhile.
pub async fn enqueue(state: Channel, key: &str, kind: WriteKind, patient: &str, content: &WriteContent) -> Write {
    let mut client = StateServiceClient::new(state);
    loop {
        let mut request = tonic::Request::new(EnqueueWriteRequest {
            practice: PRACTICE.to_owned(),
            request_id: key.to_owned(),
            kind: kind.into(),
            patient: patient.to_owned(),
            body: content.encode_to_vec().into(),
            actor: "test".to_owned(),
        });
        request.set_timeout(Duration::from_secs(10));
        match client.enqueue_write(request).await {
            Ok(answer) => return answer.into_inner().write.expect("a write"),
            Err(status) if status.code() == tonic::Code::InvalidArgument => panic!("{status:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// All writes that stand in some states (all, where none is named); `None` while sync-state does not answer.
pub async fn list(gateway: Channel, states: &[WriteState]) -> Option<Vec<Write>> {
    let mut client = OutboxServiceClient::new(gateway);
    let (mut writes, mut page_token) = (Vec::new(), String::new());
    loop {
        let states = states.iter().map(|state| (*state).into()).collect();
        let practice = PRACTICE.to_owned();
        let request = ListWritesRequest { practice, states, page_size: 100, page_token, ..Default::default() };
        let page = client.list_writes(request).await.ok()?.into_inner();
        writes.extend(page.writes);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Some(writes);
        }
    }
}
