//! Saved things over the API: bytes in, bytes out, by etag.

use std::sync::Arc;

use chairsync_proto::{
    feature::ErrorReason,
    state::{
        DeleteSavedRequest, DeleteSavedResponse, GetSavedRequest, GetSavedResponse, ListSavedRequest,
        ListSavedResponse, PutSavedRequest, PutSavedResponse, SavedKind as KindMessage,
    },
};
use mesh::{
    Refusal, names,
    pages::{self, List},
};
use tonic::Code;

use super::{
    convert,
    states::{Done, States},
};
use crate::core::{
    command::{Command, Outcome},
    records::{self, RecordKey, Scan},
    refusal,
    saved::{Put, SavedKind, SavedThing},
    shared::{Shared, Text},
};

const PAGE: i32 = 100;
/// Bytes of contents after which a page ends.
const PAGE_BYTES: usize = 1 << 20;

pub(super) async fn put(states: &Arc<States>, request: PutSavedRequest) -> Result<PutSavedResponse, Refusal> {
    let practice = names::practice("practice", &request.practice)?;
    let put = Put {
        kind: kind(request.kind)?,
        id: Text::from(request.id),
        expected: expected(&request.etag)?,
        request_id: Text::from(request.request_id),
        asked: request.asked.to_vec(),
    };
    let command = Command::PutSaved { put, body: Shared::new(request.body.to_vec()) };
    let Done { outcome, .. } = states.execute(practice, &command).await?;
    let repeated = matches!(outcome, Outcome::FoundSaved(_));
    Ok(PutSavedResponse { thing: outcome.saved().map(convert::saved), repeated })
}

pub(super) async fn get(states: &Arc<States>, request: GetSavedRequest) -> Result<GetSavedResponse, Refusal> {
    let practice = names::practice("practice", &request.practice)?;
    states.practice(practice)?;
    let key = RecordKey::saved(kind(request.kind)?, &request.id);
    let record = states.record(practice, key.clone()).await?.ok_or(refusal::Refusal::SavedNotFound)?;
    Ok(GetSavedResponse { thing: Some(convert::saved(&thing(&key, &record)?)) })
}

pub(super) async fn list(states: &Arc<States>, request: ListSavedRequest) -> Result<ListSavedResponse, Refusal> {
    let practice = names::practice("practice", &request.practice)?;
    // Not from the copy: what is read below must be at least as new.
    let found = states.load(practice).await?.ok_or_else(|| Refusal::practice_not_found(&request.practice))?;
    let (kind, size) = (kind(request.kind)?, pages::size(request.page_size, PAGE, PAGE)?);
    let of = format!("{practice}?{}", kind.name());
    let list = List { what: "saved", of: &of };
    let after = list.position(&request.page_token)?;
    let records = states.records(practice, &Scan::saved(kind, after.as_deref(), size + 1)).await?;
    let (mut things, mut bytes) = (Vec::new(), 0);
    for (key, record) in &records {
        bytes += record.len();
        if things.len() == size || (bytes > PAGE_BYTES && !things.is_empty()) {
            break;
        }
        things.push(convert::saved(&thing(key, record)?));
    }
    let more = things.len() < records.len();
    let next_page_token = things.last().filter(|_| more).map(|last| list.token(&last.id)).unwrap_or_default();
    Ok(ListSavedResponse { things, next_page_token, saved_version: found.state.saved.version })
}

pub(super) async fn delete(states: &Arc<States>, request: DeleteSavedRequest) -> Result<DeleteSavedResponse, Refusal> {
    let practice = names::practice("practice", &request.practice)?;
    let (kind, id) = (kind(request.kind)?, Text::from(request.id));
    let command = Command::DeleteSaved { kind, id, expected: expected(&request.etag)? };
    states.execute(practice, &command).await?;
    Ok(DeleteSavedResponse {})
}

fn thing(key: &RecordKey, record: &[u8]) -> Result<SavedThing, Refusal> {
    Ok(records::decode(key, record).map_err(refusal::Refusal::from)?)
}

fn kind(kind: i32) -> Result<SavedKind, Refusal> {
    match KindMessage::try_from(kind) {
        Ok(KindMessage::Scorecard) => Ok(SavedKind::Scorecard),
        Ok(KindMessage::Goal) => Ok(SavedKind::Goal),
        Ok(KindMessage::Hours) => Ok(SavedKind::Hours),
        Ok(KindMessage::Unspecified) | Err(_) => Err(Refusal::invalid("kind", "must say what it is")),
    }
}

/// The version that an etag stands for; none: whatever is there. What is no etag is nobody's.
fn expected(etag: &str) -> Result<Option<u64>, Refusal> {
    match etag {
        "" => Ok(None),
        etag => etag.parse().map(Some).map_err(|_| {
            let sentence = "is not an etag that was given; read the thing again and repeat the edit";
            Refusal::new(Code::Aborted, ErrorReason::EtagMismatch, sentence).on_field("etag")
        }),
    }
}
