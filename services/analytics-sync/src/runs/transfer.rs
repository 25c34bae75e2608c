//! One attempt at one run: chunks from the connector become files, files become a commit, a commit becomes visible.
//!
//! The order is always: the file durable first, then the checkpoint; the commit durable first, then the acceptance. On
//! resume the files win over the checkpoint, so a kill costs at most the chunk in hand of each dataset. Memory holds one
//! chunk being written and one on its way.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use chairsync_proto::{
    feature::ErrorReason,
    pms::{
        SnapshotChunk, SnapshotDataset, SnapshotRequest, SnapshotResponse, SnapshotStart,
        pms_connector_service_client::PmsConnectorServiceClient, snapshot_response::Part,
    },
    practice::Practice,
    state::{ClaimedRun, DatasetCheckpoint, DatasetResult},
    sync::RunState,
};
use mesh::{datasets::Dataset, transport::Channel};
use tokio::{task::spawn_blocking, time::Instant};

use super::{
    Failure, Stop,
    patients::{self, Refresh},
    reports::Reports,
};
use crate::{
    store::Store,
    tables::{
        chunks::{self, Chunk, Place},
        commit::{self, CommitError},
        schema, sweep,
    },
};

/// The connector sends something at least this often, or the attempt has failed.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Checkpoints are reported at most this often, but for the end of a dataset.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(250);

/// Datasets that are committed wait for others before they are asked to become visible, at most so many and so long.
const ACCEPT_TOGETHER: usize = 8;
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// A client of the connector.
pub(super) type ConnectorClient = PmsConnectorServiceClient<Channel>;

/// One attempt at a run.
pub(super) struct Transfer {
    pub store: Store,
    pub connector: ConnectorClient,
    pub reports: Reports,
    pub refresh: Arc<dyn Refresh>,
    pub run: ClaimedRun,
}

/// A dataset's table and what this run has put beside it so far.
struct Sink {
    dataset: &'static Dataset,
    table: PathBuf,
    chunks: Vec<Chunk>,
    rows: i64,
    rows_total: i64,
}

/// Where an attempt stands.
#[derive(Default)]
struct Reading {
    start: SnapshotStart,
    pending: HashMap<String, DatasetCheckpoint>,
    reported: Option<Instant>,
    /// Committed, and not asked to become visible yet.
    committed: Vec<DatasetResult>,
    accepted: Option<Instant>,
}

impl Sink {
    fn finished(&self) -> bool {
        self.chunks.last().is_some_and(|chunk| chunk.place.last)
    }

    fn token(&self) -> String {
        self.chunks.last().map(|chunk| chunk.place.to.clone()).unwrap_or_default()
    }

    fn checkpoint(&self) -> DatasetCheckpoint {
        DatasetCheckpoint {
            dataset: self.dataset.name.to_owned(),
            resume_token: self.token(),
            chunks: self.chunks.len() as i64,
            rows_done: self.rows,
            rows_total: self.rows_total.max(self.rows),
            finished: self.finished(),
            accepted_version: None,
        }
    }
}

/// The registration of a practice, as [`Store`] tells two of the same id apart.
pub(crate) fn registration(practice: &Practice) -> String {
    let at = practice.create_time.unwrap_or_default();
    format!("{}.{:09}", at.seconds, at.nanos)
}

