//! Changes by polling, right on its own: each poll reads everything stamped since a moment before which all commits are
//! known to be visible, sends what it has not sent, and keys are compared now and then to find what left no trace.
//!
//! 1. Before a table is read, [`super::horizon`] says which stamps can still appear: the oldest transaction or statement
//!    at work, or a fixed look-back where the user may not see them.
//! 2. Rows stamped at or after the table's low mark are read, all of them, by `(stamp, key)`; those whose contents were
//!    sent already are dropped. Then the low mark moves to the horizon.
//! 3. Tables without a change column are read whole and compared by the hashes of blocks of rows.
//! 4. Deletes: count and checksums of all keys against those known; where they differ, by range; where a range differs,
//!    its keys are listed.
//!
//! A database whose history went back is not followed any further: [`super::lineage`] looks for that when the stream
//! begins, at each new connection, and whenever keys are compared.
//!
//! A table that takes long is asked less often, so that following it costs the server at most a twentieth of its time.

mod blocks;
mod keys;
mod packed;
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
    OpenDental, Pace, dataset,
    faults::source_changed,
    horizon::{BLIND_LOOK_BACK, CLOCK_SLACK, Horizon, horizon, timestamp},
    lineage::Lineage,
    rows::encode,
    token::Position,
};
use crate::connector::ChangesStream;

/// A table that took so long is not asked again for so many times as long.
const COST: u32 = 20;
/// A low mark below every stamp: the table is read whole.
const WHOLE: i64 = 0;
/// Keys of deleted rows in one message.
const DELETED_LIMIT: usize = 50_000;

/// A table and when it is due.
struct Due {
    followed: Followed,
    poll: Instant,
    reconcile: Instant,
    /// When the table was made, in seconds of the epoch, where the server knows that.
    made: Option<i64>,
    /// The server's time of the last poll, in microseconds of the epoch.
    through: i64,
}

/// What is done with a table, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Poll,
    Reconcile,
    Fetch,
}

