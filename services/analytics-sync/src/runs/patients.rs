//! A run of some patients: they and their families are read again beside the tables, which it does not touch.

use std::{sync::Arc, time::Duration};

use chairsync_proto::{
    practice::Practice,
    state::{ClaimedRun, DatasetCheckpoint, DatasetResult},
    sync::RunState,
};
use tokio::time::Instant;
use tonic::Status;

use super::{Failure, Stop, reports::Reports};

/// The patients that are read at once.
const BATCH: usize = 100;
/// The longest rest after a batch. The PMS is somebody's tool: it rests as long as it worked.
const REST_MAX: Duration = Duration::from_secs(2);

/// Reads patients again, durably.
#[tonic::async_trait]
pub trait Refresh: Send + Sync {
    /// Reads these patients of a practice, and their families, from its PMS now, and keeps their rows.
    ///
    /// # Errors
    /// As the connector refuses, or when the rows cannot be kept.
    async fn refresh(&self, practice: &Practice, patients: &[i64]) -> Result<(), Status>;
}

/// Works through the patients of a run; goes on where an earlier attempt stopped. Its progress counts patients, under the
/// first of its datasets.
pub(super) async fn drive(run: &ClaimedRun, reports: &Reports, refresh: &Arc<dyn Refresh>) -> Result<RunState, Stop> {
    let patients = &run.patients;
    let practice = run.practice.clone().unwrap_or_default();
    let mut open: Vec<DatasetCheckpoint> =
        run.checkpoints.iter().filter(|checkpoint| checkpoint.accepted_version.is_none()).cloned().collect();
    let Some(lead) = open.first_mut() else { return reports.finish().await };

    let total = count(patients.len());
    let mut done = usize::try_from(lead.rows_done).unwrap_or_default().min(patients.len());
    lead.rows_total = total;
    while done < patients.len() {
        let started = Instant::now();
        let batch = &patients[done..patients.len().min(done + BATCH)];
        refresh.refresh(&practice, batch).await.map_err(|status| Failure::from_connector(&status))?;
        done += batch.len();
        (lead.rows_done, lead.chunks) = (count(done), lead.chunks + 1);
        metrics::counter!("chairsync_refreshed_patients_total").increment(batch.len() as u64);
        reports.checkpoint(vec![lead.clone()], "").await?;
        if done < patients.len() {
            tokio::time::sleep(started.elapsed().min(REST_MAX)).await;
        }
    }
    open.iter_mut().for_each(|checkpoint| checkpoint.finished = true);
    reports.checkpoint(open.clone(), "").await?;
    // The tables stay at the versions that they have.
    let results =
        open.into_iter().map(|checkpoint| DatasetResult { dataset: checkpoint.dataset, ..Default::default() });
    reports.accept(results.collect()).await?;
    reports.finish().await
}

fn count(patients: usize) -> i64 {
    i64::try_from(patients).unwrap_or(i64::MAX)
}
