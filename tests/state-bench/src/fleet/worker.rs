//! Workers as the mesh has them: they claim due runs with a capacity, report, finish, and go to the other replica when
//! one does not answer.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chairsync_proto::state::{
    AcceptDatasetsRequest, ClaimRunsRequest, ClaimedRun, DatasetCheckpoint, DatasetResult, FinishRunRequest,
    HeartbeatRequest, SaveCheckpointRequest, state_service_client::StateServiceClient,
};
use jiff::Timestamp;
use tokio::sync::{Mutex, Semaphore};
use tonic::{Code, Request, Status, transport::Channel};

use super::LEASE;
use crate::replica::connect;

/// Runs that a worker works on at a time.
const AT_ONCE: usize = 256;
const CLAIM_MOST: usize = 100;
const CLAIM_WAIT: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(2);
const TRIES: usize = 20;
/// What a run takes besides its reports; a real one takes minutes, a night hours.
const WORK: Duration = Duration::from_millis(50);

/// A run that was claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub run: String,
    pub date: String,
    pub due_at: Timestamp,
    pub at: Timestamp,
    pub finished: bool,
}

/// What workers have done, by practice.
#[derive(Debug, Default)]
pub struct Book {
    pub claims: HashMap<String, Vec<Claimed>>,
    pub finished: usize,
    pub lost: usize,
}

/// A worker's way to whichever replica answers.
#[derive(Clone)]
pub struct Mesh {
    channels: Vec<Channel>,
    first: usize,
}

impl Mesh {
    pub fn new(urls: &[String], first: usize) -> Self {
        Self { channels: urls.iter().map(|url| connect(url)).collect(), first }
    }

    /// Makes a call, on the other replica where one does not answer. A refusal is an answer.
    pub async fn call<T, F>(&mut self, mut call: impl FnMut(StateServiceClient<Channel>) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut last = Status::unavailable("not tried");
        for _ in 0..TRIES {
            let channel = self.channels[self.first % self.channels.len()].clone();
            match call(StateServiceClient::new(channel)).await {
                Err(status) if failed(&status) => last = status,
                answer => return answer,
            }
            self.first += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(last)
    }
}

fn failed(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Internal
    )
}

pub fn within<T>(message: T, time: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(time);
    request
}

/// Claims and carries out runs until it is aborted.
pub async fn work(name: String, mut mesh: Mesh, book: Arc<Mutex<Book>>) {
    let free = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let first = free.clone().acquire_owned().await.expect("it is never closed");
        let mut places = vec![first];
        while places.len() < CLAIM_MOST
            && let Ok(place) = free.clone().try_acquire_owned()
        {
            places.push(place);
        }
        let request = ClaimRunsRequest {
            worker: name.clone(),
            capacity: i32::try_from(places.len()).expect("at most a hundred"),
            lease_duration: LEASE.try_into().ok(),
            wait: CLAIM_WAIT.try_into().ok(),
            ..Default::default()
        };
        let claim = |mut client: StateServiceClient<Channel>| {
            let request = within(request.clone(), CLAIM_WAIT + DEADLINE);
            async move { client.claim_runs(request).await }
        };
        let Ok(claimed) = mesh.call(claim).await else { continue };
        let at = Timestamp::now();
        for (claimed, place) in claimed.into_inner().runs.into_iter().zip(places) {
            let (mesh, book) = (mesh.clone(), book.clone());
            let (practice, mine) = note(&book, &claimed, at).await;
            tokio::spawn(async move {
                let done = carry_out(mesh, claimed).await;
                let mut book = book.lock().await;
                match done {
                    Ok(()) => {
                        book.finished += 1;
                        book.claims.entry(practice).or_default()[mine].finished = true;
                    }
                    Err(status) => {
                        book.lost += 1;
                        if book.lost < 5 {
                            eprintln!("a run of {practice} was not finished: {status}");
                        }
                    }
                }
                drop(place);
            });
        }
    }
}

