//! Promise: what people save here is there after a restart and on every replica, is edited by etag and made once for each
//! key, and goes with its practice. Method: the whole service over gRPC, on a file or on a real Redis that two share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{path::Path, time::Duration};

use chairsync_proto::{
    feature::ErrorReason,
    practice::{
        CreatePracticeRequest, DeletePracticeRequest, PmsSource, Practice, SampleSource, pms_source::Kind,
        practice_service_client::PracticeServiceClient,
    },
    state::{
        DeleteSavedRequest, GetPracticeStateRequest, GetSavedRequest, ListSavedRequest, PutSavedRequest, SavedKind,
        SavedThing, state_service_client::StateServiceClient,
    },
};
use mesh::{
    error::reason_of,
    secret::Secret,
    transport::{Channel, connect, in_process},
};
use sync_state::Config;
use test_servers::Redis;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

struct Service {
    channel: Channel,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Service {
    fn on(config: Config) -> Self {
        let (endpoint, listener) = in_process("sync-state");
        let stop = CancellationToken::new();
        let task = tokio::spawn(sync_state::run(config, listener, stop.clone()));
        Self { channel: connect(&endpoint), stop, task }
    }

    fn on_file(folder: &Path) -> Self {
        Self::on(Config { data: Some(folder.join("state")), ..Config::default() })
    }

    fn on_redis(redis: &Redis) -> Self {
        Self::on(Config { redis: Some(Secret::new(redis.url())), ..Config::default() })
    }

    async fn stopped(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    fn practices(&self) -> PracticeServiceClient<Channel> {
        PracticeServiceClient::new(self.channel.clone())
    }

    async fn create(&self, id: &str) {
        let source = Kind::Sample(SampleSource { patients: 10, ..Default::default() });
        let practice = Practice {
            time_zone: "UTC".to_owned(),
            source: Some(PmsSource { kind: Some(source) }),
            ..Practice::default()
        };
        let request = CreatePracticeRequest { practice_id: id.to_owned(), practice: Some(practice) };
        self.practices().create_practice(request).await.unwrap();
    }

    fn state(&self) -> StateServiceClient<Channel> {
        StateServiceClient::new(self.channel.clone())
    }

    async fn put(&self, request: PutSavedRequest) -> Result<(SavedThing, bool), Status> {
        let answer = self.state().put_saved(request).await?.into_inner();
        Ok((answer.thing.unwrap(), answer.repeated))
    }

    async fn get(&self, id: &str) -> Result<SavedThing, Status> {
        let request = GetSavedRequest { practice: PRACTICE.to_owned(), kind: CARD, id: id.to_owned() };
        Ok(self.state().get_saved(request).await?.into_inner().thing.unwrap())
    }

    async fn delete(&self, id: &str, etag: &str) -> Result<(), Status> {
        let (practice, id, etag) = (PRACTICE.to_owned(), id.to_owned(), etag.to_owned());
        self.state().delete_saved(DeleteSavedRequest { practice, kind: CARD, id, etag }).await.map(|_| ())
    }

    async fn page(&self, kind: i32, page_size: i32, page_token: &str) -> Result<(Vec<String>, String, u64), Status> {
        let (practice, page_token) = (PRACTICE.to_owned(), page_token.to_owned());
        let request = ListSavedRequest { practice, kind, page_size, page_token };
        let answer = self.state().list_saved(request).await?.into_inner();
        let ids = answer.things.into_iter().map(|thing| thing.id).collect();
        Ok((ids, answer.next_page_token, answer.saved_version))
    }
}

/// The longest that anything here may take.
const LIMIT: Duration = Duration::from_secs(60);
const PRACTICE: &str = "practices/north";
const CARD: i32 = SavedKind::Scorecard as i32;

fn card(id: &str, body: &str, etag: &str) -> PutSavedRequest {
    PutSavedRequest {
        practice: PRACTICE.to_owned(),
        kind: CARD,
        id: id.to_owned(),
        body: body.to_owned().into(),
        etag: etag.to_owned(),
        ..Default::default()
    }
}

fn refused(status: &Status) -> (Code, Option<ErrorReason>, Option<String>) {
    let field = status.get_details_bad_request().map(|details| details.field_violations[0].field.clone());
    (status.code(), reason_of(status), field)
}

/// What holds on every store; `again` is another replica, or the same service after a restart.
async fn kept(first: Service, again: impl AsyncFnOnce(Service) -> Service) {
    first.create("north").await;
    let (a, repeated) =
        first.put(PutSavedRequest { request_id: "r1".to_owned(), ..card("a", "one", "0") }).await.unwrap();
    assert!(!repeated && a.id == "a" && a.create_time == a.update_time);
    let (same, repeated) =
        first.put(PutSavedRequest { request_id: "r1".to_owned(), ..card("b", "one", "0") }).await.unwrap();
    assert!(repeated && same == a);
    first.put(card("c", "three", "")).await.unwrap();

    let second = again(first).await;
    assert_eq!(second.get("a").await.unwrap(), a);
    let (edited, _) = second.put(card("a", "two", &a.etag)).await.unwrap();
    assert_ne!(edited.etag, a.etag);
    let stale = second.put(card("a", "three", &a.etag)).await.unwrap_err();
    let etag = (Code::Aborted, Some(ErrorReason::EtagMismatch), Some("etag".to_owned()));
    assert_eq!(refused(&stale), etag);
    assert_eq!(refused(&second.delete("a", &a.etag).await.unwrap_err()), etag);
    assert_eq!(refused(&second.put(card("a", "three", "one")).await.unwrap_err()), etag);
    let (ids, _, version) = second.page(CARD, 0, "").await.unwrap();
    assert_eq!((ids, version.to_string()), (vec!["a".to_owned(), "c".to_owned()], edited.etag.clone()));
    let state = second.state().get_practice_state(GetPracticeStateRequest { practice: PRACTICE.to_owned() }).await;
    assert_eq!(state.unwrap().into_inner().state.unwrap().saved_version.to_string(), edited.etag);

    second.delete("a", &edited.etag).await.unwrap();
    second.delete("a", &edited.etag).await.unwrap();
    let gone = refused(&second.get("a").await.unwrap_err());
    assert_eq!(gone, (Code::NotFound, Some(ErrorReason::ResourceNotFound), None));

    // What is saved goes with its practice, and its etags do not come back with another one.
    second.practices().delete_practice(DeletePracticeRequest { name: PRACTICE.to_owned() }).await.unwrap();
    second.create("north").await;
    assert!(second.page(CARD, 0, "").await.unwrap().0.is_empty());
    let (anew, repeated) =
        second.put(PutSavedRequest { request_id: "r1".to_owned(), ..card("a", "other", "0") }).await.unwrap();
    assert!(!repeated && anew.etag.parse::<u64>().unwrap() > edited.etag.parse().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_things_outlive_a_restart_on_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let again = async |first: Service| {
        first.stopped().await;
        // The file is let go of a moment after the service's end.
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let again = Service::on_file(folder.path());
            match again.get("a").await {
                Ok(_) => return again,
                Err(status) => assert!(tokio::time::Instant::now() < deadline, "{status}"),
            }
        }
    };
    kept(Service::on_file(folder.path()), again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_things_are_on_every_replica() {
    let redis = Redis::start().await;
    let other = Service::on_redis(&redis);
    kept(Service::on_redis(&redis), async |_first: Service| other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn things_are_listed_by_pages() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::on_file(folder.path());
    service.create("north").await;
    let large = "x".repeat(64 << 10);
    for n in 0..40 {
        let body = if n < 20 { large.as_str() } else { "small" };
        service.put(card(&format!("n{n:02}"), body, "0")).await.unwrap();
    }
    let goals = SavedKind::Goal as i32;
    service.put(PutSavedRequest { kind: goals, ..card("1", "goal", "") }).await.unwrap();

    let (mut ids, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let (page, next, _) = service.page(CARD, 100, &token).await.unwrap();
        assert!(!page.is_empty());
        pages += 1;
        ids.extend(page);
        match next.is_empty() {
            true => break,
            false => token = next,
        }
    }
    assert_eq!(ids, (0..40).map(|n| format!("n{n:02}")).collect::<Vec<_>>());
    assert_eq!(pages, 2, "large ones make short pages");
    assert_eq!(service.page(goals, 0, "").await.unwrap().0, ["1"]);
    let (_, token, _) = service.page(CARD, 1, "").await.unwrap();
    let other = service.page(goals, 1, &token).await.unwrap_err();
    assert_eq!(reason_of(&other), Some(ErrorReason::PageTokenInvalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::on_file(folder.path());
    service.create("north").await;
    let invalid = |field: &str| (Code::InvalidArgument, Some(ErrorReason::InvalidField), Some(field.to_owned()));
    let bad = [
        (PutSavedRequest { practice: "north".to_owned(), ..card("a", "", "") }, "practice"),
        (PutSavedRequest { kind: 0, ..card("a", "", "") }, "kind"),
        (PutSavedRequest { kind: 99, ..card("a", "", "") }, "kind"),
        (card("a/b", "", ""), "id"),
        (card("a", &"x".repeat((64 << 10) + 1), ""), "body"),
        (PutSavedRequest { request_id: "r".to_owned(), ..card("a", "", "") }, "request_id"),
    ];
    for (request, field) in bad {
        assert_eq!(refused(&service.put(request).await.unwrap_err()), invalid(field));
    }
    let elsewhere = PutSavedRequest { practice: "practices/south".to_owned(), ..card("a", "", "") };
    let status = service.put(elsewhere).await.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (Code::NotFound, Some(ErrorReason::PracticeNotFound)));
    let reused = PutSavedRequest { request_id: "r".to_owned(), ..card("a", "one", "0") };
    service.put(reused.clone()).await.unwrap();
    let status = service.put(PutSavedRequest { body: "two".into(), ..reused }).await.unwrap_err();
    let expected = (Code::InvalidArgument, Some(ErrorReason::RequestIdReused), Some("request_id".to_owned()));
    assert_eq!(refused(&status), expected);
}
