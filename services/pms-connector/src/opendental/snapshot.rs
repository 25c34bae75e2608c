//! A snapshot: each dataset in key order, in chunks that are short transactions of their own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use chairsync_proto::pms::{
    DatasetCount, SnapshotChunk, SnapshotDataset, SnapshotResponse, SnapshotStart, snapshot_response::Part,
};
use futures::{StreamExt as _, stream};
use mesh::{Refusal, datasets::Dataset};
use mysql_async::{Params, prelude::Queryable as _};
use tokio::sync::mpsc;

use super::{
    OpenDental,
    changed::{Bookmark, Positions, Since, page, tracked},
    dataset,
    faults::within,
    horizon::horizon,
    lineage::{Lineage, tables_are_not_anew},
    rows::{BATCH_BYTES, Batcher, RowKey, Selection, key},
    session::{ANSWER_LIMIT, Session},
    tables::Table,
    token::{Mark, Position, Resume},
};
use crate::connector::SnapshotStream;

/// Chunks read ahead of the caller.
const AHEAD: usize = 2;
/// What a chunk should take the server.
const CHUNK_TIME: Duration = Duration::from_millis(500);
/// The first chunk of a dataset.
const FIRST_ROWS: u32 = 2_000;
/// However slow the server, a chunk has as many rows.
const LEAST_ROWS: u32 = 500;
/// Rows up to which a table is counted instead of estimated.
const COUNTED_ROWS: i64 = 20_000;
/// A row that takes so many times what the best ones took shows a server at its limit.
const SLOWED: f64 = 3.0;
/// The longest rest between chunks.
const REST_LIMIT: Duration = Duration::from_secs(5);

/// A dataset to read.
struct Wanted {
    dataset: &'static Dataset,
    /// None: the table is missing and no feature needs it.
    table: Option<Table>,
    mark: Mark,
    /// Set: only what changed since then.
    since: Option<Since>,
}

/// Rows read together.
struct Piece {
    dataset: &'static Dataset,
    batch: RecordBatch,
    token: String,
    last: bool,
}