/// Writes a claim down and returns its practice and place.
async fn note(book: &Mutex<Book>, claimed: &ClaimedRun, at: Timestamp) -> (String, usize) {
    let run = claimed.run.as_ref().expect("a run");
    let due = run.due_at.as_ref().expect("a due time");
    let practice = claimed.practice.as_ref().expect("a practice").name.clone();
    let mut book = book.lock().await;
    let claims = book.claims.entry(practice.clone()).or_default();
    claims.push(Claimed {
        run: run.name.clone(),
        date: run.local_date.clone(),
        due_at: Timestamp::new(due.seconds, due.nanos).expect("a moment"),
        at,
        finished: false,
    });
    (practice, claims.len() - 1)
}

async fn carry_out(mut mesh: Mesh, claimed: ClaimedRun) -> Result<(), Status> {
    let lease = claimed.lease.expect("a lease");
    let (run, epoch) = (lease.resource, lease.epoch);
    tokio::time::sleep(WORK).await;
    let names: Vec<String> = claimed.checkpoints.into_iter().map(|checkpoint| checkpoint.dataset).collect();
    let checkpoint = |name: &String| DatasetCheckpoint {
        dataset: name.clone(),
        chunks: 1,
        rows_done: 120,
        rows_total: 120,
        finished: true,
        ..Default::default()
    };
    let request = SaveCheckpointRequest {
        run: run.clone(),
        epoch,
        checkpoints: names.iter().map(checkpoint).collect(),
        start_position: "binlog.000007:4".to_owned(),
    };
    let call = |mut client: StateServiceClient<Channel>| {
        let request = within(request.clone(), DEADLINE);
        async move { client.save_checkpoint(request).await }
    };
    mesh.call(call).await?;
    let result = |name: &String| DatasetResult {
        dataset: name.clone(),
        version: i64::try_from(claimed.sequence).unwrap_or(i64::MAX),
        rows: 40_120,
        synced_through: Some(SystemTime::now().into()),
    };
    let request = AcceptDatasetsRequest { run: run.clone(), epoch, datasets: names.iter().map(result).collect() };
    let call = |mut client: StateServiceClient<Channel>| {
        let request = within(request.clone(), DEADLINE);
        async move { client.accept_datasets(request).await }
    };
    mesh.call(call).await?;
    let request = FinishRunRequest { run, epoch };
    let call = |mut client: StateServiceClient<Channel>| {
        let request = within(request.clone(), DEADLINE);
        async move { client.finish_run(request).await }
    };
    mesh.call(call).await?;
    Ok(())
}

/// A worker as a process of its own: it claims runs, prints their names, holds their leases and never finishes them,
/// until it is killed.
///
/// # Panics
/// When nothing answers.
pub async fn worker(name: &str, urls: &[&str]) {
    let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
    let mut mesh = Mesh::new(&urls, 0);
    let mut held = Vec::new();
    loop {
        let request = ClaimRunsRequest {
            worker: name.to_owned(),
            capacity: 100,
            lease_duration: LEASE.try_into().ok(),
            ..Default::default()
        };
        let claim = |mut client: StateServiceClient<Channel>| {
            let request = within(request.clone(), DEADLINE);
            async move { client.claim_runs(request).await }
        };
        for claimed in mesh.call(claim).await.expect("an answer").into_inner().runs {
            let lease = claimed.lease.expect("a lease");
            println!("{}", lease.resource);
            held.push(lease);
        }
        for lease in &held {
            let request =
                HeartbeatRequest { resource: lease.resource.clone(), epoch: lease.epoch, lease_duration: None };
            let beat = |mut client: StateServiceClient<Channel>| {
                let request = within(request.clone(), DEADLINE);
                async move { client.heartbeat(request).await }
            };
            if let Err(status) = mesh.call(beat).await {
                eprintln!("{}: {status}", lease.resource);
            }
        }
        tokio::time::sleep(LEASE / 6).await;
    }
}
