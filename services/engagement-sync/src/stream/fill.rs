//! Fills the live view from a snapshot. Its progress stands in the view's head, so a stop resumes it; the changes then
//! go on from the position at which the fill first began.

use std::collections::BTreeMap;

use chairsync_proto::pms::{SnapshotChunk, SnapshotDataset, SnapshotStart, snapshot_response::Part};
use jiff::Timestamp;
use mesh::Refusal;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::session::{Ended, Session};
use crate::{
    live_datasets,
    live_view::{Head, HeadPatch, schema_mark},
    pms::{moment, refused},
    row::rows_of,
};

/// How far a fill is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    /// Where the changes go on.
    position: String,
    fingerprint: String,
    /// The PMS's time at the start, in microseconds.
    started_at: i64,
    /// By dataset: the token after the last chunk kept, and whether that was the last one.
    datasets: BTreeMap<String, (String, bool)>,
}

impl Progress {
    fn begin(start: SnapshotStart) -> Self {
        let started_at = moment(start.server_time).unwrap_or_else(Timestamp::now).as_microsecond();
        Self { position: start.position, fingerprint: start.fingerprint, started_at, datasets: BTreeMap::new() }
    }

    fn left(&self) -> Vec<SnapshotDataset> {
        let left = |name: &str| {
            let (token, finished) = self.datasets.get(name).cloned().unwrap_or_default();
            (!finished).then(|| SnapshotDataset { dataset: name.to_owned(), resume_token: token, ..Default::default() })
        };
        live_datasets::all().iter().filter_map(|dataset| left(dataset.name)).collect()
    }

    fn kept(&self) -> Result<String, Ended> {
        serde_json::to_string(self).map_err(|_| Refusal::internal("a fill's progress cannot be written").into())
    }
}

/// Fills the view. `again`: rows are there already, watchers see what differs; deletes are found by reconciliation.
pub async fn run(session: &mut Session, head: &Head, again: bool) -> Result<(), Ended> {
    let log = head.filled;
    let mut progress: Progress = match head.fill.as_str() {
        "" => Progress::default(),
        kept => serde_json::from_str(kept).unwrap_or_default(),
    };
    if again && !head.filled {
        progress = Progress::default();
    }
    let left = progress.left();
    if !left.is_empty() {
        let mut stream = session.worker.pms.snapshot(&session.practice, left).await?;
        while let Some(message) = stream.message().await.map_err(|status| Ended::from(refused(&status)))? {
            match message.part {
                Some(Part::Start(start)) if progress.position.is_empty() => progress = Progress::begin(start),
                Some(Part::Start(start)) if start.fingerprint != progress.fingerprint => {
                    // The rest would come from another source: begin again.
                    let nothing = HeadPatch { fill: Some(String::new()), ..HeadPatch::default() };
                    session.write_rows(Vec::new(), Vec::new(), log, nothing).await?;
                    return Err(Ended::SourceChanged);
                }
                Some(Part::Start(_)) | None => {}
                Some(Part::Chunk(chunk)) => keep(session, &mut progress, chunk, log).await?,
            }
        }
        if !progress.left().is_empty() {
            return Err(Refusal::internal("a snapshot ended before its last chunk").into());
        }
    }
    let synced_through = Timestamp::from_microsecond(progress.started_at).ok();
    let done = HeadPatch {
        cursor: Some(progress.position.clone()),
        synced_through,
        fingerprint: Some(progress.fingerprint.clone()),
        schema: Some(schema_mark().to_owned()),
        filled: Some(true),
        fill: Some(String::new()),
        new_incarnation: !head.filled,
    };
    session.write_rows(Vec::new(), Vec::new(), log, done).await?;
    info!(practice = session.id(), "live view filled");
    session.save_cursor(&progress.position, synced_through, "").await
}

/// Keeps a chunk together with the token after it.
async fn keep(session: &mut Session, progress: &mut Progress, chunk: SnapshotChunk, log: bool) -> Result<(), Ended> {
    let Some(dataset) = live_datasets::get(&chunk.dataset) else { return Ok(()) };
    let rows = rows_of(dataset, &chunk.arrow_ipc)?;
    progress.datasets.insert(chunk.dataset, (chunk.resume_token, chunk.last));
    let head =
        HeadPatch { fill: Some(progress.kept()?), schema: Some(schema_mark().to_owned()), ..HeadPatch::default() };
    session.write_rows(rows, Vec::new(), log, head).await
}
