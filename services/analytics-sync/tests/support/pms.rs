//! A scripted PMS with a life: rows are inserted, changed and deleted, some in transactions that commit late, while it is
//! read. It keeps a table with a change column, one without, and one that is keyed by name.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound::{Excluded, Included, Unbounded},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array},
    datatypes::DataType,
};
use chairsync_proto::pms::{
    DatasetCount, DigestRequest, DigestResponse, FetchRequest, FetchResponse, FetchedRows, KeyRange, RangeDigest,
    SnapshotChunk, SnapshotRequest, SnapshotResponse, SnapshotStart,
    pms_connector_service_server::{PmsConnectorService, PmsConnectorServiceServer},
    snapshot_response::Part,
};
use mesh::{
    ErrorReason, Refusal,
    datasets::{self, Dataset},
    key_sums::KeySums,
    row_hash,
    transport::{Endpoint, in_process},
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, codegen::BoxStream, service::Routes};

/// The tables, with how many rows there are at first.
pub const TABLES: [(&str, i64); 3] = [("payment_split", 0), ("schedule_operatory", 0), ("preference", 0)];
/// Of these, the one with a change column.
const TRACKED: &str = "payment_split";
/// A column of it that comes and goes with versions of the PMS.
const OPTIONAL: &str = "unearned_type";
/// Rows of a chunk.
const CHUNK: usize = 3;

/// What happens in the practice.
#[derive(Debug, Clone)]
pub enum Event {
    /// A row gets a value, or comes with it.
    Put(usize, i64, i64),
    /// The same in a transaction that has begun and commits at [`Event::Commit`].
    PutLate(i64, i64),
    /// Open transactions commit.
    Commit,
    /// A row comes, or comes back, with the stamp of long ago; of the table with a change column.
    Restore(i64, i64),
    /// A row goes.
    Delete(usize, i64),
    /// All rows of a table go.
    Clear(usize),
    /// Another server, with the same rows.
    Move,
    /// An update of the PMS brings a column, or takes it away.
    Upgrade,
    /// Time passes.
    Wait(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    value: i64,
    stamp: i64,
}

#[derive(Default)]
struct Inner {
    tables: BTreeMap<&'static str, BTreeMap<i64, Row>>,
    open: Vec<(i64, Row)>,
    clock: i64,
    server: u64,
    has_column: bool,
    /// What happens while it is read: one at each step.
    meanwhile: VecDeque<Event>,
    /// Rows that were sent.
    sent: usize,
}

/// The PMS.
pub struct Pms {
    inner: Mutex<Inner>,
    /// Steps so far: each chunk and each answer.
    pub steps: watch::Sender<u64>,
}

impl Pms {
    pub fn new() -> Arc<Self> {
        let pms = Self { inner: Mutex::default(), steps: watch::Sender::new(0) };
        {
            let mut inner = pms.inner.lock();
            inner.clock = 1_700_000_000;
            inner.tables = TABLES.iter().map(|(name, _)| (*name, BTreeMap::new())).collect();
        }
        Arc::new(pms)
    }

    /// Lets something happen.
    pub fn happen(&self, event: &Event) {
        self.inner.lock().happen(event);
    }

    /// What is to happen while it is read next.
    pub fn meanwhile(&self, events: &[Event]) {
        self.inner.lock().meanwhile = events.iter().cloned().collect();
    }

    /// Everything that was to happen has happened; open transactions are open still.
    pub fn settle(&self) {
        let mut inner = self.inner.lock();
        while let Some(event) = inner.meanwhile.pop_front() {
            inner.happen(&event);
        }
    }

    /// The rows of a table in canonical columns.
    pub fn rows(&self, table: &str) -> RecordBatch {
        let inner = self.inner.lock();
        let rows: Vec<(i64, Row)> = inner.tables[table].iter().map(|(k, r)| (*k, *r)).collect();
        batch(datasets::get(table).unwrap(), &rows, inner.has_column)
    }

    /// Rows sent so far.
    pub fn sent(&self) -> usize {
        self.inner.lock().sent
    }

    /// Serves in memory until `shutdown`.
    pub fn serve(self: &Arc<Self>, shutdown: &CancellationToken) -> Endpoint {
        let (pms, listener) = in_process("pms-connector");
        let routes = Routes::new(PmsConnectorServiceServer::new(Server(self.clone())));
        tokio::spawn(mesh::serve::serve("pms-connector", routes, listener, shutdown.clone()));
        pms
    }