impl Transfer {
    /// Works until each dataset is visible or has failed, and answers where the run stands then. Dropping it stops the work
    /// at once; what is durable stays.
    pub async fn drive(&mut self) -> Result<RunState, Stop> {
        if self.of_patients() {
            return patients::drive(&self.run, &self.reports, &self.refresh).await;
        }
        let (practice, _) = self.names()?;
        // What a run left behind is only of use under the same fence: a retried one begins anew.
        let run = self.run.sequence;
        let settings = self.run.practice.clone().unwrap_or_default();
        let (store, id, registered) = (self.store.clone(), practice.clone(), registration(&settings));
        blocking(move || store.prepare(&id, &registered)).await?;

        let mut sinks = self.open(&practice, run).await?;
        let mut reading = Reading::default();
        let finished: Vec<String> =
            sinks.values().filter(|s| s.finished()).map(|s| s.dataset.name.to_owned()).collect();
        for name in finished {
            let Some(sink) = sinks.remove(&name) else { continue };
            self.reports.checkpoint(vec![sink.checkpoint()], "").await?;
            if let Err(stop) = self.complete(&sink, &mut reading).await {
                self.left_aside(&name, stop).await?;
            }
        }
        if !sinks.is_empty() {
            match self.read(&settings, run, &mut sinks, &mut reading).await {
                Err(Stop::Failed(failure)) if failure.one_dataset => {
                    self.read_apart(&settings, run, sinks, &mut reading, failure).await?;
                }
                read => read?,
            }
        }
        self.accept(&mut reading).await?;
        self.reports.finish().await
    }

    /// Reads what is left, each dataset by itself: one that fails does not keep the others from being brought. `failure` is
    /// why they could not be read together.
    async fn read_apart(
        &self,
        settings: &Practice,
        run: u64,
        sinks: HashMap<String, Sink>,
        reading: &mut Reading,
        failure: Failure,
    ) -> Result<(), Stop> {
        tracing::warn!(reason = ?failure.reason, "datasets are read apart: one of them fails");
        let mut apart: Vec<(String, Sink)> = sinks.into_iter().collect();
        apart.sort_by_key(|(name, _)| place(name));
        if let [(name, _)] = apart.as_slice() {
            return self.reports.fail_dataset(name, failure).await;
        }
        for (name, sink) in apart {
            let mut one = HashMap::from([(name.clone(), sink)]);
            if let Err(stop) = self.read(settings, run, &mut one, reading).await {
                self.left_aside(&name, stop).await?;
            }
        }
        Ok(())
    }

    /// Says of a dataset that it failed, where that is what happened; any other stop is passed on.
    async fn left_aside(&self, dataset: &str, stop: Stop) -> Result<(), Stop> {
        match stop {
            Stop::Failed(failure) if failure.one_dataset => {
                tracing::warn!(dataset, reason = ?failure.reason, "a dataset failed; the others go on");
                self.reports.fail_dataset(dataset, failure).await
            }
            stop => Err(stop),
        }
    }

    /// Whether it reads some patients, and no table.
    fn of_patients(&self) -> bool {
        !self.run.patients.is_empty()
    }

    fn names(&self) -> Result<(String, String), Stop> {
        let name = self.run.run.as_ref().map(|run| run.name.as_str()).unwrap_or_default();
        match mesh::names::under("run", name, "runs") {
            Ok((practice, run)) => Ok((practice.to_owned(), run.to_owned())),
            Err(_) => Err(Failure::new(ErrorReason::Internal, "the claimed run has no proper name").into()),
        }
    }

    /// The datasets that this run has not got accepted, each with the files that are there.
    async fn open(&self, practice: &str, run: u64) -> Result<HashMap<String, Sink>, Stop> {
        let mut sinks = HashMap::new();
        for checkpoint in self.run.checkpoints.iter().filter(|c| c.accepted_version.is_none()) {
            let Some(dataset) = mesh::datasets::get(&checkpoint.dataset) else {
                return Err(
                    Failure::new(ErrorReason::Internal, "the run asks for a dataset that is not canonical").into()
                );
            };
            let table = self.store.table(practice, dataset.name);
            let folder = table.clone();
            let chunks = blocking(move || chunks::chain(&folder, run)).await?;
            let rows = chunks.iter().map(|chunk| chunk.rows).sum();
            let sink = Sink { dataset, table, chunks, rows, rows_total: checkpoint.rows_total };
            sinks.insert(dataset.name.to_owned(), sink);
        }
        Ok(sinks)
    }

