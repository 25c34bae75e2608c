//! A PMS in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use arrow::{
    array::{
        ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray, Time32SecondArray,
        TimestampMicrosecondArray,
    },
    datatypes::DataType,
};
use chairsync_proto::pms::{
    ChangeBatch, ChangesOpened, ChangesProgress, ChangesRequest, ChangesResponse, DigestRequest, DigestResponse,
    FetchRequest, FetchResponse, FetchedRows, KeyRange, RangeDigest, SnapshotChunk, SnapshotRequest, SnapshotResponse,
    SnapshotStart, changes_response, pms_connector_service_server::PmsConnectorService, snapshot_response,
};
use engagement_sync::row::{Row, Value};
use jiff::Timestamp;
use mesh::{
    ErrorReason, Refusal,
    datasets::{self, Dataset},
    key_sums::KeySums,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status, codegen::BoxStream};

pub type Tables = BTreeMap<&'static str, BTreeMap<i64, Row>>;
const CHUNK: usize = 7;

#[derive(Debug, Default)]
struct Held {
    tables: Tables,
    /// Changes as the stream shows them: dataset, key, row or none.
    history: Vec<(&'static Dataset, i64, Option<Row>)>,
    source: u32,
}

/// A source of which the test decides every change.
#[derive(Debug)]
pub struct Source {
    held: Arc<Mutex<Held>>,
    moved: watch::Sender<u64>,
    /// `Fetch` never answers.
    pub hangs: AtomicBool,
    pub fetches: AtomicUsize,
    pub snapshots: AtomicUsize,
}

impl Default for Source {
    fn default() -> Self {
        let moved = watch::channel(0).0;
        Self {
            held: Arc::default(),
            moved,
            hangs: AtomicBool::default(),
            fetches: AtomicUsize::default(),
            snapshots: AtomicUsize::default(),
        }
    }
}

impl Source {
    pub fn put(&self, row: Row) {
        let (dataset, key) = (row.dataset(), row.id(row.dataset().key));
        let mut held = self.held.lock();
        held.tables.entry(dataset.name).or_default().insert(key, row.clone());
        held.history.push((dataset, key, Some(row)));
        drop(held);
        self.moved.send_modify(|n| *n += 1);
    }

    pub fn delete(&self, dataset: &str, key: i64) {
        let dataset = datasets::get(dataset).unwrap();
        self.delete_silently(dataset.name, key);
        self.held.lock().history.push((dataset, key, None));
        self.moved.send_modify(|n| *n += 1);
    }