    fn step(&self) {
        {
            let mut inner = self.inner.lock();
            if let Some(event) = inner.meanwhile.pop_front() {
                inner.happen(&event);
            }
        }
        self.steps.send_modify(|steps| *steps += 1);
    }
}

impl Inner {
    fn happen(&mut self, event: &Event) {
        let stamp = self.clock;
        let table = |of: usize| TABLES[of % TABLES.len()].0;
        match *event {
            Event::Put(of, key, value) => {
                let row = self.tables.get_mut(table(of)).unwrap().entry(key).or_insert(Row { value, stamp });
                // As a server does: a row that is set to what it is keeps its stamp.
                if row.value != value {
                    *row = Row { value, stamp };
                }
            }
            Event::PutLate(key, value) => self.open.push((key, Row { value, stamp })),
            Event::Commit => {
                let rows = self.tables.get_mut(TRACKED).unwrap();
                rows.extend(self.open.drain(..));
            }
            Event::Restore(key, value) => {
                let rows = self.tables.get_mut(TRACKED).unwrap();
                rows.entry(key).or_insert(Row { value, stamp: 1_000 });
            }
            Event::Delete(of, key) => drop(self.tables.get_mut(table(of)).unwrap().remove(&key)),
            Event::Clear(of) => self.tables.get_mut(table(of)).unwrap().clear(),
            Event::Move => self.server += 1,
            Event::Upgrade => self.has_column = !self.has_column,
            Event::Wait(seconds) => self.clock += seconds,
        }
    }

    /// A moment before which all stamps are visible.
    fn horizon(&self) -> i64 {
        self.open.iter().map(|(_, row)| row.stamp).min().unwrap_or(self.clock).min(self.clock)
    }
}

/// Rows in canonical columns.
fn batch(dataset: &Dataset, rows: &[(i64, Row)], has_column: bool) -> RecordBatch {
    let schema = datasets::schema(dataset);
    let numbers =
        |of: &dyn Fn(&(i64, Row)) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) };
    let column = |field: &Arc<arrow::datatypes::Field>| -> ArrayRef {
        match field.data_type() {
            _ if field.name() == OPTIONAL && !has_column => new_null_array(field.data_type(), rows.len()),
            DataType::Int64 if field.name() == dataset.key => numbers(&|(key, _)| *key),
            DataType::Int64 => numbers(&|(_, row)| row.value),
            DataType::Utf8 if field.name() == dataset.key => {
                Arc::new(StringArray::from_iter_values(rows.iter().map(|(key, _)| format!("name {key}"))))
            }
            DataType::Utf8 => {
                Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, row)| row.value.to_string())))
            }
            DataType::Timestamp(_, Some(_)) => {
                let stamps = rows.iter().map(|(_, row)| row.stamp * 1_000_000);
                Arc::new(TimestampMicrosecondArray::from_iter_values(stamps).with_timezone("UTC"))
            }
            other => new_null_array(other, rows.len()),
        }
    };
    RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap()
}

struct Server(Arc<Pms>);

/// A position: server and low mark.
fn read_position(text: &str) -> Option<(u64, i64)> {
    let (server, low) = text.split_once(':')?;
    Some((server.parse().ok()?, low.parse().ok()?))
}

impl Server {
    /// The next rows of a table: after a key, or stamped since a low mark and after a stamp and key.
    fn page(
        &self,
        table: &'static str,
        since: Option<i64>,
        after: Option<(i64, i64)>,
    ) -> (RecordBatch, Option<(i64, i64)>) {
        let mut inner = self.0.inner.lock();
        let all = &inner.tables[table];
        let mut rows: Vec<(i64, Row)> = match since {
            None => {
                let from = after.map_or(Unbounded, |(_, key)| Excluded(key));
                all.range((from, Unbounded)).map(|(k, r)| (*k, *r)).collect()
            }
            Some(low) => {
                let mut found: Vec<_> = all.iter().map(|(k, r)| (*k, *r)).filter(|(_, row)| row.stamp >= low).collect();
                found.sort_by_key(|(key, row)| (row.stamp, *key));
                found.retain(|(key, row)| after.is_none_or(|after| (row.stamp, *key) > after));
                found
            }
        };
        rows.truncate(CHUNK);
        let next = rows.last().filter(|_| rows.len() == CHUNK).map(|(key, row)| (row.stamp, *key));
        inner.sent += rows.len();
        (batch(datasets::get(table).unwrap(), &rows, inner.has_column), next)
    }
}

fn refused(reason: ErrorReason) -> Status {
    Refusal::new(Code::FailedPrecondition, reason, "the position is of another source").into()
}

