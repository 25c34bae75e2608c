//! Changes by polling, right on its own: each poll reads everything stamped since a moment before which all commits are
//! known to be visible, sends what it has not sent, and keys are compared now and then to find what left no trace.
//!
//! 1. Before a table is read, [`super::horizon`] says which stamps can still appear: the oldest transaction or statement
//!    at work, or a fixed look-back where the user may not see them.
//! 2. Rows stamped at or after the table's low mark are read, all of them, by `(stamp, key)`; those whose contents were
//!    sent already are dropped. Then the low mark moves to the horizon.
//! 3. Tables without a change column are read whole and compared by hash.
//! 4. Deletes: count and checksums of all keys against those known; where they differ, by range; where a range differs,
//!    its keys are listed.
//!
//! A table that takes long is asked less often, so that following it costs the server at most a twentieth of its time.

mod keys;
mod table;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chairsync_proto::pms::{ChangeBatch, ChangesOpened, ChangesProgress, ChangesResponse, changes_response::Part};
use futures::StreamExt as _;
use mesh::Refusal;

use self::table::{Followed, Found};
use super::{
    OpenDental, dataset,
    faults::source_changed,
    horizon::{BLIND_LOOK_BACK, Horizon, horizon, timestamp},
    rows::encode,
    token::Position,
};
use crate::connector::ChangesStream;

/// A table that took so long is not asked again for so many times as long.
const COST: u32 = 20;
/// The server's clock may be set back by this much before its positions are distrusted, in seconds.
const CLOCK_SLACK: i64 = 120;
/// Keys of deleted rows in one message.
const DELETED_LIMIT: usize = 50_000;

/// A table and when it is due.
struct Due {
    followed: Followed,
    poll: Instant,
    reconcile: Instant,
    /// The server's time of the last poll, in microseconds of the epoch.
    through: i64,
}

impl OpenDental {
    /// Starts to follow datasets.
    pub(super) async fn follow(
        self: Arc<Self>,
        position: String,
        datasets: Vec<String>,
    ) -> Result<ChangesStream, Refusal> {
        let mut wanted = Vec::new();
        for (place, name) in datasets.iter().enumerate() {
            wanted.push(dataset(format!("datasets[{place}]"), name)?);
        }
        let mut lease = self.bulk.lease().await?;
        let catalog = self.catalog(&mut lease).await?;
        let fingerprint = lease.fingerprint.clone();
        let begin = horizon(&mut lease).await?;
        let from = match position.as_str() {
            "" => None,
            text => Some(Position::read(text, &fingerprint)?),
        };
        if from.as_ref().is_some_and(|p| begin.now() + CLOCK_SLACK < p.t) {
            return Err(source_changed());
        }
        let now = Instant::now();
        let mut tables = Vec::new();
        for dataset in wanted {
            let Some(table) = catalog.readable(dataset)? else {
                tracing::warn!(dataset = dataset.name, "the PMS has no such table: it never changes");
                continue;
            };
            let low = from.as_ref().map_or(begin.low, |p| p.low(dataset));
            let followed = Followed::new(table.clone(), low);
            tables.push(Due { followed, poll: now, reconcile: now + self.pace.reconcile, through: begin.now_micros });
        }
        lease.keep();
        let mode = match begin.now() - begin.low == BLIND_LOOK_BACK {
            true => "polling with a fixed look-back of ten minutes: the user may not see transactions (PROCESS)",
            false => "polling: the binlog is not followed by this version",
        };
        let opened = ChangesOpened { mode: mode.to_owned(), fingerprint: fingerprint.clone() };
        Ok(self.stream(tables, opened, from.is_none(), begin).boxed())
    }

