//! A nightly sync of 3 million procedures of which 1 % changed: its time beside that of a full read, and what a front desk
//! that works on the same server feels of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use chairsync_proto::sync::{RunState, StartSyncRequest, sync_service_client::SyncServiceClient};
use mysql_async::{Conn, prelude::Queryable};
use state_bench::figures::{Goal, figure};
use test_servers::MariaDb;

use crate::{practice, processes::Processes};

const ROUNDS: usize = 5;
const LIMIT: Duration = Duration::from_secs(900);
/// Between two operations of a clerk.
const PACE: Duration = Duration::from_millis(5);
const CLERKS: u64 = 2;

/// Runs it. Prints its figures.
///
/// # Panics
/// When something cannot be started or read.
pub async fn run() {
    let (pms, rows, mut conn) = super::procedures().await;

    let mesh = Processes::start_with(&practice::credentials(), "warn", &[]).await;
    let (mut full, mut recent, mut scattered, mut nothing) = (vec![], vec![], vec![], vec![]);
    let (mut busy, mut quiet) = (vec![], vec![]);
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        let id = format!("round-{round}");
        let start = Instant::now();
        let run = practice::register(mesh.gateway(), &id, practice::on(&pms, "bench", "America/Chicago")).await;
        done(&mesh, &run).await;
        full.push(start.elapsed().as_secs_f64());
        // What was stamped before must lie behind the horizon, or it would be read again.
        tokio::time::sleep(Duration::from_secs(4)).await;
        night(&mesh, &id).await;
        nothing.push(night(&mesh, &id).await.as_secs_f64());
        // As an office changes its books: the latest hundredth of the procedures.
        let newest = format!("ORDER BY ProcNum DESC LIMIT {}", rows / 100);
        change(&mut conn, &newest).await;
        let desk = Desk::open(&pms).await;
        quiet.push(desk.works_for(Duration::from_secs(3)).await);
        let clerks = desk.work();
        recent.push(night(&mesh, &id).await.as_secs_f64());
        busy.push(clerks.stop().await);
        tokio::time::sleep(Duration::from_secs(4)).await;
        night(&mesh, &id).await;
        // The worst that so many changes can be: some in every file.
        change(&mut conn, &format!("WHERE ProcNum % 100 = {round}")).await;
        scattered.push(night(&mesh, &id).await.as_secs_f64());
    }
    let share = |of: &[f64]| of.iter().zip(&full).map(|(night, full)| night / full).collect::<Vec<_>>();
    figure("nightly", "share_of_full", "", &share(&recent), &[], Goal::Below(0.05));
    figure("nightly", "share_of_full, scattered over all files", "", &share(&scattered), &[], Goal::Told);
    figure("nightly", "share_of_full, nothing changed", "", &share(&nothing), &[], Goal::Told);
    figure("nightly", "full_s", "s", &full, &[], Goal::Told);
    let slower: Vec<f64> = busy.iter().zip(&quiet).map(|(busy, quiet)| busy / quiet - 1.0).collect();
    figure("nightly", "front_desk_latency", "", &slower, &[], Goal::Below(0.05));
    figure("nightly", "front_desk_latency_ms", "ms", &busy, &quiet, Goal::Told);
}

async fn change(conn: &mut Conn, which: &str) {
    let statement = format!("UPDATE procedurelog SET ProcFee = ProcFee + 1 {which}");
    conn.query_drop(statement).await.expect("procedures change");
}

/// Asks for everything to be brought up to date, and says how long it took.
async fn night(mesh: &Processes, id: &str) -> Duration {
    let start = Instant::now();
    let request = StartSyncRequest { practice: format!("practices/{id}"), ..Default::default() };
    let asked = SyncServiceClient::new(mesh.gateway()).start_sync(request).await.expect("a run").into_inner();
    done(mesh, &asked.run.expect("a run").name).await;
    start.elapsed()
}

async fn done(mesh: &Processes, run: &str) {
    let run = practice::finished(mesh.gateway(), run, LIMIT).await;
    assert_eq!(run.state(), RunState::Succeeded, "{:?}", run.error);
}

/// Clerks who look patients up and move appointments, at an even pace.
struct Desk {
    conns: Vec<Conn>,
}

/// Clerks at work.
struct Work {
    stop: Arc<AtomicBool>,
    clerks: Vec<tokio::task::JoinHandle<Vec<f64>>>,
}

impl Desk {
    async fn open(pms: &MariaDb) -> Self {
        let mut conns = Vec::new();
        for _ in 0..CLERKS {
            conns.push(pms.root("bench").await);
        }
        Self { conns }
    }

    /// The mean latency of an operation over a time, in milliseconds.
    async fn works_for(&self, time: Duration) -> f64 {
        let work = self.work();
        tokio::time::sleep(time).await;
        work.stop().await
    }

    fn work(&self) -> Work {
        let stop = Arc::new(AtomicBool::new(false));
        let clerk = |(number, conn): (usize, &Conn)| {
            let (stop, opts) = (stop.clone(), conn.opts().clone());
            tokio::spawn(async move {
                let mut conn = Conn::new(opts).await.expect("a connection");
                let (mut took, mut turn) = (Vec::new(), number as u64);
                while !stop.load(Relaxed) {
                    turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let patient = turn >> 40;
                    let begun = Instant::now();
                    for statement in [
                        format!("SELECT LName, FName, BalTotal FROM patient WHERE PatNum = {}", patient % 20_000),
                        format!("SELECT ProcFee, ProcStatus FROM procedurelog WHERE ProcNum = {}", patient % 3_000_000),
                        format!("UPDATE preference SET ValueString = '{patient}' WHERE PrefName = 'FrontDesk{number}'"),
                    ] {
                        conn.query_drop(statement).await.expect("the front desk works");
                    }
                    took.push(begun.elapsed().as_secs_f64() * 1_000.0);
                    tokio::time::sleep(PACE).await;
                }
                took
            })
        };
        let clerks = self.conns.iter().enumerate().map(clerk).collect();
        Work { stop, clerks }
    }
}

impl Work {
    /// Ends the work and answers the mean latency of an operation, in milliseconds.
    async fn stop(self) -> f64 {
        self.stop.store(true, Relaxed);
        let mut all = Vec::new();
        for clerk in self.clerks {
            all.extend(clerk.await.expect("a clerk"));
        }
        all.iter().sum::<f64>() / all.len().max(1) as f64
    }
}
