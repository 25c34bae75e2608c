//! One attempt at one run: chunks from the connector become files, files become a commit, a commit becomes visible.
//!
//! The order is always: the file durable first, then the checkpoint; the commit durable first, then the acceptance. On
//! resume the files win over the checkpoint, so a kill costs at most the chunk in hand of each dataset. Memory holds one
//! chunk being written and one on its way.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use chairsync_proto::{
    feature::ErrorReason,
    pms::{
        SnapshotChunk, SnapshotDataset, SnapshotRequest, SnapshotResponse, SnapshotStart,
        pms_connector_service_client::PmsConnectorServiceClient, snapshot_response::Part,
    },
    state::{ClaimedRun, DatasetCheckpoint},
};
use mesh::{datasets::Dataset, transport::Channel};
use tokio::{task::spawn_blocking, time::Instant};

use super::{Failure, Stop, reports::Reports};
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

/// A client of the connector.
pub(super) type ConnectorClient = PmsConnectorServiceClient<Channel>;

/// One attempt at a run.
pub(super) struct Transfer {
    pub store: Store,
    pub connector: ConnectorClient,
    pub reports: Reports,
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

/// Where one stream of a snapshot stands.
#[derive(Default)]
struct Reading {
    start: SnapshotStart,
    pending: HashMap<String, DatasetCheckpoint>,
    reported: Option<Instant>,
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
pub(crate) fn registration(practice: &chairsync_proto::practice::Practice) -> String {
    let at = practice.create_time.unwrap_or_default();
    format!("{}.{:09}", at.seconds, at.nanos)
}

impl Transfer {
    /// Works until the run is finished. Dropping it stops the work at once; what is durable stays.
    pub async fn drive(&mut self) -> Result<(), Stop> {
        let (practice, run) = self.names()?;
        let settings = self.run.practice.clone().unwrap_or_default();
        let (store, id, registered) = (self.store.clone(), practice.clone(), registration(&settings));
        blocking(move || store.prepare(&id, &registered)).await?;

        let mut sinks = self.open(&practice, &run).await?;
        let mut unfinished = Vec::new();
        for sink in sinks.values() {
            if sink.finished() {
                self.reports.checkpoint(vec![sink.checkpoint()], "").await?;
                self.complete(sink).await?;
            } else {
                unfinished.push(SnapshotDataset { dataset: sink.dataset.name.to_owned(), resume_token: sink.token() });
            }
        }
        sinks.retain(|_, sink| !sink.finished());
        if !unfinished.is_empty() {
            let order = |d: &SnapshotDataset| mesh::datasets::all().position(|known| known.name == d.dataset);
            unfinished.sort_by_key(order);
            let request = SnapshotRequest {
                practice: settings.name.clone(),
                source: settings.source.clone(),
                datasets: unfinished,
            };
            self.read(request, &run, &mut sinks).await?;
        }
        self.reports.finish().await
    }

    fn names(&self) -> Result<(String, String), Stop> {
        let name = self.run.run.as_ref().map(|run| run.name.as_str()).unwrap_or_default();
        match mesh::names::under("run", name, "runs") {
            Ok((practice, run)) => Ok((practice.to_owned(), run.to_owned())),
            Err(_) => Err(Failure::new(ErrorReason::Internal, "the claimed run has no proper name").into()),
        }
    }

    /// The datasets that this run has not got accepted, each with the files that are there.
    async fn open(&self, practice: &str, run: &str) -> Result<HashMap<String, Sink>, Stop> {
        let mut sinks = HashMap::new();
        for checkpoint in self.run.checkpoints.iter().filter(|c| c.accepted_version.is_none()) {
            let Some(dataset) = mesh::datasets::get(&checkpoint.dataset) else {
                return Err(
                    Failure::new(ErrorReason::Internal, "the run asks for a dataset that is not canonical").into()
                );
            };
            let table = self.store.table(practice, dataset.name);
            let (folder, run) = (table.clone(), run.to_owned());
            let chunks = blocking(move || chunks::chain(&folder, &run)).await?;
            let rows = chunks.iter().map(|chunk| chunk.rows).sum();
            let sink = Sink { dataset, table, chunks, rows, rows_total: checkpoint.rows_total };
            sinks.insert(dataset.name.to_owned(), sink);
        }
        Ok(sinks)
    }

    /// Reads one message ahead, so that the connector works while a chunk is written.
    async fn read(
        &mut self,
        request: SnapshotRequest,
        run: &str,
        sinks: &mut HashMap<String, Sink>,
    ) -> Result<(), Stop> {
        let opened = tokio::time::timeout(SILENCE_MAX, self.connector.snapshot(request)).await;
        let mut parts = opened.map_err(|_| silent())?.map_err(|status| Failure::from_connector(&status))?.into_inner();
        let mut reading = Reading::default();
        let mut part = receive(&mut parts).await?;
        loop {
            let ends = matches!(&part, Part::Chunk(chunk) if chunk.last && sinks.len() == 1);
            if ends {
                self.take(part, run, sinks, &mut reading).await?;
                return Ok(());
            }
            let (taken, next) = tokio::join!(self.take(part, run, sinks, &mut reading), receive(&mut parts));
            taken?;
            part = next?;
        }
    }

    /// Makes a part durable and reports it.
    async fn take(
        &self,
        part: Part,
        run: &str,
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
        if finished && let Some(sink) = sinks.remove(&name) {
            self.complete(&sink).await?;
        }
        Ok(())
    }

    /// Commits a dataset whose last chunk is durable, and asks for it to become visible.
    async fn complete(&self, sink: &Sink) -> Result<(), Stop> {
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
        self.reports.accept(dataset, committed, synced_through).await
    }

    /// Removes what dead runs left, after this one has succeeded: a failure here is the next run's to mend.
    pub async fn sweep(&self) {
        let Ok((practice, _)) = self.names() else { return };
        for checkpoint in &self.run.checkpoints {
            let table = self.store.table(&practice, &checkpoint.dataset);
            if let Err(error) = sweep::latest(&table).await {
                tracing::warn!(dataset = %checkpoint.dataset, %error, "files of dead runs were not removed");
            }
        }
    }
}

/// Makes a chunk durable.
async fn keep(sink: &mut Sink, chunk: SnapshotChunk, run: &str, epoch: u64, start: &SnapshotStart) -> Result<(), Stop> {
    let through = start.server_time.unwrap_or_default();
    let place = Place {
        number: sink.chunks.len() as u64,
        epoch,
        from: sink.token(),
        to: chunk.resume_token,
        last: chunk.last,
        synced_through: through.seconds * 1_000_000 + i64::from(through.nanos / 1_000),
    };
    let (table, dataset, run, bytes, rows) =
        (sink.table.clone(), sink.dataset, run.to_owned(), chunk.arrow_ipc, chunk.rows);
    let written = spawn_blocking(move || -> Result<Chunk, Stop> {
        let malformed = |_| Failure::new(ErrorReason::Internal, format!("a chunk of {} is malformed", dataset.name));
        let batch =
            mesh::rows::decode(&bytes).and_then(|batch| schema::to_table(dataset, &batch)).map_err(malformed)?;
        drop(bytes);
        if batch.num_rows() as i64 != rows {
            return Err(Failure::new(ErrorReason::Internal, format!("a chunk of {} lacks rows", dataset.name)).into());
        }
        Ok(chunks::write(&table, &run, dataset, &batch, place)?)
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