impl OpenDental {
    /// Starts a snapshot.
    pub(super) async fn read_datasets(
        self: Arc<Self>,
        datasets: Vec<SnapshotDataset>,
    ) -> Result<SnapshotStream, Refusal> {
        let (mut wanted, mut oldest) = (Vec::new(), None);
        let mut lease = self.bulk.lease().await?;
        // What the tables are now: an update of the PMS may have added columns since they were looked at.
        self.forget_catalog();
        let catalog = self.catalog(&mut lease).await?;
        let fingerprint = lease.fingerprint.clone();
        for (place, part) in datasets.iter().enumerate() {
            let field = format!("datasets[{place}]");
            let dataset = dataset(format!("{field}.dataset"), &part.dataset)?;
            let mark = match part.resume_token.as_str() {
                "" => None,
                token => Some(Resume::read(&format!("{field}.resume_token"), token, &fingerprint, dataset)?),
            };
            oldest = oldest.into_iter().chain(mark.and_then(|m| m.time)).min();
            let table = catalog.readable(dataset)?.cloned();
            if table.is_none() {
                tracing::warn!(dataset = dataset.name, "the PMS has no such table: the dataset is empty");
            }
            wanted.push((dataset, table, mark));
        }
        if let Some(oldest) = oldest {
            tables_are_not_anew(&mut lease, &catalog, oldest).await?;
        }
        // The position comes first: what a chunk reads too early, the changes from there on repair.
        let horizon = horizon(&mut lease).await?;
        let history = Lineage::take(&mut lease, &catalog, horizon, None).await?;
        let mut positions = Positions::default();
        let mut sinces = Vec::new();
        for part in &datasets {
            let dataset = dataset("datasets.dataset", &part.dataset)?;
            sinces.push(match part.changed_since.as_str() {
                "" => None,
                position => Some(positions.since(&mut lease, &catalog, horizon, dataset, position).await?),
            });
        }
        let begin = |mark: Option<Mark>| Mark { time: Some(horizon.now()), ..mark.unwrap_or_default() };
        let wanted: Vec<_> = wanted
            .into_iter()
            .zip(sinces)
            .map(|((dataset, table, mark), since)| Wanted { dataset, table, mark: begin(mark), since })
            .collect();
        let mut counts = Vec::new();
        for part in &wanted {
            let rows = match &part.table {
                Some(table) => count(&mut lease, table).await?,
                None => 0,
            };
            let missing = part.table.iter().flat_map(Table::missing).map(str::to_owned).collect();
            counts.push(DatasetCount {
                dataset: part.dataset.name.to_owned(),
                rows,
                change_tracked: part.table.as_ref().is_some_and(|table| tracked(table).is_some()),
                missing_columns: missing,
            });
        }
        lease.keep();
        let start = SnapshotStart {
            position: Position::new(&fingerprint, horizon.now(), horizon.low, Default::default(), history).text(),
            fingerprint: fingerprint.clone(),
            server_time: Some(horizon.timestamp()),
            counts,
        };
        let (send, receive) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            tokio::select! {
                () = send.closed() => {}
                ended = self.read_all(wanted, &fingerprint, &send) => {
                    if let Err(refusal) = ended {
                        self.forget_catalog();
                        // When nobody listens any more, nobody needs to know.
                        let _ = send.send(Err(refusal)).await;
                    }
                }
            }
        });
        let start = stream::once(async move { Ok(SnapshotResponse { part: Some(Part::Start(start)) }) });
        let chunks = tokio_stream::wrappers::ReceiverStream::new(receive);
        Ok(start.chain(chunks.map(|piece| piece.and_then(encoded))).boxed())
    }

    async fn read_all(
        &self,
        wanted: Vec<Wanted>,
        fingerprint: &str,
        to: &mpsc::Sender<Result<Piece, Refusal>>,
    ) -> Result<(), Refusal> {
        for part in wanted {
            let dataset = part.dataset;
            if let Some(since) = part.since {
                self.read_changed(dataset, part.table, since, fingerprint, to).await?;
                continue;
            }
            match part.table.filter(|_| !part.mark.end) {
                Some(table) => self.read_dataset(&table, part.mark, fingerprint, to).await?,
                None => {
                    let batch = RecordBatch::new_empty(mesh::datasets::schema(dataset));
                    let token = Resume::new(fingerprint, dataset, Mark { end: true, ..part.mark }).text();
                    let _ = to.send(Ok(Piece { dataset, batch, token, last: true })).await;
                }
            }
        }
        Ok(())
    }

    /// Sends what changed of a dataset, and a last piece without rows.
    async fn read_changed(
        &self,
        dataset: &'static Dataset,
        table: Option<Table>,
        since: Since,
        fingerprint: &str,
        to: &mpsc::Sender<Result<Piece, Refusal>>,
    ) -> Result<(), Refusal> {
        if let Some((table, change)) = table.as_ref().and_then(|table| Some((table, tracked(table)?))) {
            let selection = Arc::new(Selection::of(table));
            let mut tempo = Tempo::new(self.pace.chunk_rows);
            let mut from = Some(Bookmark::default());
            while let Some(bookmark) = from {
                let mut lease = self.bulk.lease().await?;
                if lease.fingerprint != fingerprint {
                    return Err(super::faults::source_changed());
                }
                let page = page(&mut lease, &selection, table, (change, since), bookmark, tempo.rows).await?;
                let rest = tempo.chunk_took(page.rows, page.took);
                lease.keep();
                for batch in page.batches {
                    if to.send(Ok(Piece { dataset, batch, token: String::new(), last: false })).await.is_err() {
                        return Ok(());
                    }
                }
                from = page.next;
                tokio::time::sleep(if from.is_some() { rest } else { Duration::ZERO }).await;
            }
        }
        let batch = RecordBatch::new_empty(mesh::datasets::schema(dataset));
        let _ = to.send(Ok(Piece { dataset, batch, token: String::new(), last: true })).await;
        Ok(())
    }

    async fn read_dataset(
        &self,
        table: &Table,
        mut mark: Mark,
        fingerprint: &str,
        to: &mpsc::Sender<Result<Piece, Refusal>>,
    ) -> Result<(), Refusal> {
        let dataset = table.dataset;
        let selection = Arc::new(Selection::of(table));
        let mut tempo = Tempo::new(self.pace.chunk_rows);
        loop {
            let mut lease = self.bulk.lease().await?;
            if lease.fingerprint != fingerprint {
                return Err(super::faults::source_changed());
            }
            // A table keyed by name is small and read at once.
            let limit = dataset.has_numeric_key().then_some(tempo.rows);
            let begun = Instant::now();
            let (batches, rows) = chunk(&mut lease, table, &selection, mark.after, limit).await?;
            let rest = tempo.chunk_took(rows, begun.elapsed());
            lease.keep();
            let last = limit.is_none_or(|limit| rows < u64::from(limit));
            let parts = batches.len();
            for (part, (batch, key)) in batches.into_iter().enumerate() {
                mark.after = key.or(mark.after);
                mark.end = last && part + 1 == parts;
                let (token, last) = (Resume::new(fingerprint, dataset, mark).text(), mark.end);
                if to.send(Ok(Piece { dataset, batch, token, last })).await.is_err() {
                    return Ok(());
                }
            }
            if last {
                return Ok(());
            }
            tokio::time::sleep(rest).await;
        }
    }
}