    /// Reads the datasets of `sinks` until each has its last chunk; those that do are taken out of them. One message is
    /// read ahead, so that the connector works while a chunk is written.
    async fn read(
        &self,
        settings: &Practice,
        run: u64,
        sinks: &mut HashMap<String, Sink>,
        reading: &mut Reading,
    ) -> Result<(), Stop> {
        let asked = |sink: &Sink| SnapshotDataset { dataset: sink.dataset.name.to_owned(), resume_token: sink.token() };
        let mut datasets: Vec<SnapshotDataset> = sinks.values().map(asked).collect();
        datasets.sort_by_key(|asked| place(&asked.dataset));
        let request = SnapshotRequest { practice: settings.name.clone(), source: settings.source.clone(), datasets };
        let mut connector = self.connector.clone();
        let opened = tokio::time::timeout(SILENCE_MAX, connector.snapshot(request)).await;
        let mut parts = opened.map_err(|_| silent())?.map_err(|status| Failure::from_connector(&status))?.into_inner();
        let mut part = receive(&mut parts).await?;
        loop {
            let ends = matches!(&part, Part::Chunk(chunk) if chunk.last && sinks.len() == 1);
            if ends {
                return self.take(part, run, sinks, reading).await;
            }
            let (taken, next) = tokio::join!(self.take(part, run, sinks, reading), receive(&mut parts));
            taken?;
            part = next?;
        }
    }

    /// Makes a part durable and reports it.
    async fn take(
        &self,
        part: Part,
        run: u64,
        sinks: &mut HashMap<String, Sink>,
        reading: &mut Reading,
    ) -> Result<(), Stop> {
        let chunk = match part {
            Part::Start(start) => {
                for count in &start.counts {
                    if let Some(sink) = sinks.get_mut(&count.dataset) {
                        sink.rows_total = count.rows;
                    }
                }
                let totals = sinks.values().map(Sink::checkpoint).collect();
                self.reports.checkpoint(totals, &start.position).await?;
                reading.start = start;
                return Ok(());
            }
            Part::Chunk(chunk) => chunk,
        };
        let name = chunk.dataset.clone();
        let Some(sink) = sinks.get_mut(&name) else {
            return Err(Failure::new(ErrorReason::Internal, "the snapshot sent a dataset nobody asked for").into());
        };
        let epoch = self.run.lease.as_ref().map(|lease| lease.epoch).unwrap_or_default();
        keep(sink, chunk, run, epoch, &reading.start).await?;
        reading.pending.insert(name.clone(), sink.checkpoint());
        let finished = sink.finished();
        if finished || reading.reported.is_none_or(|at| at.elapsed() >= CHECKPOINT_PAUSE) {
            let pending = reading.pending.drain().map(|(_, checkpoint)| checkpoint).collect();
            self.reports.checkpoint(pending, &reading.start.position).await?;
            reading.reported = Some(Instant::now());
        }
        if finished
            && let Some(sink) = sinks.remove(&name)
            && let Err(stop) = self.complete(&sink, reading).await
        {
            self.left_aside(&name, stop).await?;
        }
        Ok(())
    }

    /// Commits a dataset whose last chunk is durable, to become visible with the next few.
    async fn complete(&self, sink: &Sink, reading: &mut Reading) -> Result<(), Stop> {
        let dataset = sink.dataset.name;
        let committed = commit::replace(&sink.table, sink.dataset, self.run.sequence, &sink.chunks).await;
        let committed = committed.map_err(|error| match error {
            // Whoever committed a newer run holds a newer lease.
            CommitError::Fenced { newer } => {
                tracing::info!(dataset, newer, "a newer run has committed");
                Stop::LeaseLost
            }
            other => {
                tracing::error!(dataset, error = %other, "the table cannot be committed");
                Failure::new(
                    ErrorReason::TableUnavailable,
                    format!("the table of {dataset} cannot be committed: {other}"),
                )
                .into()
            }
        })?;
        let synced_through = sink.chunks.first().map(|chunk| chunk.place.synced_through).unwrap_or_default();
        reading.committed.push(DatasetResult {
            dataset: dataset.to_owned(),
            version: committed.version,
            rows: committed.rows,
            synced_through: Some(prost_types::Timestamp {
                seconds: synced_through.div_euclid(1_000_000),
                nanos: i32::try_from(synced_through.rem_euclid(1_000_000)).unwrap_or_default() * 1_000,
            }),
        });
        let waited = reading.accepted.is_none_or(|at| at.elapsed() >= ACCEPT_PAUSE);
        if waited || reading.committed.len() >= ACCEPT_TOGETHER {
            self.accept(reading).await?;
        }
        Ok(())
    }