    /// A delete that no stream shows, as one made while nobody followed. What the stream has still to show of the row
    /// before is gone too: a poll reads rows as they are.
    pub fn delete_silently(&self, dataset: &str, key: i64) {
        let mut held = self.held.lock();
        held.tables.get_mut(dataset).map(|rows| rows.remove(&key));
        let of_row = |entry: &&mut (&'static Dataset, i64, Option<Row>)| entry.0.name == dataset && entry.1 == key;
        held.history.iter_mut().filter(of_row).for_each(|entry| entry.2 = None);
    }

    /// An insert that no stream shows, as a row that came with an old change time.
    pub fn put_silently(&self, row: Row) {
        let (dataset, key) = (row.dataset(), row.id(row.dataset().key));
        self.held.lock().tables.entry(dataset.name).or_default().insert(key, row);
    }

    /// Becomes another source with other rows: positions of the old one end.
    pub fn replace(&self, rows: Vec<Row>) {
        let mut held = self.held.lock();
        let source = held.source + 1;
        *held = Held { source, ..Held::default() };
        for row in rows {
            held.tables.entry(row.dataset().name).or_default().insert(row.id(row.dataset().key), row);
        }
        drop(held);
        self.moved.send_modify(|n| *n += 1);
    }

    pub fn tables(&self) -> Tables {
        let mut tables = self.held.lock().tables.clone();
        tables.retain(|_, rows| !rows.is_empty());
        tables
    }
}

fn changed() -> Status {
    Refusal::new(Code::FailedPrecondition, ErrorReason::SourceChanged, "another source").into()
}

fn now() -> Option<prost_types::Timestamp> {
    Some(mesh::calendar::to_proto(Timestamp::now()))
}

#[tonic::async_trait]
impl PmsConnectorService for Source {
    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<BoxStream<SnapshotResponse>>, Status> {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        let (request, held) = (request.into_inner(), self.held.clone());
        let stream = async_stream::try_stream! {
            let start = {
                let held = held.lock();
                SnapshotStart {
                    position: format!("{}:{}", held.source, held.history.len()),
                    fingerprint: held.source.to_string(),
                    server_time: now(),
                    counts: Vec::new(),
                }
            };
            yield SnapshotResponse { part: Some(snapshot_response::Part::Start(start)) };
            for wanted in request.datasets {
                let dataset = datasets::get(&wanted.dataset).unwrap();
                let mut after: i64 = wanted.resume_token.parse().unwrap_or(i64::MIN);
                loop {
                    let rows: Vec<Row> = {
                        let held = held.lock();
                        let table = held.tables.get(dataset.name).into_iter().flatten();
                        table.filter(|(key, _)| **key > after).take(CHUNK).map(|(_, row)| row.clone()).collect()
                    };
                    after = rows.last().map_or(after, |row| row.id(dataset.key));
                    let last = rows.len() < CHUNK;
                    let chunk = SnapshotChunk {
                        dataset: dataset.name.into(),
                        arrow_ipc: encoded(dataset, &rows),
                        rows: rows.len() as i64,
                        resume_token: after.to_string(),
                        last,
                    };
                    yield SnapshotResponse { part: Some(snapshot_response::Part::Chunk(chunk)) };
                    tokio::task::yield_now().await;
                    if last {
                        break;
                    }
                }
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }

    async fn changes(&self, request: Request<ChangesRequest>) -> Result<Response<BoxStream<ChangesResponse>>, Status> {
        let (request, held, mut moved) = (request.into_inner(), self.held.clone(), self.moved.subscribe());
        let (source, at) = request.position.split_once(':').ok_or_else(changed)?;
        let (source, mut at): (u32, usize) = (source.parse().unwrap(), at.parse().unwrap());
        if source != held.lock().source {
            return Err(changed());
        }
        let stream = async_stream::try_stream! {
            let opened = ChangesOpened { mode: "test".into(), fingerprint: source.to_string() };
            yield ChangesResponse { part: Some(changes_response::Part::Opened(opened)) };
            loop {
                moved.mark_unchanged();
                let fresh: Vec<_> = {
                    let held = held.lock();
                    if held.source != source { None } else { Some(held.history[at..].to_vec()) }
                }.ok_or_else(changed)?;
                // One batch for changes of one dataset and kind that follow each other.
                for run in fresh.chunk_by(|a, b| a.0.name == b.0.name && a.2.is_some() == b.2.is_some()) {
                    for run in run.chunks(500) {
                        at += run.len();
                        let dataset = run[0].0;
                        let rows: Vec<Row> = run.iter().filter_map(|(_, _, row)| row.clone()).collect();
                        let gone = run.iter().filter(|(_, _, row)| row.is_none()).map(|(_, key, _)| key.to_string());
                        let batch = ChangeBatch {
                            dataset: dataset.name.into(),
                            deleted_keys: gone.collect(),
                            arrow_ipc: if rows.is_empty() { bytes::Bytes::new() } else { encoded(dataset, &rows) },
                        };
                        yield ChangesResponse { part: Some(changes_response::Part::Batch(batch)) };
                    }
                }
                let progress = ChangesProgress { position: format!("{source}:{at}"), synced_through: now() };
                yield ChangesResponse { part: Some(changes_response::Part::Progress(progress)) };
                moved.changed().await.map_err(|_| changed())?;
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let held = self.held.lock();
        let rows = request.into_inner().selectors.into_iter().map(|selector| {
            let dataset = datasets::get(&selector.dataset).unwrap();
            let table = held.tables.get(dataset.name).into_iter().flat_map(BTreeMap::values);
            let chosen: Vec<Row> =
                table.filter(|row| selector.values.contains(&row.id(&selector.column))).cloned().collect();
            FetchedRows { dataset: selector.dataset, arrow_ipc: encoded(dataset, &chosen) }
        });
        Ok(Response::new(FetchResponse { rows: rows.collect(), server_time: now() }))
    }

    async fn digest(&self, request: Request<DigestRequest>) -> Result<Response<DigestResponse>, Status> {
        let request = request.into_inner();
        let held = self.held.lock();
        let keys: Vec<i64> =
            held.tables.get(request.dataset.as_str()).into_iter().flat_map(|t| t.keys().copied()).collect();
        let ranges = if request.ranges.is_empty() {
            vec![
                KeyRange { first: None, last: Some(20) },
                KeyRange { first: Some(21), last: Some(40) },
                KeyRange { first: Some(41), last: None },
            ]
        } else {
            request.ranges
        };
        let digest = |range: KeyRange| {
            let inside = |key: &&i64| range.first.is_none_or(|f| f <= **key) && range.last.is_none_or(|l| **key <= l);
            let keys: Vec<i64> = keys.iter().filter(inside).copied().collect();
            let sums: KeySums = keys.iter().copied().collect();
            RangeDigest {
                range: Some(range),
                count: sums.count,
                key_hash: sums.hash,
                key_sum: sums.sum,
                content_hash: 0,
                keys: if request.list_keys { keys } else { Vec::new() },
            }
        };
        Ok(Response::new(DigestResponse { ranges: ranges.into_iter().map(digest).collect() }))
    }
}

fn encoded(dataset: &'static Dataset, rows: &[Row]) -> bytes::Bytes {
    let schema = datasets::schema(dataset);
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        let ints = || rows.iter().map(|row| row.int(field.name()));
        match field.data_type() {
            DataType::Int64 => Arc::new(Int64Array::from_iter(ints())),
            DataType::Int32 => Arc::new(Int32Array::from_iter(ints().map(|n| n.map(|n| n as i32)))),
            DataType::Decimal128(precision, scale) => {
                let array = Decimal128Array::from_iter(ints().map(|n| n.map(i128::from)));
                Arc::new(array.with_precision_and_scale(*precision, *scale).unwrap())
            }
            DataType::Date32 => Arc::new(Date32Array::from_iter(ints().map(|n| n.map(|n| n as i32)))),
            DataType::Timestamp(_, zone) => {
                Arc::new(TimestampMicrosecondArray::from_iter(ints()).with_timezone_opt(zone.clone()))
            }
            DataType::Time32(_) => Arc::new(Time32SecondArray::from_iter(ints().map(|n| n.map(|n| n as i32)))),
            _ => Arc::new(StringArray::from_iter(rows.iter().map(|row| match row.value(field.name()) {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            }))),
        }
    });
    let batch = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap();
    mesh::rows::encode(&batch).unwrap()
}
