//! What every kind of PMS can do. To add a PMS: implement this and open it in [`crate::sources`].

use std::sync::Arc;

use async_trait::async_trait;
use chairsync_proto::pms::{
    ChangesResponse, DescribeResponse, DigestRequest, DigestResponse, FetchResponse, Selector, SnapshotDataset,
    SnapshotResponse, WriteContent, WriteResponse, WriteStep,
};
use futures::{StreamExt as _, stream::BoxStream};
use mesh::{ErrorReason, Refusal};
use tonic::Code;

use crate::sample::SamplePractice;

/// A snapshot under way; dropping it stops the reading.
pub type SnapshotStream = BoxStream<'static, Result<SnapshotResponse, Refusal>>;
/// Changes as they happen; dropping it stops the following.
pub type ChangesStream = BoxStream<'static, Result<ChangesResponse, Refusal>>;

/// A write that is asked for. Holds patient data: it has no `Debug`.
#[allow(missing_debug_implementations)]
pub struct Write {
    /// The same key always stands for the same write.
    pub key: String,
    /// What is written.
    pub content: WriteContent,
    /// How far to go.
    pub step: WriteStep,
    /// An earlier attempt may have reached the PMS.
    pub perhaps_sent: bool,
}

/// A practice's PMS, read in the canonical columns. The promises are those of `PmsConnectorService`.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Says what is there.
    async fn describe(&self) -> Result<DescribeResponse, Refusal>;
    /// Streams datasets in key order.
    async fn snapshot(self: Arc<Self>, datasets: Vec<SnapshotDataset>) -> Result<SnapshotStream, Refusal>;
    /// Streams changes from a position on (empty: from now).
    async fn changes(self: Arc<Self>, position: String, datasets: Vec<String>) -> Result<ChangesStream, Refusal>;
    /// Reads single records now.
    async fn fetch(&self, selectors: Vec<Selector>) -> Result<FetchResponse, Refusal>;
    /// Counts and checksums keys by range.
    async fn digest(&self, request: DigestRequest) -> Result<DigestResponse, Refusal>;
    /// Writes once, or only looks whether it is written.
    async fn write(&self, write: Write) -> Result<WriteResponse, Refusal>;
}

#[async_trait]
impl Connector for SamplePractice {
    async fn describe(&self) -> Result<DescribeResponse, Refusal> {
        Ok(SamplePractice::describe(self))
    }

    async fn snapshot(self: Arc<Self>, datasets: Vec<SnapshotDataset>) -> Result<SnapshotStream, Refusal> {
        Ok(SamplePractice::snapshot(self, &datasets)?.boxed())
    }

    async fn changes(self: Arc<Self>, position: String, datasets: Vec<String>) -> Result<ChangesStream, Refusal> {
        Ok(SamplePractice::changes(self, &position, &datasets)?.boxed())
    }

    async fn fetch(&self, selectors: Vec<Selector>) -> Result<FetchResponse, Refusal> {
        SamplePractice::fetch(self, &selectors)
    }

    async fn digest(&self, request: DigestRequest) -> Result<DigestResponse, Refusal> {
        SamplePractice::digest(self, &request)
    }

    async fn write(&self, _: Write) -> Result<WriteResponse, Refusal> {
        let message = "the generated practice in memory takes no writes yet; load it into a MariaDB with `chairsync \
                       sample load` and write through an API";
        Err(Refusal::new(Code::Unimplemented, ErrorReason::NotBuilt, message))
    }
}
