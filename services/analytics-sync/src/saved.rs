//! Saved things: what people make here. sync-state keeps them, as documents under a kind and an id.

use std::time::Duration;

use chairsync_proto::state::{
    DeleteSavedRequest, GetSavedRequest, ListSavedRequest, PutSavedRequest, SavedKind, SavedThing,
    state_service_client::StateServiceClient,
};
use mesh::{
    error::{ErrorReason, reason_of},
    transport::Channel,
};
use tonic::{Request, Status};

/// How long sync-state may take for one of them.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The etag of what is not there.
pub const NOTHING: &str = "0";

/// sync-state's saved things.
#[derive(Clone)]
pub struct Saved {
    client: StateServiceClient<Channel>,
}

/// A creation, made once for each of the caller's keys.
#[derive(Debug, Clone)]
pub struct Creation {
    /// The caller's key.
    pub request_id: String,
    /// What was asked for, by which a repeat is told from another.
    pub asked: Vec<u8>,
}

impl Saved {
    /// Those behind `channel`.
    pub fn new(channel: Channel) -> Self {
        Self { client: StateServiceClient::new(channel) }
    }

    /// A thing of a practice, by id; `None` where there is none.
    ///
    /// # Errors
    /// sync-state's own, e.g. `PRACTICE_NOT_FOUND`; so for all below.
    pub async fn get(&self, practice: &str, kind: SavedKind, id: &str) -> Result<Option<SavedThing>, Status> {
        let request = GetSavedRequest { practice: name(practice), kind: kind.into(), id: id.to_owned() };
        match self.client.clone().get_saved(timed(request)).await {
            Ok(answer) => Ok(answer.into_inner().thing),
            Err(status) if reason_of(&status) == Some(ErrorReason::ResourceNotFound) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// All things of a kind, by id.
    pub async fn all(&self, practice: &str, kind: SavedKind) -> Result<Vec<SavedThing>, Status> {
        let mut things = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListSavedRequest { practice: name(practice), kind: kind.into(), page_size: 0, page_token };
            let page = self.client.clone().list_saved(timed(request)).await?.into_inner();
            things.extend(page.things);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(things);
            }
        }
    }

    /// Saves a thing over the one with `etag`: [`NOTHING`] for none, empty for whatever is there.
    pub async fn put(
        &self,
        practice: &str,
        kind: SavedKind,
        id: &str,
        etag: &str,
        body: Vec<u8>,
    ) -> Result<SavedThing, Status> {
        self.save(PutSavedRequest {
            practice: name(practice),
            kind: kind.into(),
            id: id.to_owned(),
            body: body.into(),
            etag: etag.to_owned(),
            ..Default::default()
        })
        .await
    }

    /// Makes a thing, or finds the one that was made for the same key.
    pub async fn create(
        &self,
        practice: &str,
        kind: SavedKind,
        id: &str,
        creation: Creation,
        body: Vec<u8>,
    ) -> Result<SavedThing, Status> {
        self.save(PutSavedRequest {
            practice: name(practice),
            kind: kind.into(),
            id: id.to_owned(),
            body: body.into(),
            etag: NOTHING.to_owned(),
            request_id: creation.request_id,
            asked: creation.asked.into(),
        })
        .await
    }

    async fn save(&self, request: PutSavedRequest) -> Result<SavedThing, Status> {
        let answer = self.client.clone().put_saved(timed(request)).await?.into_inner();
        answer.thing.ok_or_else(|| Status::internal("sync-state answered without what it saved"))
    }

    /// Takes a thing away; none there is fine.
    pub async fn delete(&self, practice: &str, kind: SavedKind, id: &str, etag: &str) -> Result<(), Status> {
        let request = DeleteSavedRequest {
            practice: name(practice),
            kind: kind.into(),
            id: id.to_owned(),
            etag: etag.to_owned(),
        };
        self.client.clone().delete_saved(timed(request)).await.map(|_| ())
    }
}

fn name(practice: &str) -> String {
    format!("practices/{practice}")
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    request
}