    fn stream(
        self: Arc<Self>,
        mut tables: Vec<Due>,
        opened: ChangesOpened,
        from_now: bool,
        begin: Horizon,
    ) -> impl futures::Stream<Item = Result<ChangesResponse, Refusal>> + Send + 'static {
        async_stream::try_stream! {
            let fingerprint = opened.fingerprint.clone();
            for due in &mut tables {
                let mut lease = self.bulk.lease().await?;
                due.followed.take_baseline(&mut lease, from_now).await?;
                lease.keep();
            }
            yield ChangesResponse { part: Some(Part::Opened(opened)) };
            let mut newest = begin;
            loop {
                let mut worked = Duration::ZERO;
                // Asked once for all: an older horizon is a safe one.
                newest = self.look(&fingerprint, newest).await?;
                for due in &mut tables {
                    if due.poll > Instant::now() {
                        continue;
                    }
                    let begun = Instant::now();
                    let found = self.poll(due, &fingerprint, newest).await?;
                    for part in messages(&due.followed, found)? {
                        yield part;
                    }
                    worked += begun.elapsed();
                }
                let progress = ChangesProgress {
                    position: position(&tables, &fingerprint, newest).text(),
                    synced_through: Some(timestamp(
                        tables.iter().map(|t| t.through).min().unwrap_or(newest.now_micros),
                    )),
                };
                yield ChangesResponse { part: Some(Part::Progress(progress)) };
                let next = tables.iter().map(|t| t.poll).min();
                let rest = next.map_or(self.pace.poll, |at| at.saturating_duration_since(Instant::now()));
                // Never back to back, however slow the server.
                tokio::time::sleep(rest.max(worked.min(self.pace.poll)).min(self.pace.poll)).await;
            }
        }
    }

    /// The horizon of a pass over the tables.
    async fn look(&self, fingerprint: &str, before: Horizon) -> Result<Horizon, Refusal> {
        let mut lease = self.bulk.lease().await?;
        let seen = horizon(&mut lease).await?;
        if lease.fingerprint != fingerprint || seen.now() + CLOCK_SLACK < before.now() {
            return Err(source_changed());
        }
        lease.keep();
        Ok(seen)
    }

    /// Polls one table, and compares its keys when that is due.
    async fn poll(&self, due: &mut Due, fingerprint: &str, seen: Horizon) -> Result<Found, Refusal> {
        let mut lease = self.bulk.lease().await?;
        if lease.fingerprint != fingerprint {
            return Err(source_changed());
        }
        let begun = Instant::now();
        let polled = due.followed.poll(&mut lease, seen.low).await;
        let mut found = polled.inspect_err(|_| self.forget_catalog())?;
        let took = begun.elapsed();
        due.poll = Instant::now() + self.pace.poll.max(took * COST);
        due.through = seen.now_micros;
        if due.reconcile <= Instant::now() {
            let begun = Instant::now();
            let compared = due.followed.reconcile(&mut lease).await?;
            found.upserts.extend(compared.upserts);
            found.deleted.extend(compared.deleted);
            due.reconcile = Instant::now() + self.pace.reconcile.max(begun.elapsed() * COST);
        }
        lease.keep();
        Ok(found)
    }
}

/// The position that all tables have reached.
fn position(tables: &[Due], fingerprint: &str, newest: Horizon) -> Position {
    let at = tables.iter().map(|t| t.followed.low).min().unwrap_or(newest.low);
    let low: BTreeMap<String, i64> = tables
        .iter()
        .filter(|t| t.followed.low > at)
        .map(|t| (t.followed.table.dataset.name.to_owned(), t.followed.low))
        .collect();
    Position::new(fingerprint, newest.now(), at, low)
}

/// Found changes as messages: rows first, then deletes.
fn messages(followed: &Followed, found: Found) -> Result<Vec<ChangesResponse>, Refusal> {
    let dataset = followed.table.dataset.name;
    let mut messages = Vec::new();
    let mut message = |batch| messages.push(ChangesResponse { part: Some(Part::Batch(batch)) });
    for batch in &found.upserts {
        message(ChangeBatch { dataset: dataset.to_owned(), arrow_ipc: encode(batch)?, deleted_keys: Vec::new() });
    }
    for keys in found.deleted.chunks(DELETED_LIMIT) {
        message(ChangeBatch {
            dataset: dataset.to_owned(),
            arrow_ipc: Default::default(),
            deleted_keys: keys.to_vec(),
        });
    }
    Ok(messages)
}