#[tonic::async_trait]
impl PmsConnectorService for Server {
    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<BoxStream<SnapshotResponse>>, Status> {
        let (pms, request) = (self.0.clone(), request.into_inner());
        let (start, server) = {
            let inner = pms.inner.lock();
            let count = |dataset: &String| DatasetCount {
                dataset: dataset.clone(),
                rows: inner.tables[dataset.as_str()].len() as i64,
                change_tracked: dataset == TRACKED,
                missing_columns: (dataset == TRACKED && !inner.has_column)
                    .then(|| OPTIONAL.to_owned())
                    .into_iter()
                    .collect(),
            };
            let start = SnapshotStart {
                position: format!("{}:{}", inner.server, inner.horizon()),
                fingerprint: inner.server.to_string(),
                server_time: Some(prost_types::Timestamp { seconds: inner.clock, nanos: 0 }),
                counts: request.datasets.iter().map(|wanted| count(&wanted.dataset)).collect(),
            };
            (start, inner.server)
        };
        let mut plan = Vec::new();
        for wanted in request.datasets {
            let since = match wanted.changed_since.as_str() {
                "" => None,
                text => match read_position(text) {
                    Some((of, low)) if of == server => Some(low),
                    _ => return Err(refused(ErrorReason::SourceChanged)),
                },
            };
            // The token of a whole reading: server and key.
            let after = match wanted.resume_token.as_str() {
                "" => None,
                text => match read_position(text) {
                    Some((of, key)) if of == server => Some((0, key)),
                    _ => return Err(refused(ErrorReason::SourceChanged)),
                },
            };
            let (table, _) = TABLES.iter().find(|(name, _)| *name == wanted.dataset).unwrap();
            plan.push((*table, since, after));
        }
        let this = Server(pms.clone());
        Ok(Response::new(Box::pin(async_stream::stream! {
            yield Ok(SnapshotResponse { part: Some(Part::Start(start)) });
            for (table, since, mut after) in plan {
                loop {
                    pms.step();
                    let untold = since.is_some() && table != TRACKED;
                    let (rows, next) = if untold {
                        (RecordBatch::new_empty(datasets::schema(datasets::get(table).unwrap())), None)
                    } else {
                        this.page(table, since, after)
                    };
                    after = next;
                    let token = after.map(|(_, key)| format!("{server}:{key}")).unwrap_or_else(|| "end".into());
                    let chunk = SnapshotChunk {
                        dataset: table.to_owned(),
                        rows: rows.num_rows() as i64,
                        arrow_ipc: mesh::rows::encode(&rows).unwrap(),
                        resume_token: if since.is_some() { String::new() } else { token },
                        last: after.is_none(),
                    };
                    yield Ok(SnapshotResponse { part: Some(Part::Chunk(chunk)) });
                    if after.is_none() {
                        break;
                    }
                }
            }
        })))
    }

    async fn digest(&self, request: Request<DigestRequest>) -> Result<Response<DigestResponse>, Status> {
        let request = request.into_inner();
        self.0.step();
        let inner = self.0.inner.lock();
        let dataset = datasets::get(&request.dataset).unwrap();
        let digest = |range: &KeyRange| {
            let from = range.first.map_or(Unbounded, Included);
            let to = range.last.map_or(Unbounded, Included);
            let rows: Vec<(i64, Row)> =
                inner.tables[request.dataset.as_str()].range((from, to)).map(|(k, r)| (*k, *r)).collect();
            let sums: KeySums = rows.iter().map(|(key, _)| *key).collect();
            let hashes = row_hash::hashes(dataset, &batch(dataset, &rows, inner.has_column)).unwrap();
            RangeDigest {
                range: Some(*range),
                count: sums.count,
                key_hash: sums.hash,
                key_sum: sums.sum,
                content_hash: if request.contents { hashes.into_iter().fold(0, |a, b| a ^ b) } else { 0 },
                keys: if request.list_keys { rows.iter().map(|(key, _)| *key).collect() } else { Vec::new() },
            }
        };
        Ok(Response::new(DigestResponse { ranges: request.ranges.iter().map(digest).collect() }))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        let request = request.into_inner();
        self.0.step();
        let mut inner = self.0.inner.lock();
        let mut answer = FetchResponse::default();
        for selector in request.selectors {
            let dataset = datasets::get(&selector.dataset).unwrap();
            assert_eq!(selector.column, dataset.key);
            let all = &inner.tables[dataset.name];
            let rows: Vec<(i64, Row)> = selector.values.iter().filter_map(|key| Some((*key, *all.get(key)?))).collect();
            inner.sent += rows.len();
            let arrow_ipc = mesh::rows::encode(&batch(dataset, &rows, inner.has_column)).unwrap();
            answer.rows.push(FetchedRows { dataset: dataset.name.to_owned(), arrow_ipc });
        }
        Ok(Response::new(answer))
    }
}
