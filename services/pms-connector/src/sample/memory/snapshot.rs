//! A sample practice whole, in chunks of rows in key order.

use std::{
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use chairsync_proto::pms::{
    DatasetCount, SnapshotChunk, SnapshotDataset, SnapshotResponse, SnapshotStart, snapshot_response::Part,
};
use futures::Stream;
use mesh::{ErrorReason, Refusal};
use tonic::Code;

use super::{CHUNK_ROWS, SamplePractice, count, now, source, too_far_back, unencodable};
use crate::sample::{
    canonical,
    store::{Key, Source},
    value::Row,
};

/// A dataset to send: whole from a key on, or what changed.
struct Planned {
    source: Source,
    after: Option<Key>,
    changed: Option<Vec<SnapshotChunk>>,
}

impl SamplePractice {
    /// Streams datasets: a start with the position and the counts, then each dataset's chunks.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a dataset that does not exist, `RESUME_TOKEN_INVALID` for a token of another source.
    pub fn snapshot(
        self: Arc<Self>,
        wanted: &[SnapshotDataset],
    ) -> Result<impl Stream<Item = Result<SnapshotResponse, Refusal>> + Send + 'static + use<>, Refusal> {
        let mut plan = Vec::new();
        for (place, part) in wanted.iter().enumerate() {
            let source = source(&format!("datasets[{place}].dataset"), &part.dataset)?;
            let after = self.read_token(&source, &part.resume_token)?;
            let changed = match part.changed_since.as_str() {
                "" => None,
                position => Some(self.changed_rows(&source, self.read_position(position)?)?),
            };
            plan.push(Planned { source, after, changed });
        }
        Ok(async_stream::try_stream! {
            yield SnapshotResponse { part: Some(Part::Start(self.start(&plan))) };
            for Planned { source, mut after, changed } in plan {
                if let Some(chunks) = changed {
                    for chunk in chunks {
                        yield SnapshotResponse { part: Some(Part::Chunk(chunk)) };
                    }
                    continue;
                }
                loop {
                    let (chunk, last_key) = self.chunk(&source, after.as_ref())?;
                    let last = chunk.last;
                    yield SnapshotResponse { part: Some(Part::Chunk(chunk)) };
                    if last {
                        break;
                    }
                    after = last_key;
                    // Others may work between chunks.
                    tokio::task::yield_now().await;
                }
            }
        })
    }

    /// What changed of a dataset after a position, and a last chunk without rows.
    fn changed_rows(&self, source: &Source, after: u64) -> Result<Vec<SnapshotChunk>, Refusal> {
        let store = self.store.read();
        let keys = store.changed(source.table, after).ok_or_else(too_far_back)?;
        let all = store.rows(source.table);
        let rows: Vec<_> = keys.iter().filter_map(|key| all.get(key)).collect();
        let chunk = |rows: &[&Row], last| {
            let batch = canonical::batch(source, rows).map_err(|e| unencodable(&e))?;
            Ok(SnapshotChunk {
                dataset: source.dataset.name.to_owned(),
                arrow_ipc: mesh::rows::encode(&batch).map_err(|e| unencodable(&e))?,
                rows: count(rows.len()),
                resume_token: String::new(),
                last,
            })
        };
        rows.chunks(CHUNK_ROWS).map(|rows| chunk(rows, false)).chain([chunk(&[], true)]).collect()
    }

    fn start(&self, plan: &[Planned]) -> SnapshotStart {
        let store = self.store.read();
        let counts = plan.iter().map(|Planned { source, .. }| DatasetCount {
            dataset: source.dataset.name.to_owned(),
            rows: count(store.rows(source.table).len()),
            // It knows its own changes, whatever their columns.
            change_tracked: true,
            missing_columns: Vec::new(),
        });
        SnapshotStart {
            position: self.position_text(store.position()),
            fingerprint: self.fingerprint.clone(),
            server_time: Some(now()),
            counts: counts.collect(),
        }
    }

    /// The rows after a key, and the last of their keys.
    fn chunk(&self, source: &Source, after: Option<&Key>) -> Result<(SnapshotChunk, Option<Key>), Refusal> {
        let store = self.store.read();
        let from = after.map_or(Unbounded, Excluded);
        let mut rest = store.rows(source.table).range::<Key, _>((from, Unbounded));
        let part: Vec<_> = rest.by_ref().take(CHUNK_ROWS).collect();
        let last_key = part.last().map(|(key, _)| (*key).clone()).or_else(|| after.cloned());
        let rows: Vec<_> = part.iter().map(|(_, row)| *row).collect();
        let batch = canonical::batch(source, &rows).map_err(|e| unencodable(&e))?;
        let chunk = SnapshotChunk {
            dataset: source.dataset.name.to_owned(),
            arrow_ipc: mesh::rows::encode(&batch).map_err(|e| unencodable(&e))?,
            rows: count(rows.len()),
            resume_token: self.token(source, last_key.as_ref()),
            last: rest.next().is_none(),
        };
        Ok((chunk, last_key))
    }

    /// A token names the practice, not its telling: what was read before stays as it is in key order, and the changes
    /// since are read afterwards.
    fn token(&self, source: &Source, key: Option<&Key>) -> String {
        let key = match key {
            None => "-".to_owned(),
            Some(Key::Number(number)) => format!("#{number}"),
            Some(Key::Name(name)) => format!("={name}"),
        };
        format!("{}/{}/{key}", self.token_head(), source.dataset.name)
    }

    fn token_head(&self) -> String {
        let c = &self.config;
        format!("sample/{}/{}/{}/{}", c.seed, c.patients, c.as_of, c.years)
    }

    fn read_token(&self, source: &Source, token: &str) -> Result<Option<Key>, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        let head = format!("{}/{}/", self.token_head(), source.dataset.name);
        let key = token.strip_prefix(&head).and_then(|key| match key.split_at_checked(1)? {
            ("-", "") => Some(None),
            ("#", number) => number.parse().ok().map(|n| Some(Key::Number(n))),
            ("=", name) => Some(Some(Key::Name(name.to_owned().into()))),
            _ => None,
        });
        key.ok_or_else(|| {
            let message = "the resume token is not one of this dataset and source; begin the dataset again without it";
            Refusal::new(Code::InvalidArgument, ErrorReason::ResumeTokenInvalid, message)
                .on_field("datasets.resume_token")
        })
    }
}
