//! Boards: a warm one through the gateway at 200 requests a second, and a cold one beside the same figures by SQL on MariaDB.

use std::time::{Duration, Instant};

use analytics_sync::{
    metrics::range::{weeks_before, year_earlier},
    question::Question,
};
use jiff::ToSpan as _;
use mesh::transport::Channel;
use state_bench::figures::{Goal, figure, quantile};

use super::whole::{self, Board, ID, Size, Whole};
use crate::oracle::Oracle;

const SIZE: Size = Size { patients: 20_000, years: 5 };
/// Boards asked for while nothing is in memory.
const COLD_ROUNDS: usize = 3;
/// Boards asked for while everything is.
const WARM_ROUNDS: usize = 3;
const WARM_TIME: Duration = Duration::from_secs(20);
/// Requests a second, sent when they are due however long the ones before take.
const RATE: u32 = 200;
const CONNECTIONS: usize = 4;
/// The weeks of a tile's trend.
const WEEKS: u8 = 13;

/// Runs it. Prints its figures.
///
/// # Panics
/// When something cannot be started or read.
pub async fn run() {
    let mut whole = whole::practice(SIZE.given_or(), false).await;
    let question = whole.question().await;
    eprintln!("measuring");

    let connections: Vec<Channel> = (0..CONNECTIONS).map(|_| whole.mesh.gateway()).collect();
    for board in Board::ALL {
        board.ask(connections[0].clone()).await;
    }
    let mut slowest = Vec::new();
    for _ in 0..WARM_ROUNDS {
        slowest.push(quantile(&mut open_loop(&connections).await, 0.99));
    }
    figure("boards", "warm_p99_ms", "ms", &slowest, &[], Goal::Below(5.0));

    for board in [Board::Performance, Board::Collections] {
        let mut took = Vec::new();
        for _ in 0..COLD_ROUNDS {
            whole.restart_analytics().await;
            let begun = Instant::now();
            board.ask(whole.mesh.gateway()).await;
            took.push(begun.elapsed().as_secs_f64());
        }
        let by_sql = match board {
            Board::Performance => performance(&whole, &question).await,
            _ => collections(&whole, &question).await,
        };
        let rates: Vec<f64> = took.iter().map(|seconds| 1.0 / seconds).collect();
        let name = format!("cold_vs_sql, {board:?}");
        figure("boards", &name, "boards/s", &rates, &[1.0 / by_sql], Goal::RatioAtLeast(100.0));
        figure("boards", &format!("cold_s, {board:?}"), "s", &took, &[by_sql], Goal::Told);
    }
    for board in [Board::Huddle, Board::Pulse, Board::Schedule] {
        whole.restart_analytics().await;
        let begun = Instant::now();
        board.ask(whole.mesh.gateway()).await;
        figure("boards", &format!("cold_s, {board:?}"), "s", &[begun.elapsed().as_secs_f64()], &[], Goal::Told);
    }
}

/// Asks for the boards in turns, each request when it is due, and answers how long after that its answer came, in
/// milliseconds: one that waits behind a slow one counts its wait.
async fn open_loop(connections: &[Channel]) -> Vec<f64> {
    let begin = tokio::time::Instant::now() + Duration::from_millis(50);
    let count = (WARM_TIME.as_secs_f64() * f64::from(RATE)) as usize; // some thousands
    let mut asked = Vec::with_capacity(count);
    for turn in 0..count {
        let due = begin + Duration::from_secs_f64(turn as f64 / f64::from(RATE));
        let (board, gateway) = (Board::ALL[turn % Board::ALL.len()], connections[turn % connections.len()].clone());
        tokio::time::sleep_until(due).await;
        asked.push(tokio::spawn(async move {
            board.ask(gateway).await;
            due.elapsed().as_secs_f64() * 1_000.0
        }));
    }
    let mut took = Vec::with_capacity(count);
    for one in asked {
        took.push(one.await.expect("an answer"));
    }
    took
}

/// The metrics of each range that the Performance Board shows: month, the same a year earlier, and the weeks of the trends.
async fn performance(whole: &Whole, question: &Question) -> f64 {
    let d = question.date;
    let month = (d.first_of_month(), d);
    let begun = Instant::now();
    let mut oracle = oracle(whole, question).await;
    oracle.set("prov", "0").await;
    for (from, to) in [month, year_earlier(month)].into_iter().chain(weeks_before(d, WEEKS)) {
        oracle.range(from, to).await;
        oracle.run(include_str!("../../oracle/metrics.sql")).await;
        eprintln!("metrics of {from} to {to}: {:.1} s since the first", begun.elapsed().as_secs_f64());
    }
    begun.elapsed().as_secs_f64()
}

/// What the Collections Board shows of its range and of D, but for its tiles' trends.
async fn collections(whole: &Whole, question: &Question) -> f64 {
    let begun = Instant::now();
    let mut oracle = oracle(whole, question).await;
    oracle.range(question.date.saturating_sub(90.days()), question.date.saturating_sub(1.day())).await;
    for file in [
        include_str!("../../oracle/money.sql"),
        include_str!("../../oracle/care.sql"),
        include_str!("../../oracle/timeliness.sql"),
        include_str!("../../oracle/adjustments.sql"),
        include_str!("../../oracle/referrals.sql"),
        include_str!("../../oracle/claims.sql"),
        include_str!("../../oracle/aging.sql"),
        include_str!("../../oracle/receivables.sql"),
        include_str!("../../oracle/ar_days.sql"),
        include_str!("../../oracle/credits.sql"),
    ] {
        oracle.run(file).await;
    }
    begun.elapsed().as_secs_f64()
}

async fn oracle(whole: &Whole, question: &Question) -> Oracle {
    let now = question.now.strftime("%Y-%m-%d %H:%M:%S").to_string();
    Oracle::new(whole.pms.root(ID).await, question.date, &now).await
}
