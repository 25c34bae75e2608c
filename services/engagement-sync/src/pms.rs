//! Calls to pms-connector, each under a deadline, with rows already read.

use std::time::Duration;

use chairsync_proto::{
    pms::{
        ChangesRequest, ChangesResponse, DigestRequest, FetchRequest, KeyRange, RangeDigest, Selector, SnapshotDataset,
        SnapshotRequest, SnapshotResponse, WriteContent, WriteRequest, WriteResponse, WriteStep,
        pms_connector_service_client::PmsConnectorServiceClient,
    },
    practice::Practice,
};
use jiff::Timestamp;
use mesh::{ErrorReason, Refusal, calendar, datasets, transport::Channel};
use tonic::{Code, Request, Status, Streaming};

use crate::row::{Row, rows_of};

/// A message of rows; a family's whole ledger fits many times.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// How long a stream may take to begin.
const OPEN_LIMIT: Duration = Duration::from_secs(60);
/// How long a digest of one dataset may take.
const DIGEST_LIMIT: Duration = Duration::from_secs(300);
/// Selectors of one fetch, as the API allows.
const SELECTORS_MAX: usize = 64;

/// A client of pms-connector. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pms(PmsConnectorServiceClient<Channel>);

/// Rows as fetched.
#[derive(Debug)]
pub struct Fetched {
    /// The rows of all selectors.
    pub rows: Vec<Row>,
    /// The PMS's time when they were read.
    pub at: Timestamp,
}

impl Pms {
    /// A client on a channel.
    pub fn new(channel: Channel) -> Self {
        Self(PmsConnectorServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// Reads rows now.
    ///
    /// # Errors
    /// `PMS_TIMEOUT` past `limit`; `UPSTREAM_UNAVAILABLE` without a connector; else as the connector refuses.
    pub async fn fetch(
        &self,
        practice: &Practice,
        selectors: Vec<Selector>,
        limit: Duration,
    ) -> Result<Fetched, Refusal> {
        let mut fetched = Fetched { rows: Vec::new(), at: Timestamp::MAX };
        let work = async {
            for selectors in selectors.chunks(SELECTORS_MAX) {
                let mut request = Request::new(FetchRequest {
                    practice: practice.name.clone(),
                    source: practice.source.clone(),
                    selectors: selectors.to_vec(),
                });
                request.set_timeout(limit);
                let answer = self.0.clone().fetch(request).await.map_err(|status| refused(&status))?.into_inner();
                for part in &answer.rows {
                    if let Some(dataset) = datasets::get(&part.dataset) {
                        fetched.rows.extend(rows_of(dataset, &part.arrow_ipc)?);
                    }
                }
                let at = moment(answer.server_time).unwrap_or_else(Timestamp::now);
                fetched.at = fetched.at.min(at);
            }
            Ok::<_, Refusal>(())
        };
        tokio::time::timeout(limit, work).await.map_err(|_| timed_out())??;
        Ok(fetched)
    }

    /// Writes once, or only looks; the status is the connector's own.
    ///
    /// # Errors
    /// As the connector refuses; `DEADLINE_EXCEEDED` past `limit`.
    pub async fn write(
        &self,
        practice: &Practice,
        key: &str,
        content: WriteContent,
        step: WriteStep,
        perhaps_sent: bool,
        limit: Duration,
    ) -> Result<WriteResponse, Status> {
        let mut request = Request::new(WriteRequest {
            practice: practice.name.clone(),
            source: practice.source.clone(),
            idempotency_key: key.to_owned(),
            content: Some(content),
            step: step.into(),
            perhaps_sent,
        });
        request.set_timeout(limit);
        match tokio::time::timeout(limit, self.0.clone().write(request)).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(timed_out().into()),
        }
    }

    /// Opens a snapshot.
    ///
    /// # Errors
    /// As the connector refuses.
    pub async fn snapshot(
        &self,
        practice: &Practice,
        datasets: Vec<SnapshotDataset>,
    ) -> Result<Streaming<SnapshotResponse>, Refusal> {
        let (name, source) = (practice.name.clone(), practice.source.clone());
        opened(self.0.clone().snapshot(SnapshotRequest { practice: name, source, datasets })).await
    }

    /// Opens a change stream.
    ///
    /// # Errors
    /// As the connector refuses; `SOURCE_CHANGED` when the position is not of this source or no longer kept.
    pub async fn changes(
        &self,
        practice: &Practice,
        position: &str,
        datasets: Vec<String>,
    ) -> Result<Streaming<ChangesResponse>, Refusal> {
        let (name, source) = (practice.name.clone(), practice.source.clone());
        let position = position.to_owned();
        opened(self.0.clone().changes(ChangesRequest { practice: name, source, position, datasets })).await
    }

    /// Counts and checksums a dataset's keys; with ranges, lists their keys too.
    ///
    /// # Errors
    /// As the connector refuses.
    pub async fn digest(
        &self,
        practice: &Practice,
        dataset: &str,
        ranges: Vec<KeyRange>,
    ) -> Result<Vec<RangeDigest>, Refusal> {
        let mut request = Request::new(DigestRequest {
            practice: practice.name.clone(),
            source: practice.source.clone(),
            dataset: dataset.to_owned(),
            list_keys: !ranges.is_empty(),
            ranges,
            rows_per_range: 0,
            contents: false,
        });
        request.set_timeout(DIGEST_LIMIT);
        let answer = tokio::time::timeout(DIGEST_LIMIT, self.0.clone().digest(request)).await;
        let answer = answer.map_err(|_| timed_out())?.map_err(|status| refused(&status))?;
        Ok(answer.into_inner().ranges)
    }
}

async fn opened<T>(
    call: impl Future<Output = Result<tonic::Response<Streaming<T>>, Status>>,
) -> Result<Streaming<T>, Refusal> {
    let answer = tokio::time::timeout(OPEN_LIMIT, call).await.map_err(|_| timed_out())?;
    Ok(answer.map_err(|status| refused(&status))?.into_inner())
}

/// A connector's status as a refusal of ours: its code, reason and sentence, which hold no input.
pub fn refused(status: &Status) -> Refusal {
    let reason = mesh::error::reason_of(status).unwrap_or(match status.code() {
        Code::DeadlineExceeded | Code::Cancelled => ErrorReason::PmsTimeout,
        _ => ErrorReason::UpstreamUnavailable,
    });
    if matches!(reason, ErrorReason::PmsTimeout | ErrorReason::DeadlineExceeded) {
        return timed_out();
    }
    if reason == ErrorReason::UpstreamUnavailable {
        return Refusal::new(Code::Unavailable, reason, "pms-connector does not answer; it is tried again");
    }
    Refusal::new(status.code(), reason, status.message())
}

fn timed_out() -> Refusal {
    let message = "the PMS did not answer in time; its server may be busy or out of reach";
    Refusal::new(Code::DeadlineExceeded, ErrorReason::PmsTimeout, message)
}

/// A moment that another service told; `None` where it told none.
pub fn moment(told: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    told.and_then(|at| calendar::from_proto("time", &at).ok())
}
