//! The changes of a living sample practice, as they happen.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chairsync_proto::pms::{ChangeBatch, ChangesOpened, ChangesProgress, ChangesResponse, changes_response::Part};
use futures::Stream;
use mesh::{ErrorReason, Refusal};
use tonic::Code;

use super::{CHUNK_ROWS, SamplePractice, now, source, too_far_back, unencodable};
use crate::sample::{canonical, store::Source};

/// How often progress is told while nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(2);

impl SamplePractice {
    /// Streams changes from a position on (empty: from now), until the caller ends it.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a dataset that does not exist or a malformed position, `SOURCE_CHANGED` for a position of
    /// another telling of the day, `RESNAPSHOT_REQUIRED` for one that is no longer remembered.
    pub fn changes(
        self: Arc<Self>,
        position: &str,
        datasets: &[String],
    ) -> Result<impl Stream<Item = Result<ChangesResponse, Refusal>> + Send + 'static + use<>, Refusal> {
        let mut sources = Vec::new();
        for (place, dataset) in datasets.iter().enumerate() {
            sources.push(source(&format!("datasets[{place}]"), dataset)?);
        }
        let mut follow = self.position.subscribe();
        let mut at = match position {
            "" => self.store.read().position(),
            position => self.read_position(position)?,
        };
        self.batches(&sources, at)?;
        Ok(async_stream::try_stream! {
            yield ChangesResponse {
                part: Some(Part::Opened(ChangesOpened {
                    mode: "own log: the sample practice knows its own changes".to_owned(),
                    fingerprint: self.fingerprint.clone(),
                })),
            };
            loop {
                follow.mark_unchanged();
                let (batches, reached) = self.batches(&sources, at)?;
                for batch in batches {
                    yield ChangesResponse { part: Some(Part::Batch(batch)) };
                }
                at = reached;
                yield ChangesResponse {
                    part: Some(Part::Progress(ChangesProgress {
                        position: self.position_text(at),
                        synced_through: Some(now()),
                    })),
                };
                if self.over() {
                    Err(Refusal::new(
                        Code::FailedPrecondition,
                        ErrorReason::SourceChanged,
                        "the sample practice's day is over and a new one has begun; read it whole again",
                    ))?;
                }
                // Either something happened or it is time to say that nothing did.
                let _ = tokio::time::timeout(HEARTBEAT, follow.changed()).await;
            }
        })
    }

    /// What changed after a position, and the position that is reached with it.
    fn batches(&self, sources: &[Source], after: u64) -> Result<(Vec<ChangeBatch>, u64), Refusal> {
        let store = self.store.read();
        let mut batches = Vec::new();
        for source in sources {
            let keys = store.changed(source.table, after).ok_or_else(too_far_back)?;
            let keys: Vec<_> = keys.into_iter().collect();
            for part in keys.chunks(CHUNK_ROWS) {
                let all = store.rows(source.table);
                let rows: Vec<_> = part.iter().filter_map(|key| all.get(key)).collect();
                let gone = part.iter().filter(|key| !all.contains_key(key));
                let arrow_ipc = if rows.is_empty() {
                    Bytes::new()
                } else {
                    let batch = canonical::batch(source, &rows).map_err(|e| unencodable(&e))?;
                    mesh::rows::encode(&batch).map_err(|e| unencodable(&e))?
                };
                batches.push(ChangeBatch {
                    dataset: source.dataset.name.to_owned(),
                    arrow_ipc,
                    deleted_keys: gone.map(|key| key.text()).collect(),
                });
            }
        }
        Ok((batches, store.position()))
    }
}
