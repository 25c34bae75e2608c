//! Saved things on the wire.

use chairsync_proto::state::SavedThing as ThingMessage;
use mesh::calendar;

use crate::core::saved::SavedThing;

/// A saved thing.
pub fn saved(thing: &SavedThing) -> ThingMessage {
    ThingMessage {
        id: thing.id.to_string(),
        body: thing.body.clone().into(),
        etag: thing.version.to_string(),
        create_time: Some(calendar::to_proto(thing.created_at)),
        update_time: Some(calendar::to_proto(thing.updated_at)),
    }
}
