//! What is computed ahead, so that nobody waits for it in the morning: after a run, each board as it is asked for first.
//!
//! One practice after another, one board after another, the one that is opened first in the morning first. It takes no
//! caller's turn: it begins a board while nobody is computing, and has a hand of its own.

use std::{sync::Arc, time::Duration};

use chairsync_proto::analytics::{
    GetCollectionsBoardRequest, GetMorningHuddleRequest, GetPerformanceBoardRequest, GetProviderPulseRequest,
    GetScheduleAnalysisRequest,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Analytics, COMPUTED_AT_ONCE};

/// How long a board waits until nobody is computing; then it is left to its first caller.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what a run brought may take to be followed here.
const FOLLOWED: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A board, as it is asked for first.
#[derive(Debug, Clone, Copy)]
enum Board {
    Huddle,
    Performance,
    Collections,
    Pulse,
    Schedule,
}

/// The boards in the order in which they are computed.
const BOARDS: [Board; 5] = [Board::Huddle, Board::Performance, Board::Collections, Board::Pulse, Board::Schedule];

impl Analytics {
    /// Computes the boards of each practice whose run has finished, until `finished` ends.
    pub async fn keep_warm(self, mut finished: mpsc::Receiver<String>, shutdown: CancellationToken) {
        loop {
            let id = tokio::select! {
                _ = shutdown.cancelled() => return,
                id = finished.recv() => match id {
                    Some(id) => id,
                    None => return,
                },
            };
            tokio::select! {
                _ = shutdown.cancelled() => return,
                () = self.warm(&id) => {}
            }
        }
    }

    async fn warm(&self, id: &str) {
        // The memory is everybody's, the hand is not.
        let warmer = Self { hands: Arc::new(Semaphore::new(1)), ..self.clone() };
        if let Err(status) = self.followed(id).await {
            return tracing::debug!(code = ?status.code(), "no answers are computed ahead");
        }
        for board in BOARDS {
            if !self.idle().await {
                return tracing::debug!(?board, "callers are busy: the rest is left to them");
            }
            if let Err(status) = warmer.ask(id, board).await {
                tracing::debug!(?board, code = ?status.code(), "an answer was not computed ahead");
            }
        }
    }

    /// Waits until what sync-state has accepted of a practice is what callers see.
    async fn followed(&self, id: &str) -> Result<(), Status> {
        let accepted = self.states.ask(id).await?;
        let until = Instant::now() + FOLLOWED;
        while Instant::now() < until && self.states.get(id).await?.datasets != accepted.datasets {
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Waits until nobody computes; false when that takes too long.
    async fn idle(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        while self.hands.available_permits() < COMPUTED_AT_ONCE {
            if Instant::now() >= until {
                return false;
            }
            sleep(PAUSE).await;
        }
        true
    }

    /// Asks for a board as a caller does who says nothing but the practice.
    async fn ask(&self, id: &str, board: Board) -> Result<(), Status> {
        let practice = format!("practices/{id}");
        match board {
            Board::Huddle => {
                self.morning_huddle(GetMorningHuddleRequest { practice, ..Default::default() }).await.map(drop)
            }
            Board::Performance => {
                self.performance_board(GetPerformanceBoardRequest { practice, ..Default::default() }).await.map(drop)
            }
            Board::Collections => {
                self.collections_board(GetCollectionsBoardRequest { practice, ..Default::default() }).await.map(drop)
            }
            Board::Pulse => {
                self.provider_pulse(GetProviderPulseRequest { practice, ..Default::default() }).await.map(drop)
            }
            Board::Schedule => {
                self.analysed_schedule(GetScheduleAnalysisRequest { practice, ..Default::default() }).await.map(drop)
            }
        }
    }
}