/// Reads the rows after a key, cut into batches of a bounded size, each with its last key. At least one batch.
async fn chunk(
    session: &mut Session,
    table: &Table,
    selection: &Arc<Selection>,
    after: Option<i64>,
    limit: Option<u32>,
) -> Result<(Vec<(RecordBatch, Option<i64>)>, u64), Refusal> {
    let (columns, name, by) = (&selection.columns, table.sql(), table.key());
    let (sql, params) = match (after, limit) {
        (_, None) => (format!("SELECT {columns} FROM {name} ORDER BY {by}"), Params::Empty),
        (None, Some(limit)) => {
            (format!("SELECT {columns} FROM {name} ORDER BY {by} LIMIT ?"), Params::Positional(vec![limit.into()]))
        }
        (Some(after), Some(limit)) => (
            format!("SELECT {columns} FROM {name} WHERE {by} > ? ORDER BY {by} LIMIT ?"),
            Params::Positional(vec![after.into(), limit.into()]),
        ),
    };
    let mut batcher = Batcher::new(Arc::clone(selection), limit.map_or(1_000, |l| l as usize));
    let (mut batches, mut rows, mut last_key) = (Vec::new(), 0, None);
    let mut fault = None;
    let reading = async {
        let mut result = session.conn.exec_iter(sql, params).await?;
        result
            .for_each(|row| {
                if let Some(RowKey::Number(number)) = key(&row) {
                    last_key = Some(number);
                }
                batcher.push(&row);
                rows += 1;
                if batcher.bytes() >= BATCH_BYTES {
                    match batcher.finish() {
                        Ok(batch) => batches.push((batch, last_key)),
                        Err(refusal) => fault = Some(refusal),
                    }
                }
            })
            .await?;
        result.drop_result().await
    };
    within(ANSWER_LIMIT, reading).await?;
    if let Some(refusal) = fault {
        return Err(refusal);
    }
    if batcher.rows() > 0 || batches.is_empty() {
        batches.push((batcher.finish()?, last_key));
    }
    Ok((batches, rows))
}

/// How large the next chunk is, and how long to rest before it.
#[derive(Debug)]
struct Tempo {
    rows: u32,
    most: u32,
    /// Seconds a row took at best.
    best: f64,
}

impl Tempo {
    fn new(most: u32) -> Self {
        Self { rows: FIRST_ROWS.min(most), most, best: f64::INFINITY }
    }

    fn chunk_took(&mut self, rows: u64, took: Duration) -> Duration {
        if rows < u64::from(FIRST_ROWS / 4) {
            return Duration::ZERO;
        }
        if took > CHUNK_TIME {
            self.rows = (self.rows / 2).max(LEAST_ROWS);
        } else if took < CHUNK_TIME / 2 {
            self.rows = (self.rows * 2).min(self.most);
        }
        #[allow(clippy::cast_precision_loss)] // a chunk's rows
        let each = took.as_secs_f64() / rows as f64;
        self.best = self.best.min(each);
        // A server that has slowed gets as long a rest as it worked beyond its best.
        if each > self.best * SLOWED { took.mul_f64(1.0 - self.best / each).min(REST_LIMIT) } else { Duration::ZERO }
    }
}

/// A table's rows: counted when it is small, else as the server estimates.
async fn count(session: &mut Session, table: &Table) -> Result<i64, Refusal> {
    let exact = table.estimated_rows <= COUNTED_ROWS || table.engine.eq_ignore_ascii_case("myisam");
    if !exact {
        return Ok(table.estimated_rows);
    }
    let query = session.conn.query_first::<i64, _>(format!("SELECT COUNT(*) FROM {}", table.sql()));
    Ok(within(ANSWER_LIMIT, query).await?.unwrap_or_default())
}

fn encoded(piece: Piece) -> Result<SnapshotResponse, Refusal> {
    let chunk = SnapshotChunk {
        dataset: piece.dataset.name.to_owned(),
        rows: i64::try_from(piece.batch.num_rows()).unwrap_or(i64::MAX),
        arrow_ipc: super::rows::encode(&piece.batch)?,
        resume_token: piece.token,
        last: piece.last,
    };
    Ok(SnapshotResponse { part: Some(Part::Chunk(chunk)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_grow_on_a_fast_server_and_shrink_on_a_slow_one() {
        let mut tempo = Tempo::new(50_000);
        for _ in 0..10 {
            let rows = u64::from(tempo.rows);
            assert_eq!(tempo.chunk_took(rows, Duration::from_micros(rows * 3)), Duration::ZERO);
        }
        assert_eq!(tempo.rows, 50_000);
        let rest = tempo.chunk_took(50_000, Duration::from_secs(2));
        assert!(rest > Duration::from_secs(1) && rest < Duration::from_secs(2), "{rest:?}");
        for _ in 0..10 {
            tempo.chunk_took(u64::from(tempo.rows), Duration::from_secs(2));
        }
        assert_eq!(tempo.rows, LEAST_ROWS);
    }
}
