//! What operators see and do of the outbox.

use std::sync::Arc;

use chairsync_proto::sync::{
    DropWriteRequest, DropWriteResponse, GetWriteRequest, GetWriteResponse, ListWriteAuditsRequest,
    ListWriteAuditsResponse, ListWritesRequest, ListWritesResponse, RetryWriteRequest, RetryWriteResponse,
    Write as WriteMessage, WriteState, outbox_service_server::OutboxService,
};
use mesh::{
    Refusal,
    caller::Caller,
    names,
    pages::{self, List},
};
use serde::de::DeserializeOwned;
use tonic::{Request, Response, Status};

use super::{
    convert, read,
    states::{Done, States},
};
use crate::core::{
    command::Command,
    records::{self, RecordKey, Scan},
    refusal,
    shared::Text,
    write::{Audit, Write},
};

const PAGE_DEFAULT: i32 = 20;
const PAGE_MAX: i32 = 100;
/// Records that are looked at for one page: with a filter, it may have fewer than asked for, and not be the last.
const LOOKED_AT: usize = 1000;
const REASON_CHARS_MAX: usize = 500;

/// See [`OutboxService`].
#[derive(Debug)]
pub(super) struct Outbox {
    states: Arc<States>,
}

/// Records of a page, and where the next one begins.
struct Page<T> {
    rows: Vec<T>,
    next: Option<u64>,
}

impl Outbox {
    pub(super) fn new(states: Arc<States>) -> Self {
        Self { states }
    }

    /// Records of a kind, newest first, before the number `before`: at most `size` of those that are `wanted`.
    async fn page<T: DeserializeOwned>(
        &self,
        practice: &str,
        key: fn(u64) -> RecordKey,
        before: u64,
        size: usize,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, Refusal> {
        let scan = Scan { from: key(0), until: key(before), limit: LOOKED_AT, reverse: true };
        let found = self.states.records(practice, &scan).await?;
        let all = found.len() < LOOKED_AT;
        let (mut rows, mut last) = (Vec::new(), None);
        let mut found = found.into_iter().peekable();
        while rows.len() < size
            && let Some((key, record)) = found.next()
        {
            let row = records::decode(&key, &record).map_err(refusal::Refusal::from)?;
            last = key.sequence();
            if wanted(&row) {
                rows.push(row);
            }
        }
        let more = found.peek().is_some() || !all;
        Ok(Page { rows, next: last.filter(|_| more) })
    }

    async fn find(&self, practice: &str, write: u64) -> Result<WriteMessage, Refusal> {
        let state = self.states.practice(practice)?;
        let key = RecordKey::write(write);
        let record = self.states.record(practice, key.clone()).await?.ok_or(refusal::Refusal::WriteNotFound)?;
        let write: Write = records::decode(&key, &record).map_err(refusal::Refusal::from)?;
        Ok(convert::write(&state, &write))
    }
}

fn reason(text: String) -> Result<Text, Refusal> {
    Ok(Text::from(read::text("reason", text, REASON_CHARS_MAX)?))
}

/// Who did it.
fn actor<T>(request: &Request<T>) -> Text {
    Text::from(Caller::of(request.metadata()).as_str())
}

#[tonic::async_trait]
impl OutboxService for Outbox {
    async fn list_writes(&self, request: Request<ListWritesRequest>) -> Result<Response<ListWritesResponse>, Status> {
        let request = request.into_inner();
        let id = names::practice("practice", &request.practice)?;
        let state = self.states.practice(id)?;
        let size = pages::size(request.page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let states: Vec<WriteState> = request.states().collect();
        if states.len() != request.states.len() || states.contains(&WriteState::Unspecified) {
            return Err(Refusal::invalid("states", "must be states that a write can have").into());
        }
        let of = format!("{id}?{:?}&{}", request.states, request.patient);
        let list = List { what: "writes", of: &of };
        let before = list.number(&request.page_token)?.unwrap_or(u64::MAX);
        let wanted = |write: &Write| {
            (states.is_empty() || states.contains(&convert::phase(write.phase)))
                && (request.patient.is_empty() || *write.patient == *request.patient)
        };
        let page = self.page(id, RecordKey::write, before, size, wanted).await?;
        Ok(Response::new(ListWritesResponse {
            writes: page.rows.iter().map(|write| convert::write(&state, write)).collect(),
            next_page_token: page.next.map(|next| list.token(&next.to_string())).unwrap_or_default(),
        }))
    }

    async fn get_write(&self, request: Request<GetWriteRequest>) -> Result<Response<GetWriteResponse>, Status> {
        let (id, write) = read::numbered("name", &request.get_ref().name, "writes")?;
        Ok(Response::new(GetWriteResponse { write: Some(self.find(id, write).await?) }))
    }

    async fn retry_write(&self, request: Request<RetryWriteRequest>) -> Result<Response<RetryWriteResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let (id, write) = read::numbered("name", &request.name, "writes")?;
        let command = Command::RetryWrite { write, actor, reason: reason(request.reason)? };
        let Done { state, outcome } = self.states.execute(id, &command).await?;
        Ok(Response::new(RetryWriteResponse { write: outcome.write().map(|write| convert::write(&state, write)) }))
    }

    async fn drop_write(&self, request: Request<DropWriteRequest>) -> Result<Response<DropWriteResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let (id, write) = read::numbered("name", &request.name, "writes")?;
        if request.reason.trim().is_empty() {
            return Err(Refusal::invalid("reason", "is missing: say why, for the audit").into());
        }
        let command = Command::DropWrite { write, actor, reason: reason(request.reason)? };
        let Done { state, outcome } = self.states.execute(id, &command).await?;
        Ok(Response::new(DropWriteResponse { write: outcome.write().map(|write| convert::write(&state, write)) }))
    }

    async fn list_write_audits(
        &self,
        request: Request<ListWriteAuditsRequest>,
    ) -> Result<Response<ListWriteAuditsResponse>, Status> {
        let request = request.into_inner();
        let (id, write) = match names::practice("parent", &request.parent) {
            Ok(id) => (id, None),
            Err(_) => {
                let (id, write) = read::numbered("parent", &request.parent, "writes")?;
                (id, Some(write))
            }
        };
        self.states.practice(id)?;
        let size = pages::size(request.page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let list = List { what: "audits", of: &request.parent };
        let before = list.number(&request.page_token)?.unwrap_or(u64::MAX);
        let wanted = |line: &Audit| write.is_none_or(|write| line.write == write);
        let page = self.page(id, RecordKey::audit, before, size, wanted).await?;
        Ok(Response::new(ListWriteAuditsResponse {
            audits: page.rows.iter().map(|line| convert::audit(id, line)).collect(),
            next_page_token: page.next.map(|next| list.token(&next.to_string())).unwrap_or_default(),
        }))
    }
}
