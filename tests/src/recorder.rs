//! A connector in between, which writes down what each attempt at a snapshot asks for and what it is given, beside what
//! was durable at that moment.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use arrow::{array::AsArray as _, datatypes::Int64Type};
use chairsync_proto::pms::{
    ChangesRequest, ChangesResponse, DescribeRequest, DescribeResponse, DigestRequest, DigestResponse, FetchRequest,
    FetchResponse, SnapshotChunk, SnapshotRequest, SnapshotResponse, WriteRequest, WriteResponse,
    pms_connector_service_client::PmsConnectorServiceClient,
    pms_connector_service_server::{PmsConnectorService, PmsConnectorServiceServer},
    snapshot_response::Part,
};
use futures::{StreamExt as _, stream::BoxStream};
use mesh::{
    datasets,
    transport::{BULK_MESSAGE_BYTES, Channel, Listener},
};
use parquet::file::metadata::ParquetMetaDataReader;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// What a streaming call answers.
type Sent<T> = BoxStream<'static, Result<T, Status>>;

/// What one attempt did with one dataset.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The attempt's number, from 0.
    pub number: usize,
    /// The dataset.
    pub dataset: String,
    /// Its chunks that were durable when the attempt began, in order.
    pub durable: Vec<Durable>,
    /// The token that the attempt asked to go on after; empty: the dataset's start.
    pub asked: String,
    /// The first key that it was given, if any and a number.
    pub first_key: Option<i64>,
    /// Chunks that it was given.
    pub chunks: usize,
    /// Their rows.
    pub rows: i64,
}

/// A chunk on disk.
#[derive(Debug, Clone)]
pub struct Durable {
    /// The token that it begins after.
    pub from: String,
    /// The token that it ends at.
    pub to: String,
    /// Its last key, if it has rows and numbers for keys.
    pub last_key: Option<i64>,
}

impl Attempt {
    /// How many of the durable chunks are read again; none when the attempt does not begin at one of them.
    pub fn read_again(&self) -> Option<usize> {
        let kept = match self.asked.as_str() {
            "" => 0,
            token => 1 + self.durable.iter().position(|chunk| chunk.to == token)?,
        };
        Some(self.durable.len() - kept)
    }

    /// The last key that the attempt need not read.
    pub fn kept_key(&self) -> Option<i64> {
        let kept = self.durable.len() - self.read_again()?;
        self.durable[..kept].iter().filter_map(|chunk| chunk.last_key).max()
    }
}

/// Where the recorder is, and what it has written down.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Inner>);

#[derive(Default)]
struct Inner {
    behind: OnceLock<(Channel, PathBuf)>,
    attempts: std::sync::Mutex<(usize, Vec<Attempt>)>,
}

impl Recorder {
    /// Serves on a port until `shutdown`; before [`Recorder::stand_before`] it is unavailable.
    ///
    /// # Panics
    /// When the port is taken.
    pub async fn serve(&self, port: u16, shutdown: CancellationToken) {
        let listener = Listener::bind(([127, 0, 0, 1], port).into()).await.expect("a free port");
        let service = PmsConnectorServiceServer::new(self.clone()).max_encoding_message_size(BULK_MESSAGE_BYTES);
        let routes = tonic::service::Routes::new(service);
        tokio::spawn(mesh::serve::serve("recorder", routes, listener, shutdown));
    }

    /// Passes calls on to `connector` and reads what is durable from the folder of a practice's tables.
    pub fn stand_before(&self, connector: Channel, tables: PathBuf) {
        assert!(self.0.behind.set((connector, tables)).is_ok(), "it stands before one connector");
    }

    /// How many attempts there were so far, and how many chunks they were given.
    pub fn counts(&self) -> (usize, usize) {
        let attempts = self.0.attempts.lock().expect("no panic holds it");
        (attempts.0, attempts.1.iter().map(|a| a.chunks).sum())
    }