    /// Asks for what is committed to become visible.
    async fn accept(&self, reading: &mut Reading) -> Result<(), Stop> {
        let results = std::mem::take(&mut reading.committed);
        if !results.is_empty() {
            self.reports.accept(results).await?;
            reading.accepted = Some(Instant::now());
        }
        Ok(())
    }

    /// Removes what dead runs left, after this one has succeeded: a failure here is the next run's to mend. Not after one
    /// that goes on: what it has of other datasets is needed.
    pub async fn sweep(&self) {
        let Ok((practice, _)) = self.names() else { return };
        if self.of_patients() {
            return; // a run that it went ahead of has its chunks there
        }
        for checkpoint in &self.run.checkpoints {
            let table = self.store.table(&practice, &checkpoint.dataset);
            if let Err(error) = sweep::latest(&table, self.run.sequence).await {
                tracing::warn!(dataset = %checkpoint.dataset, %error, "files of dead runs were not removed");
            }
        }
    }
}

/// A dataset's place in the order in which datasets are read.
fn place(dataset: &str) -> Option<usize> {
    mesh::datasets::all().position(|known| known.name == dataset)
}

/// Makes a chunk durable.
async fn keep(sink: &mut Sink, chunk: SnapshotChunk, run: u64, epoch: u64, start: &SnapshotStart) -> Result<(), Stop> {
    let through = start.server_time.unwrap_or_default();
    let place = Place {
        number: sink.chunks.len() as u64,
        epoch,
        from: sink.token(),
        to: chunk.resume_token,
        last: chunk.last,
        synced_through: through.seconds * 1_000_000 + i64::from(through.nanos / 1_000),
    };
    let (table, dataset, bytes, rows) = (sink.table.clone(), sink.dataset, chunk.arrow_ipc, chunk.rows);
    let written = spawn_blocking(move || -> Result<Chunk, Stop> {
        let malformed =
            |_| Failure::in_dataset(ErrorReason::Internal, format!("a chunk of {} is malformed", dataset.name));
        let batch =
            mesh::rows::decode(&bytes).and_then(|batch| schema::to_table(dataset, &batch)).map_err(malformed)?;
        drop(bytes);
        if batch.num_rows() as i64 != rows {
            let lacks = format!("a chunk of {} lacks rows", dataset.name);
            return Err(Failure::in_dataset(ErrorReason::Internal, lacks).into());
        }
        Ok(chunks::write(&table, run, dataset, &batch, place)?)
    });
    let written = written.await.map_err(std::io::Error::other)??;
    metrics::counter!("chairsync_snapshot_rows_total").increment(written.rows.unsigned_abs());
    sink.rows += written.rows;
    sink.chunks.push(written);
    Ok(())
}

/// The next part, within the connector's deadline for silence.
async fn receive(parts: &mut tonic::Streaming<SnapshotResponse>) -> Result<Part, Stop> {
    loop {
        let message = tokio::time::timeout(SILENCE_MAX, parts.message()).await.map_err(|_| silent())?;
        match message.map_err(|status| Failure::from_connector(&status))? {
            Some(SnapshotResponse { part: Some(part) }) => return Ok(part),
            Some(_) => {}
            None => {
                let ended = "the snapshot ended before its last chunk";
                return Err(Failure::new(ErrorReason::UpstreamUnavailable, ended).into());
            }
        }
    }
}

fn silent() -> Failure {
    Failure::new(ErrorReason::PmsTimeout, "the pms-connector fell silent; the run goes on where it stopped")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    spawn_blocking(work).await.map_err(std::io::Error::other)?
}
