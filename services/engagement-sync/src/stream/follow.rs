//! Follows the changes from the view's cursor: each batch into the view, and at each progress mark first the view's own
//! cursor, then sync-state's.

use std::time::Duration;

use chairsync_proto::pms::{ChangeBatch, ChangesResponse, changes_response::Part};
use jiff::Timestamp;
use mesh::{ErrorReason, Refusal};
use tokio::time::Instant;
use tonic::{Code, Streaming};
use tracing::info;

use super::{
    reconcile,
    session::{Ended, Session},
};
use crate::{
    live_datasets,
    live_view::{Head, HeadPatch},
    pms::{moment, refused},
    row::rows_of,
};

/// A connector says at least this often how far it is.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Marks without changes are kept no more often than this.
const IDLE_MARK_EVERY: Duration = Duration::from_secs(1);

/// Follows until something ends it.
pub async fn run(session: &mut Session, head: &Head) -> Result<std::convert::Infallible, Ended> {
    let datasets = live_datasets::all().iter().map(|dataset| dataset.name.to_owned()).collect();
    let mut stream = session.worker.pms.changes(&session.practice, &head.cursor, datasets).await?;
    let (mut mode, mut moved, mut marked) = (String::new(), true, Instant::now());
    loop {
        match next(&mut stream).await?.part {
            Some(Part::Opened(opened)) => {
                if opened.fingerprint != head.fingerprint {
                    return Err(Ended::SourceChanged);
                }
                info!(practice = session.id(), mode = %opened.mode, "following changes");
                mode = opened.mode;
                // From `opened` on the stream carries every delete; those before it show here. What comes meanwhile waits.
                reconcile::run(session).await?;
            }
            Some(Part::Batch(batch)) => {
                apply(session, batch).await?;
                moved = true;
            }
            Some(Part::Progress(progress)) => {
                if !moved && marked.elapsed() < IDLE_MARK_EVERY {
                    continue;
                }
                let synced_through = moment(progress.synced_through);
                let patch =
                    HeadPatch { cursor: Some(progress.position.clone()), synced_through, ..HeadPatch::default() };
                session.write_rows(Vec::new(), Vec::new(), true, patch).await?;
                session.save_cursor(&progress.position, synced_through, &mode).await?;
                (moved, marked) = (false, Instant::now());
                if let Some(through) = synced_through {
                    let lag = Timestamp::now().duration_since(through).as_secs_f64();
                    metrics::histogram!("chairsync_engagement_change_lag_seconds").record(lag);
                }
            }
            None => {}
        }
    }
}

async fn next(stream: &mut Streaming<ChangesResponse>) -> Result<ChangesResponse, Ended> {
    let silent = || Refusal::new(Code::Unavailable, ErrorReason::PmsTimeout, "the change stream has fallen silent");
    let ended = || Refusal::new(Code::Unavailable, ErrorReason::UpstreamUnavailable, "the change stream has ended");
    let message = tokio::time::timeout(SILENCE_LIMIT, stream.message()).await.map_err(|_| Ended::from(silent()))?;
    message.map_err(|status| Ended::from(refused(&status)))?.ok_or_else(|| ended().into())
}

async fn apply(session: &mut Session, batch: ChangeBatch) -> Result<(), Ended> {
    let Some(dataset) = live_datasets::get(&batch.dataset) else { return Ok(()) };
    let rows = rows_of(dataset, &batch.arrow_ipc)?;
    let gone = batch.deleted_keys.into_iter().map(|key| (dataset, key)).collect();
    session.write_rows(rows, gone, true, HeadPatch::default()).await
}
