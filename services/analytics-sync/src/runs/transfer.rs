//! One attempt at one run: chunks from the connector become files, files become a commit, a commit becomes visible. A
//! nightly run brings tables up to date instead, as far as it can: see [`nightly`].
//!
//! The order is always: the file durable first, then the checkpoint; the commit durable first, then the acceptance. On
//! resume the files win over the checkpoint, so a kill costs at most the chunk in hand of each dataset. Memory holds one
//! chunk being written and one on its way.

mod nightly;

use std::{collections::HashMap, sync::Arc, time::Duration};

use chairsync_proto::{
    feature::ErrorReason,
    pms::{
        SnapshotChunk, SnapshotDataset, SnapshotRequest, SnapshotResponse, SnapshotStart,
        pms_connector_service_client::PmsConnectorServiceClient, snapshot_response::Part,
    },
    practice::Practice,
    state::{ClaimedRun, DatasetCheckpoint, DatasetResult},
    sync::{RunKind, RunState},
};
use jiff::Timestamp;
use mesh::{datasets::Dataset, transport::Channel};
use tokio::{task::spawn_blocking, time::Instant};

use super::{
    Failure, Stop,
    patients::{self, Refresh},
    reports::Reports,
};
use crate::{
    store::{Folder, Store, faults},
    tables::{
        base::{self, Base, Found},
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
    /// The versions that readers saw when the attempt began.
    accepted: HashMap<String, i64>,
}

/// A dataset's table and what this run has put beside it so far.
struct Sink {
    dataset: &'static Dataset,
    table: Folder,
    chunks: Vec<Chunk>,
    rows: i64,
    rows_total: i64,
    /// What was reported of it before this attempt: reports never go back.
    before: DatasetCheckpoint,
}

/// Where an attempt stands.
#[derive(Default)]
struct Reading {
    start: SnapshotStart,
    pending: HashMap<String, DatasetCheckpoint>,
    reported: Option<Instant>,
    /// The tables that are not keyed by numbers, which are small and read whole each time.
    named: HashMap<&'static str, Base>,
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
            chunks: self.before.chunks.max(self.chunks.len() as i64),
            rows_done: self.before.rows_done.max(self.rows),
            rows_total: self.rows_total.max(self.rows),
            finished: self.before.finished || self.finished(),
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
    pub fn new(
        store: Store,
        connector: ConnectorClient,
        reports: Reports,
        refresh: Arc<dyn Refresh>,
        run: ClaimedRun,
    ) -> Self {
        Self { store, connector, reports, refresh, run, accepted: HashMap::new() }
    }

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
        self.accepted = self.reports.accepted(&settings.name).await?;

        let mut reading = Reading::default();
        let bases = self.look(&practice, &mut reading).await?;
        let mut sinks = self.open(&practice, run).await?;
        let finished: Vec<String> =
            sinks.values().filter(|s| s.finished()).map(|s| s.dataset.name.to_owned()).collect();
        for name in finished {
            let Some(sink) = sinks.remove(&name) else { continue };
            self.reports.checkpoint(vec![sink.checkpoint()], "").await?;
            if let Err(stop) = self.complete(&sink, &mut reading).await {
                self.left_aside(&name, stop).await?;
            }
        }
        if !bases.is_empty() {
            self.bring_up_to_date(&settings, bases, &mut sinks, &mut reading).await?;
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

    /// The datasets that this run has not got accepted.
    fn missing(&self) -> Result<Vec<(&'static Dataset, &DatasetCheckpoint)>, Stop> {
        let mut missing = Vec::new();
        for checkpoint in self.run.checkpoints.iter().filter(|c| c.accepted_version.is_none()) {
            let Some(dataset) = mesh::datasets::get(&checkpoint.dataset) else {
                return Err(
                    Failure::new(ErrorReason::Internal, "the run asks for a dataset that is not canonical").into()
                );
            };
            missing.push((dataset, checkpoint));
        }
        Ok(missing)
    }

    /// Looks at the tables of the datasets that this run has not got accepted: puts damaged ones aside, and answers those
    /// that can be brought up to date, where that is what the run is for.
    async fn look(&self, practice: &str, reading: &mut Reading) -> Result<Vec<Base>, Stop> {
        let kind = self.run.run.as_ref().map(|run| run.kind()).unwrap_or_default();
        let (store, id) = (self.store.clone(), practice.to_owned());
        let doubted = blocking(move || store.doubted(&id)).await?;
        let mut bases = Vec::new();
        for (dataset, _) in self.missing()? {
            let table = self.store.table(practice, dataset.name);
            let mut found = base::open(&table, dataset).await?;
            if let (true, Found::Base(base)) = (doubted, &found) {
                let whole = base.clone();
                let read = blocking(move || (0..whole.files.len()).try_for_each(|place| whole.read(place).map(drop)));
                if read.await.is_err() {
                    found = Found::Damaged("rows of it cannot be read");
                }
            }
            match found {
                Found::Nothing | Found::Foreign => {}
                Found::Damaged(why) => {
                    tracing::error!(dataset = dataset.name, why, "a table is damaged: it is put aside and read again");
                    metrics::counter!("chairsync_tables_quarantined_total").increment(1);
                    let (store, practice) = (self.store.clone(), practice.to_owned());
                    blocking(move || store.quarantine(&practice, dataset.name)).await?;
                }
                Found::Base(base) if base.dataset.has_numeric_key() => {
                    let asked = matches!(kind, RunKind::Nightly | RunKind::Forced) && !base.origin.position.is_empty();
                    if asked && base.sequence < i64::try_from(self.run.sequence).unwrap_or(i64::MAX) {
                        bases.push(*base);
                    }
                }
                Found::Base(base) => drop(reading.named.insert(dataset.name, *base)),
            }
        }
        Ok(bases)
    }

    /// The datasets that this run has not got accepted, each with the files that are there.
    async fn open(&self, practice: &str, run: u64) -> Result<HashMap<String, Sink>, Stop> {
        let mut sinks = HashMap::new();
        for (dataset, checkpoint) in self.missing()? {
            let table = self.store.table(practice, dataset.name);
            let folder = table.clone();
            let chunks = blocking(move || chunks::chain(folder, run)).await?;
            let rows = chunks.iter().map(|chunk| chunk.rows).sum();
            let before = checkpoint.clone();
            let sink = Sink { dataset, table, chunks, rows, rows_total: checkpoint.rows_total, before };
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
        let asked = |sink: &Sink| SnapshotDataset {
            dataset: sink.dataset.name.to_owned(),
            resume_token: sink.token(),
            ..Default::default()
        };
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
        let (sequence, accepted) = (self.run.sequence, self.accepted.get(dataset).copied());
        let synced_through = sink.chunks.first().map(|chunk| chunk.place.synced_through).unwrap_or_default();
        let same = match reading.named.remove(dataset) {
            Some(base) => same_rows(sink, base).await?,
            None => None,
        };
        let (version, rows, synced_through) = match same {
            Some(version) => (version, sink.rows, synced_through),
            None => {
                let made = commit::replace_above(&sink.table, sink.dataset, sequence, &sink.chunks, accepted).await;
                let made = made.map_err(|error| uncommitted(dataset, error))?;
                (made.version, made.rows, made.synced_through)
            }
        };
        let synced_through = Some(timestamp(synced_through));
        self.ready(DatasetResult { dataset: dataset.to_owned(), version, rows, synced_through }, reading).await
    }

    /// Takes a dataset's result, to become visible with the next few.
    async fn ready(&self, result: DatasetResult, reading: &mut Reading) -> Result<(), Stop> {
        reading.committed.push(result);
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

    /// Removes what dead runs left and what was superseded long ago, after this run has succeeded: a failure here is the
    /// next run's to mend. Not after one that goes on: what it has of other datasets is needed.
    pub async fn sweep(&self) {
        let Ok((practice, _)) = self.names() else { return };
        if self.of_patients() {
            return; // a run that it went ahead of has its chunks there
        }
        let (store, id) = (self.store.clone(), practice.clone());
        if let Err(error) = blocking(move || store.trust(&id)).await {
            tracing::warn!(kind = ?error.kind(), "the tables are looked at again by the next run");
        }
        for checkpoint in &self.run.checkpoints {
            let table = self.store.table(&practice, &checkpoint.dataset);
            let (accepted, until) = (self.accepted.get(&checkpoint.dataset), Timestamp::now() - sweep::RETENTION);
            if let Err(error) = sweep::sweep(table, self.run.sequence, accepted.copied(), until).await {
                let kind = faults::kind(&error);
                tracing::warn!(dataset = %checkpoint.dataset, ?kind, "files of dead runs were not removed");
            }
        }
    }
}

/// A dataset's place in the order in which datasets are read.
fn place(dataset: &str) -> Option<usize> {
    mesh::datasets::all().position(|known| known.name == dataset)
}

/// The version of a table that holds the rows which were read, if it does.
async fn same_rows(sink: &Sink, base: Base) -> Result<Option<i64>, Stop> {
    let read = sink.chunks.first().map(|chunk| chunk.origin.missing.clone()).unwrap_or_default();
    if base.rows() != sink.rows || base.origin.missing != read {
        return Ok(None);
    }
    let (version, folder) = (base.version, sink.table.clone());
    let came: Vec<String> = sink.chunks.iter().filter(|chunk| chunk.rows > 0).map(|c| c.path.clone()).collect();
    let compare = move || -> std::io::Result<bool> {
        let before = base.hashes()?;
        let after = Base { table: folder, files: base::files(&came), ..base }.hashes()?;
        Ok(before == after)
    };
    Ok(blocking(compare).await?.then_some(version))
}

/// What it means that a table cannot be committed.
fn uncommitted(dataset: &str, error: CommitError) -> Stop {
    match error {
        // Whoever committed a newer run holds a newer lease.
        CommitError::Fenced { newer } => {
            tracing::info!(dataset, newer, "a newer run has committed");
            Stop::LeaseLost
        }
        other => {
            tracing::error!(dataset, error = %other, kind = ?other.kind(), "the table cannot be committed");
            let why = other
                .kind()
                .map(faults::words)
                .map_or_else(|| other.to_string(), |words| format!("the store: {words}"));
            let message = format!("the table of {dataset} cannot be committed: {why}");
            Failure::new(ErrorReason::TableUnavailable, message).into()
        }
    }
}

/// A moment in microseconds UTC.
fn micros(at: prost_types::Timestamp) -> i64 {
    at.seconds * 1_000_000 + i64::from(at.nanos / 1_000)
}

/// A moment in microseconds UTC as it travels.
fn timestamp(micros: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or_default() * 1_000;
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// Makes a chunk durable.
async fn keep(sink: &mut Sink, chunk: SnapshotChunk, run: u64, epoch: u64, start: &SnapshotStart) -> Result<(), Stop> {
    let count = start.counts.iter().find(|count| count.dataset == sink.dataset.name).cloned().unwrap_or_default();
    let origin = nightly::origin(start, &count);
    let place = Place {
        number: sink.chunks.len() as u64,
        epoch,
        from: sink.token(),
        to: chunk.resume_token,
        last: chunk.last,
        synced_through: micros(start.server_time.unwrap_or_default()),
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
        Ok(chunks::write_from(&table, run, dataset, &batch, place, origin)?)
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
