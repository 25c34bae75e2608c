//! A report on its way to its caller: the query runs in a task of its own, a few parts ahead of the reader at most.
//!
//! When the reader goes away, the task and with it the query end; when the query fails, the stream ends with an error. A
//! stream that ends without either has sent its end part.

use std::time::Duration;

use arrow::array::RecordBatch;
use chairsync_proto::analytics::{ReportEnd, ReportFormat, ReportRows, run_report_response::Part};
use datafusion::error::DataFusionError;
use futures::{StreamExt as _, stream, stream::BoxStream};
use mesh::{ErrorReason, Refusal};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Status};

use super::{
    files::{self, FileWriter},
    list::Report,
    messages,
    rows::Batches,
    shape::Shape,
};
use crate::books::BooksError;

/// The parts that may wait for the reader.
const PARTS_AHEAD: usize = 4;
/// The rows of a part.
const PART_ROWS: usize = 500;
/// The bytes of a file's part.
const PART_BYTES: usize = 128 << 10;
/// How long a reader may take nothing before its report is dropped.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// Why sending ended early.
#[derive(Debug)]
enum Ended {
    /// The rows could not be read or written.
    Failed(BooksError),
    /// The reader is gone: nobody hears why.
    Gone,
    /// The reader takes nothing.
    Stalled,
}

impl From<BooksError> for Ended {
    fn from(error: BooksError) -> Self {
        Ended::Failed(error)
    }
}

impl From<DataFusionError> for Ended {
    fn from(error: DataFusionError) -> Self {
        Ended::Failed(error.into())
    }
}

/// What a report is sent as.
pub struct Sending {
    /// The report.
    pub report: &'static Report,
    /// The form of the answer.
    pub format: ReportFormat,
    /// The code of the practice's currency.
    pub currency: String,
}

impl Sending {
    /// Sends `rows` and the end after `head`. `hand` is held until the query has ended; `refusal` makes errors fit to be
    /// shown.
    pub fn stream<H: Send + 'static>(
        self,
        head: Part,
        rows: Batches,
        hand: H,
        refusal: fn(BooksError) -> Status,
    ) -> BoxStream<'static, Result<Part, Status>> {
        let (parts, received) = mpsc::channel(PARTS_AHEAD);
        let work = tokio::spawn(async move {
            let _hand = hand;
            match self.send(head, rows, &parts).await {
                Ok(()) | Err(Ended::Gone) => Ok(()),
                Err(Ended::Failed(error)) => Err(refusal(error)),
                Err(Ended::Stalled) => Err(stalled()),
            }
        });
        let reading = Reading { parts: received, work: Some(AbortOnDropHandle::new(work)) };
        stream::unfold(reading, Reading::next).boxed()
    }

    async fn send(&self, head: Part, mut rows: Batches, parts: &mpsc::Sender<Part>) -> Result<(), Ended> {
        put(parts, head).await?;
        let mut shape = Shape::new(self.report);
        let mut file = files::writer(self.format, &shape.schema())?;
        let mut bytes = 0;
        while let Some(batch) = rows.next().await {
            let batch = shape.take(&batch?)?;
            match &mut file {
                Some(file) => bytes += put_bytes(parts, file.write(&batch)?).await?,
                None => self.put_rows(parts, &batch).await?,
            }
        }
        drop(rows);
        if let Some(file) = file {
            bytes += put_bytes(parts, FileWriter::finish(file)?).await?;
        }
        let end = ReportEnd { totals: Some(shape.totals(&self.currency)), row_count: shape.rows(), byte_count: bytes };
        put(parts, Part::End(end)).await
    }

    async fn put_rows(&self, parts: &mpsc::Sender<Part>, batch: &RecordBatch) -> Result<(), Ended> {
        for start in (0..batch.num_rows()).step_by(PART_ROWS) {
            let rows = messages::rows(self.report.columns, batch, start, PART_ROWS, &self.currency);
            put(parts, Part::Rows(ReportRows { rows })).await?;
        }
        Ok(())
    }
}

async fn put_bytes(parts: &mpsc::Sender<Part>, bytes: Vec<u8>) -> Result<i64, Ended> {
    let mut left = bytes::Bytes::from(bytes);
    let count = i64::try_from(left.len()).unwrap_or(i64::MAX);
    while !left.is_empty() {
        put(parts, Part::Data(left.split_to(left.len().min(PART_BYTES)))).await?;
    }
    Ok(count)
}

async fn put(parts: &mpsc::Sender<Part>, part: Part) -> Result<(), Ended> {
    match tokio::time::timeout(STALL_LIMIT, parts.send(part)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Ended::Gone),
        Err(_) => Err(Ended::Stalled),
    }
}

fn stalled() -> Status {
    let message = format!("the report was not read for {} s; ask again and read it at once", STALL_LIMIT.as_secs());
    Refusal::new(Code::DeadlineExceeded, ErrorReason::DeadlineExceeded, message).into()
}

/// The reader's side. Dropping it ends the work.
struct Reading {
    parts: mpsc::Receiver<Part>,
    work: Option<AbortOnDropHandle<Result<(), Status>>>,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<Part, Status>, Self)> {
        if let Some(part) = self.parts.recv().await {
            return Some((Ok(part), self));
        }
        match self.work.take()?.await {
            Ok(Ok(())) => None,
            Ok(Err(status)) => Some((Err(status), self)),
            Err(_) => Some((Err(Refusal::internal("the report could not be sent").into()), self)),
        }
    }
}
