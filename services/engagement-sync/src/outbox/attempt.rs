//! One attempt at one write, while its lease is held: look where it may be there already, say SENDING, write, say how it went.

use std::time::Duration;

use chairsync_proto::{
    pms::{WriteContent, WriteOutcome, WriteResponse, WriteStep},
    practice::Practice,
    state::{
        ClaimedWrite, Lease, ReportWriteRequest, WriteFailure, WriteSending, WriteSent, WriteVerified,
        report_write_request::Report,
    },
};
use mesh::{ErrorReason, backoff::Backoff};
use prost::Message as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};
use tracing::{info, warn};

use super::{
    Worker,
    verdict::{self, Verdict},
};
use crate::lease::{self, Held};

/// How long one call to pms-connector may take: the PMS's own minute, and looking before and after.
const WRITE_LIMIT: Duration = Duration::from_secs(90);
/// Between two looks for a write that may still arrive.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const REPORT_LIMIT: Duration = Duration::from_secs(5);
const REPORT_RETRY: Duration = Duration::from_millis(100);
/// How long what is on its way may still take once the service stops.
const GRACE: Duration = Duration::from_secs(4);

/// Sees a claimed write through as far as it goes now.
pub(super) async fn run(worker: Worker, claimed: ClaimedWrite, stop: CancellationToken) {
    let (Some(lease), Some(write), Some(practice)) = (claimed.lease, claimed.write, claimed.practice) else {
        warn!("sync-state left a claimed write's lease or practice out");
        return;
    };
    let held = Held::start(worker.state.clone(), lease.clone(), worker.lease);
    let attempt = Attempt { worker: &worker, lease: &lease, practice: &practice, key: write.request_id };
    let stopped = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let done = tokio::select! {
        () = held.lost() => {
            metrics::counter!("chairsync_outbox_leases_lost_total").increment(1);
            return;
        }
        done = attempt.run(&claimed.body, claimed.read_back, &stop) => done,
        () = stopped => Err(Interrupted::Stopped),
    };
    match done {
        Ok(()) => {}
        Err(Interrupted::Stopped) => lease::release(worker.state.clone(), &lease).await,
        Err(Interrupted::LeaseLost) => info!(write = %lease.resource, "a write's lease was lost"),
    }
}

/// Why an attempt ended without having said how the write went.
enum Interrupted {
    /// The service stops.
    Stopped,
    /// Somebody else has the write now.
    LeaseLost,
}

struct Attempt<'a> {
    worker: &'a Worker,
    lease: &'a Lease,
    practice: &'a Practice,
    key: String,
}

impl Attempt<'_> {
    async fn run(&self, body: &[u8], read_back: bool, stop: &CancellationToken) -> Result<(), Interrupted> {
        let Ok(content) = WriteContent::decode(body) else {
            let message = "what is to be written cannot be read: it was enqueued by something else";
            let failure = WriteFailure { reason: ErrorReason::WriteRejected.into(), message: message.to_owned() };
            return self.report(Report::Rejected(failure)).await;
        };
        if read_back && self.found(&content, stop).await? {
            return Ok(());
        }
        if stop.is_cancelled() {
            return Err(Interrupted::Stopped);
        }
        self.report(Report::Sending(WriteSending {})).await?;
        let verdict = match self.write(&content, WriteStep::Apply, read_back).await {
            Ok(answer) => match answer.outcome() {
                WriteOutcome::Found | WriteOutcome::Verified => Verdict::Verified(answer.key),
                WriteOutcome::Taken => {
                    self.report(Report::Sent(WriteSent { pms_key: answer.key })).await?;
                    Verdict::unknown("the PMS took the write; reading it back failed and is tried again")
                }
                WriteOutcome::Absent | WriteOutcome::Unspecified => Verdict::unknown("the connector answered oddly"),
            },
            Err(status) => verdict::of(&status),
        };
        self.end(verdict).await
    }

    /// Looks for what an earlier attempt may have written, for as long as the PMS may still be busy with it. True when the
    /// write has ended, or waits to be looked for again.
    async fn found(&self, content: &WriteContent, stop: &CancellationToken) -> Result<bool, Interrupted> {
        let until = Instant::now() + self.worker.settle;
        loop {
            // Whoever looks at the very end still looks after the PMS was done.
            let last = Instant::now() >= until;
            match self.write(content, WriteStep::Look, true).await {
                Ok(answer) if answer.outcome() == WriteOutcome::Absent => {}
                Ok(answer) => {
                    self.end(Verdict::Verified(answer.key)).await?;
                    return Ok(true);
                }
                Err(status) => {
                    // It was not looked for to the end: whatever the reason, it may be there.
                    self.end(verdict::of(&status).perhaps_there()).await?;
                    return Ok(true);
                }
            }
            if last {
                return Ok(false);
            }
            tokio::select! {
                () = tokio::time::sleep_until(until.min(Instant::now() + LOOK_EVERY)) => {}
                () = stop.cancelled() => return Err(Interrupted::Stopped),
            }
        }
    }

    async fn write(&self, content: &WriteContent, step: WriteStep, sent: bool) -> Result<WriteResponse, Status> {
        self.worker.pms.write(self.practice, &self.key, content.clone(), step, sent, WRITE_LIMIT).await
    }

    async fn end(&self, verdict: Verdict) -> Result<(), Interrupted> {
        metrics::counter!("chairsync_outbox_attempts_total", "outcome" => verdict.name()).increment(1);
        self.report(match verdict {
            Verdict::Verified(pms_key) => Report::Verified(WriteVerified { pms_key }),
            Verdict::Conflict(failure) => Report::Conflict(failure),
            Verdict::Rejected(failure) => Report::Rejected(failure),
            Verdict::Retry(retry) => Report::Retry(retry),
        })
        .await
    }

    /// Reports, again and again while the lease may be held: repeating a report is harmless, losing one repeats work.
    async fn report(&self, report: Report) -> Result<(), Interrupted> {
        let mut waits = Backoff::forever(REPORT_RETRY, Duration::from_secs(2));
        loop {
            let mut request = Request::new(ReportWriteRequest {
                write: self.lease.resource.clone(),
                epoch: self.lease.epoch,
                report: Some(report.clone()),
            });
            request.set_timeout(REPORT_LIMIT);
            match tokio::time::timeout(REPORT_LIMIT, self.worker.state.clone().report_write(request)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(status)) if lease::is_lost(&status) => return Err(Interrupted::LeaseLost),
                Ok(Err(status)) if matches!(status.code(), Code::InvalidArgument | Code::FailedPrecondition) => {
                    warn!(write = %self.lease.resource, code = ?status.code(), "a report on a write was refused");
                    return Err(Interrupted::LeaseLost);
                }
                Ok(Err(_)) | Err(_) => tokio::time::sleep(waits.next().unwrap_or(REPORT_RETRY)).await,
            }
        }
    }
}
