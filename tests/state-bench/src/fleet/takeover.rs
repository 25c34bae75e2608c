//! Kills with -9, and how long the work of the killed lies idle.

use std::{
    collections::HashSet,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use chairsync_proto::sync::{StartSyncRequest, sync_service_client::SyncServiceClient};
use jiff::Timestamp;
use test_servers::Redis;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    sync::Mutex,
};

use super::worker::{Book, Mesh, work};
use crate::{fleet_of::Fleet, replica::Replica};

/// Runs that are under way at a kill.
const RUNS: usize = 50;
const LIMIT: Duration = Duration::from_secs(60);

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

/// Asks for runs now, of practices that the round has for itself.
async fn start_runs(replica: &Replica, fleet: &Fleet, place: usize) -> HashSet<String> {
    let mut client = SyncServiceClient::new(replica.channel());
    let mut runs = HashSet::new();
    for id in fleet.ids.iter().cycle().skip(place * RUNS).take(RUNS) {
        let request = StartSyncRequest { practice: format!("practices/{id}"), ..Default::default() };
        let run = client.start_sync(request).await.expect("a run").into_inner().run;
        runs.insert(run.expect("a run").name);
    }
    runs
}

/// The seconds from a worker's death until another worker has the last of its runs.
pub async fn of_a_worker(replicas: &[Replica], fleet: &Fleet, round: usize) -> f64 {
    let runs = start_runs(&replicas[0], fleet, 2 * round).await;
    let urls: Vec<String> = replicas.iter().map(Replica::url).collect();
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("fleet-worker").arg(format!("victim-{round}")).args(&urls).stdout(Stdio::piped());
    let mut process = Killed(command.spawn().expect("a worker"));
    let output = process.0.stdout.take().expect("its output");
    let output = tokio::process::ChildStdout::from_std(output).expect("its output");
    let mut lines = BufReader::new(output).lines();
    let mut held = HashSet::new();
    while held.len() < runs.len() {
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("the worker claims them");
        held.insert(line.expect("its output").expect("it goes on"));
    }
    let book = Arc::new(Mutex::new(Book::default()));
    let heir = tokio::spawn(work(format!("heir-{round}"), Mesh::new(&urls, 0), book.clone()));
    tokio::time::sleep(Duration::from_millis(500)).await; // it has asked, and got nothing that is held
    assert!(book.lock().await.claims.is_empty(), "what is held is not given to another");
    let killed = Timestamp::now();
    drop(process);
    let last = claimed(&book, &runs).await;
    heir.abort();
    last.duration_since(killed).as_secs_f64()
}

/// The seconds from a replica's death until workers that were on it have the last of the runs that were due.
pub async fn of_a_replica(replicas: &mut [Replica; 2], redis: &Redis, fleet: &Fleet, round: usize) -> f64 {
    let urls: Vec<String> = replicas.iter().map(Replica::url).collect();
    let book = Arc::new(Mutex::new(Book::default()));
    // All on the first replica, and waiting there.
    let workers: Vec<_> =
        (0..2).map(|n| tokio::spawn(work(format!("mover-{round}-{n}"), Mesh::new(&urls, 0), book.clone()))).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Started on the second, so that they come due while the first dies with claims and reports under way.
    let start = async {
        let first = start_runs(&replicas[1], fleet, 2 * round + 1).await;
        (first, Timestamp::now())
    };
    let kill = async {
        let begun = Instant::now();
        while book.lock().await.claims.len() < RUNS / 3 && begun.elapsed() < LIMIT {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Timestamp::now()
    };
    let ((runs, _), killed) = tokio::join!(start, async {
        let at = kill.await;
        // The process is killed from outside, as the machine would do it.
        let _ = Command::new("kill").args(["-9", &replicas[0].pid().to_string()]).status();
        at
    });
    let last = finished(&book, &runs).await;
    workers.iter().for_each(tokio::task::JoinHandle::abort);
    replicas[0] = Replica::start(redis).await;
    last.duration_since(killed).as_secs_f64().max(0.0)
}

/// Waits until all of the runs were claimed, and says when the last one was.
async fn claimed(book: &Mutex<Book>, runs: &HashSet<String>) -> Timestamp {
    until(book, runs, false).await
}

/// Waits until all of the runs were finished, and says when the claim was by which the last one was.
async fn finished(book: &Mutex<Book>, runs: &HashSet<String>) -> Timestamp {
    until(book, runs, true).await
}

async fn until(book: &Mutex<Book>, runs: &HashSet<String>, finished: bool) -> Timestamp {
    let start = Instant::now();
    loop {
        {
            let book = book.lock().await;
            let done = book
                .claims
                .values()
                .flatten()
                .filter(|claim| runs.contains(&claim.run) && (!finished || claim.finished));
            let done: Vec<_> = done.collect();
            let names: HashSet<&str> = done.iter().map(|claim| claim.run.as_str()).collect();
            if names.len() == runs.len() {
                return done.iter().map(|claim| claim.at).max().expect("some runs");
            }
            assert!(start.elapsed() < LIMIT, "{} of {} runs were taken over", names.len(), runs.len());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
