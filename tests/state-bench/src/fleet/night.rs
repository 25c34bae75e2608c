//! The night itself.

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::{
    Windows,
    worker::{Book, Mesh, work},
};
use crate::{figures::quantile, fleet_of::Fleet, replica::Replica};

const WORKERS: usize = 4;
/// How long after the windows the last run may end before it counts as missed.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// What came of it.
#[derive(Debug)]
pub struct Night {
    /// Of 99 in a hundred runs: the seconds from the planned time to the worker that has it.
    pub lateness_p99: f64,
    /// Runs beyond the one of a practice and date, and runs that were finished twice.
    pub doubles: usize,
    /// Practices without a finished run.
    pub missed: usize,
}

/// Lets it pass.
pub async fn run(replicas: &[Replica], fleet: &Fleet, windows: Windows) -> Night {
    let urls: Vec<String> = replicas.iter().map(Replica::url).collect();
    let book = Arc::new(Mutex::new(Book::default()));
    let workers: Vec<_> =
        (0..WORKERS).map(|n| tokio::spawn(work(format!("worker-{n}"), Mesh::new(&urls, n), book.clone()))).collect();
    let until = windows.closes() + GRACE;
    while Timestamp::now() < until && book.lock().await.finished < fleet.ids.len() {
        tokio::time::sleep(Duration::from_secs(5)).await;
        eprintln!("{} of {} runs finished", book.lock().await.finished, fleet.ids.len());
    }
    for worker in workers {
        worker.abort();
    }
    judge(&*book.lock().await, fleet)
}

fn judge(book: &Book, fleet: &Fleet) -> Night {
    let (mut lateness, mut doubles, mut again) = (Vec::new(), 0, 0);
    for claims in book.claims.values() {
        let runs: HashSet<&str> = claims.iter().map(|claim| claim.run.as_str()).collect();
        let dates: HashSet<&str> = claims.iter().map(|claim| claim.date.as_str()).collect();
        let finished = claims.iter().filter(|claim| claim.finished).count();
        doubles += (runs.len() - dates.len()) + finished.saturating_sub(runs.len());
        again += claims.len() - runs.len();
        lateness.extend(claims.first().map(|first| first.at.duration_since(first.due_at).as_secs_f64()));
    }
    let finished = |id: &&String| {
        book.claims.get(&format!("practices/{id}")).is_some_and(|claims| claims.iter().any(|claim| claim.finished))
    };
    let missed = fleet.ids.len() - fleet.ids.iter().filter(finished).count();
    let (median, p99) = (quantile(&mut lateness, 0.5), quantile(&mut lateness, 0.99));
    let (first, last) = (lateness[0], lateness[lateness.len() - 1]);
    eprintln!("lateness: least {first:.3} s, median {median:.3} s, p99 {p99:.3} s, most {last:.3} s");
    eprintln!("claimed again after a lost lease: {again}; reports that failed: {}", book.lost);
    Night { lateness_p99: p99, doubles, missed }
}