/// How far the server is, and what was seen of its history.
struct Watch {
    newest: Horizon,
    history: Lineage,
    /// The session that looked last, by when it was opened: a database is not restored under a connection.
    seen_by: Instant,
    due: Instant,
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
        let before = from.as_ref().map(|p| &p.h);
        let history = Lineage::take(&mut lease, &catalog, begin, before).await?;
        let made = before.unwrap_or(&history).check(&mut lease, &catalog).await?;
        let now = Instant::now();
        let watch = Watch { history, seen_by: lease.opened, due: now + self.pace.reconcile, newest: begin };
        let mut tables = Vec::new();
        for dataset in wanted {
            let Some(table) = catalog.readable(dataset)? else {
                tracing::warn!(dataset = dataset.name, "the PMS has no such table: it never changes");
                continue;
            };
            let made = made.get(dataset.name).copied();
            let low = match &from {
                Some(from) if made.is_some_and(|made| made >= from.h.seen()) => WHOLE,
                Some(from) => from.low(dataset),
                None => begin.low,
            };
            let followed = Followed::new(table.clone(), low);
            tables.push(Due {
                followed,
                made,
                poll: now,
                reconcile: now + self.pace.reconcile,
                through: begin.now_micros,
            });
        }
        lease.keep();
        let mode = match begin.now() - begin.low == BLIND_LOOK_BACK {
            true => "polling with a fixed look-back of ten minutes: the user may not see transactions (PROCESS)",
            false => "polling: the binlog is not followed by this version",
        };
        let opened = ChangesOpened { mode: mode.to_owned(), fingerprint: fingerprint.clone() };
        Ok(self.stream(tables, opened, from.is_none(), watch).boxed())
    }

    fn stream(
        self: Arc<Self>,
        mut tables: Vec<Due>,
        opened: ChangesOpened,
        from_now: bool,
        mut watch: Watch,
    ) -> impl futures::Stream<Item = Result<ChangesResponse, Refusal>> + Send + 'static {
        async_stream::try_stream! {
            let fingerprint = opened.fingerprint.clone();
            for due in &mut tables {
                let mut lease = self.bulk.lease().await?;
                due.followed.take_baseline(&mut lease, from_now).await?;
                lease.keep();
            }
            yield ChangesResponse { part: Some(Part::Opened(opened)) };
            loop {
                let mut worked = Duration::ZERO;
                // Asked once for all: an older horizon is a safe one.
                self.look(&fingerprint, &mut watch, &mut tables).await?;
                for due in &mut tables {
                    if due.poll > Instant::now() {
                        continue;
                    }
                    let (mut step, mut took) = (Step::Poll, Duration::ZERO);
                    loop {
                        let begun = Instant::now();
                        let (found, next) = self.step(due, &fingerprint, step, watch.newest).await?;
                        took += begun.elapsed();
                        for part in messages(&due.followed, found)? {
                            yield part;
                        }
                        if next.is_none_or(|next| next != step) {
                            due.took(step, took, self.pace, watch.newest);
                            worked += took;
                            took = Duration::ZERO;
                        }
                        match next {
                            Some(next) => step = next,
                            None => break,
                        }
                    }
                }
                let progress = ChangesProgress {
                    position: position(&tables, &fingerprint, &watch).text(),
                    synced_through: Some(timestamp(
                        tables.iter().map(|t| t.through).min().unwrap_or(watch.newest.now_micros),
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

    /// Looks how far the server is before a pass over the tables, and now and then whether its history went back.
    async fn look(&self, fingerprint: &str, watch: &mut Watch, tables: &mut [Due]) -> Result<(), Refusal> {
        let mut lease = self.bulk.lease().await?;
        let seen = horizon(&mut lease).await?;
        if lease.fingerprint != fingerprint || seen.now() + CLOCK_SLACK < watch.newest.now() {
            return Err(source_changed());
        }
        watch.newest = seen;
        if lease.opened != watch.seen_by || watch.due <= Instant::now() {
            let catalog = self.catalog(&mut lease).await?;
            let begun = Instant::now();
            let checked = watch.history.check(&mut lease, &catalog).await;
            let made = checked.inspect_err(|_| self.forget_catalog())?;
            watch.history = Lineage::take(&mut lease, &catalog, seen, Some(&watch.history)).await?;
            let made = |due: &Due| made.get(due.followed.table.dataset.name).copied();
            let anew: Vec<&mut Due> = tables.iter_mut().filter(|due| made(due) != due.made).collect();
            if !anew.is_empty() {
                self.forget_catalog();
            }
            for due in anew {
                let dataset = due.followed.table.dataset;
                tracing::info!(dataset = dataset.name, "the table was made anew: it is read again");
                let catalog = self.catalog(&mut lease).await?;
                due.followed.begin_again(catalog.readable(dataset)?.ok_or_else(source_changed)?, WHOLE)?;
                (due.made, due.poll) = (made(due), Instant::now());
            }
            watch.seen_by = lease.opened;
            watch.due = Instant::now() + self.pace.reconcile.max(begun.elapsed() * COST);
        }
        lease.keep();
        Ok(())
    }

    /// Takes one step of following a table, and says which is next.
    async fn step(
        &self,
        due: &mut Due,
        fingerprint: &str,
        step: Step,
        seen: Horizon,
    ) -> Result<(Found, Option<Step>), Refusal> {
        let mut lease = self.bulk.lease().await?;
        if lease.fingerprint != fingerprint {
            return Err(source_changed());
        }
        let followed = &mut due.followed;
        let done = match step {
            Step::Poll => followed.poll(&mut lease, seen.low).await.map(|(found, more)| {
                let then = (due.reconcile <= Instant::now()).then_some(Step::Reconcile);
                (found, if more { Some(Step::Poll) } else { then })
            }),
            Step::Reconcile => followed.reconcile(&mut lease).await.map(|found| (found, Some(Step::Fetch))),
            Step::Fetch => followed.fetch(&mut lease).await.map(|found| match found {
                Some(found) => (found, Some(Step::Fetch)),
                None => (Found::default(), None),
            }),
        };
        let done = done.inspect_err(|_| self.forget_catalog())?;
        lease.keep();
        Ok(done)
    }
}

impl Due {
    /// After a step that took so long.
    fn took(&mut self, step: Step, took: Duration, pace: Pace, seen: Horizon) {
        match step {
            Step::Poll => {
                self.poll = Instant::now() + pace.poll.max(took * COST);
                self.through = seen.now_micros;
            }
            Step::Reconcile => self.reconcile = Instant::now() + pace.reconcile.max(took * COST),
            Step::Fetch => {}
        }
    }
}

/// The position that all tables have reached.
fn position(tables: &[Due], fingerprint: &str, watch: &Watch) -> Position {
    let at = tables.iter().map(|t| t.followed.low).min().unwrap_or(watch.newest.low);
    let low: BTreeMap<String, i64> = tables
        .iter()
        .filter(|t| t.followed.low > at)
        .map(|t| (t.followed.table.dataset.name.to_owned(), t.followed.low))
        .collect();
    Position::new(fingerprint, watch.newest.now(), at, low, watch.history.clone())
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