    /// What was written down so far.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.0.attempts.lock().expect("no panic holds it").1.clone()
    }

    fn client(&self) -> Result<(PmsConnectorServiceClient<Channel>, &Path), Status> {
        let (channel, tables) = self.0.behind.get().ok_or_else(|| Status::unavailable("not yet"))?;
        let client = PmsConnectorServiceClient::new(channel.clone()).max_decoding_message_size(BULK_MESSAGE_BYTES);
        Ok((client, tables))
    }

    /// Writes an attempt down and returns its place in the list by dataset.
    fn begun(&self, request: &SnapshotRequest, tables: &Path) -> HashMap<String, usize> {
        let mut attempts = self.0.attempts.lock().expect("no panic holds it");
        let number = attempts.0;
        attempts.0 += 1;
        let mut places = HashMap::new();
        for wanted in &request.datasets {
            places.insert(wanted.dataset.clone(), attempts.1.len());
            attempts.1.push(Attempt {
                number,
                dataset: wanted.dataset.clone(),
                durable: durable(&tables.join(&wanted.dataset), &wanted.dataset),
                asked: wanted.resume_token.clone(),
                first_key: None,
                chunks: 0,
                rows: 0,
            });
        }
        places
    }

    fn given(&self, place: usize, chunk: &SnapshotChunk) {
        let mut attempts = self.0.attempts.lock().expect("no panic holds it");
        let attempt = &mut attempts.1[place];
        if attempt.rows == 0 {
            attempt.first_key = first_key(chunk);
        }
        attempt.chunks += 1;
        attempt.rows += chunk.rows;
    }
}

/// The chunks of the newest run in a table's folder, from the dataset's start without a gap.
fn durable(table: &Path, dataset: &str) -> Vec<Durable> {
    let folders = std::fs::read_dir(table).into_iter().flatten().flatten().map(|entry| entry.path());
    let runs = folders.filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("run-")));
    let files = runs.flat_map(|run| std::fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.path()));
    let mut found: HashMap<(u64, String), (u64, Durable)> = HashMap::new();
    for path in files.filter(|path| path.extension().is_some_and(|e| e == "parquet")) {
        let Some((number, epoch, chunk)) = chunk_of(&path, dataset) else { continue };
        let known = found.get(&(number, chunk.from.clone())).map(|(epoch, _)| *epoch);
        if known.is_none_or(|known| known < epoch) {
            found.insert((number, chunk.from.clone()), (epoch, chunk));
        }
    }
    let mut chain: Vec<Durable> = Vec::new();
    let mut token = String::new();
    while let Some((_, chunk)) = found.remove(&(chain.len() as u64, token)) {
        token = chunk.to.clone();
        chain.push(chunk);
    }
    chain
}

/// What a chunk's file says of itself; none when it is not whole.
fn chunk_of(path: &Path, dataset: &str) -> Option<(u64, u64, Durable)> {
    let file = std::fs::File::open(path).ok()?;
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).ok()?;
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let value = |key: &str| pairs.iter().find(|p| p.key == format!("chairsync.{key}"))?.value.clone();
    let stats: serde_json::Value = serde_json::from_str(&value("stats")?).ok()?;
    let last_key = stats["maxValues"][datasets::get(dataset)?.key].as_i64();
    let chunk = Durable { from: value("from").unwrap_or_default(), to: value("to")?, last_key };
    Some((value("chunk")?.parse().ok()?, value("epoch")?.parse().ok()?, chunk))
}

fn first_key(chunk: &SnapshotChunk) -> Option<i64> {
    let dataset = datasets::get(&chunk.dataset)?;
    let batch = mesh::rows::decode(&chunk.arrow_ipc).ok()?;
    let keys = batch.column_by_name(dataset.key)?.as_primitive_opt::<Int64Type>()?;
    keys.iter().next().flatten()
}

#[tonic::async_trait]
impl PmsConnectorService for Recorder {
    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        self.client()?.0.describe(request.into_inner()).await
    }

    async fn snapshot(&self, request: Request<SnapshotRequest>) -> Result<Response<Sent<SnapshotResponse>>, Status> {
        let (mut client, tables) = self.client()?;
        let request = request.into_inner();
        let places = self.begun(&request, tables);
        let parts = client.snapshot(request).await?.into_inner();
        let this = self.clone();
        let parts = parts.inspect(move |part| {
            if let Ok(SnapshotResponse { part: Some(Part::Chunk(chunk)) }) = part {
                this.given(places[&chunk.dataset], chunk);
            }
        });
        Ok(Response::new(parts.boxed()))
    }

    async fn changes(&self, request: Request<ChangesRequest>) -> Result<Response<Sent<ChangesResponse>>, Status> {
        let parts = self.client()?.0.changes(request.into_inner()).await?.into_inner();
        Ok(Response::new(parts.boxed()))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        self.client()?.0.fetch(request.into_inner()).await
    }

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<WriteResponse>, Status> {
        self.client()?.0.write(request.into_inner()).await
    }

    async fn digest(&self, request: Request<DigestRequest>) -> Result<Response<DigestResponse>, Status> {
        self.client()?.0.digest(request.into_inner()).await
    }
}
