//! Whether a database's history went back. A restored backup has the server's name and the database's; what it has not
//! is what happened after it was made.
//!
//! Three things show it, by reading alone:
//!
//! - **Rows.** The rows stamped last are remembered. Stamps only grow, so one that is there with an older stamp was
//!   restored. Stamps that a statement at work may still set lie at or after the horizon, and are not held against it.
//! - **Numbers.** A remembered row that is gone was deleted, unless the table's next number has not reached it: then it
//!   never was.
//! - **Tables.** Loading a dump, or putting back files, makes tables anew. One table made anew was altered, or restored
//!   alone, and is read again whole; when most of them were, it is another database.
//!
//! The clock that goes back is looked at in [`super::changes`].

use std::collections::HashMap;

use mesh::{
    Refusal,
    datasets::{self, Dataset},
};
use mysql_async::prelude::Queryable as _;
use serde::{Deserialize, Serialize};

use super::{
    faults::{source_changed, within},
    horizon::Horizon,
    session::{ANSWER_LIMIT, Session},
    tables::{Catalog, Table, quoted},
};

/// Rows remembered: as many as make it unlikely that all of them are deleted.
const WITNESSES: usize = 8;

/// When tables were made, by dataset, in seconds of the epoch.
pub(super) type Made = HashMap<&'static str, i64>;

/// What was seen of a database's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lineage {
    /// The server's time when the database was first seen, in seconds of the epoch.
    b: i64,
    /// The server's time when it was last seen.
    t: i64,
    /// Rows stamped before this were all visible, in seconds of the epoch.
    l: i64,
    /// The rows stamped last: dataset, key, stamp in seconds of the epoch.
    w: Vec<(String, i64, i64)>,
}

impl Lineage {
    /// Takes down what there is, after what was seen before of the same database. The horizon was asked for first.
    ///
    /// # Errors
    /// What [`within`] says.
    pub(super) async fn take(
        session: &mut Session,
        catalog: &Catalog,
        horizon: Horizon,
        before: Option<&Self>,
    ) -> Result<Self, Refusal> {
        let newest = datasets::all().filter_map(|dataset| {
            let table = catalog.find(dataset)?;
            let change = table.change.as_ref().filter(|c| c.indexed && dataset.has_numeric_key())?;
            let (name, key, stamp) = (table.sql(), table.key(), quoted(&change.name));
            (!key.is_empty()).then(|| {
                format!(
                    "(SELECT '{}' AS d, {key} AS k, CAST(COALESCE(UNIX_TIMESTAMP({stamp}), 0) AS SIGNED) AS s FROM {name} \
                     ORDER BY {stamp} DESC LIMIT 1)",
                    dataset.name
                )
            })
        });
        let questions: Vec<_> = newest.collect();
        let mut rows: Vec<(String, i64, i64)> = Vec::new();
        if !questions.is_empty() {
            let sql = questions.join(" UNION ALL ");
            rows = within(ANSWER_LIMIT, session.conn.query(sql)).await?;
        }
        rows.sort_by_key(|(.., stamp)| std::cmp::Reverse(*stamp));
        rows.truncate(WITNESSES);
        Ok(Self { b: before.map_or(horizon.now(), |before| before.b), t: horizon.now(), l: horizon.low, w: rows })
    }

    /// Checks that the database has gone on from what was seen, and says when each dataset's table was made, in seconds of
    /// the epoch, where the server knows that.
    ///
    /// # Errors
    /// `SOURCE_CHANGED` when its history went back; what [`within`] says.
    pub(super) async fn check(&self, session: &mut Session, catalog: &Catalog) -> Result<Made, Refusal> {
        let tables = Tables::load(session).await?;
        tables.are_not_anew(catalog, self.b)?;
        let lasting = session.numbers_last || tables.started < self.t;
        let mut gone = 0;
        for (dataset, key, stamp) in &self.w {
            let Some(table) = datasets::get(dataset).and_then(|d| catalog.find(d)) else { continue };
            let Some(change) = &table.change else { continue };
            match stamp_of(session, table, &quoted(&change.name), *key).await? {
                Some(now) if now < *stamp && now < self.l => return Err(went_back("a row has an older stamp")),
                Some(_) => {}
                None if lasting && tables.next_number(table).is_some_and(|next| next <= *key) => {
                    return Err(went_back("a row was never made"));
                }
                None => gone += 1,
            }
        }
        if gone == WITNESSES {
            return Err(went_back("none of the rows stamped last is there"));
        }
        let made = |dataset: &'static Dataset| Some((dataset.name, tables.made(catalog, dataset)?));
        Ok(datasets::all().filter_map(made).collect())
    }

    /// The server's time when the database was last seen, in seconds of the epoch.
    pub(super) fn seen(&self) -> i64 {
        self.t
    }
}

/// Checks that not most tables were made after a moment of the server's time, in seconds of the epoch.
///
/// # Errors
/// `SOURCE_CHANGED` when they were; what [`within`] says.
pub(super) async fn tables_are_not_anew(session: &mut Session, catalog: &Catalog, since: i64) -> Result<(), Refusal> {
    Tables::load(session).await?.are_not_anew(catalog, since)
}

/// What the server says of tables, by folded name.
struct Tables {
    /// When each was made, in seconds of the epoch, and the next number that it gives.
    of: HashMap<String, (Option<i64>, Option<i64>)>,
    /// When the server started, in seconds of the epoch.
    started: i64,
}

impl Tables {
    async fn load(session: &mut Session) -> Result<Self, Refusal> {
        let sql = "SELECT CAST(TABLE_NAME AS CHAR), CAST(UNIX_TIMESTAMP(CREATE_TIME) AS SIGNED), \
             CAST(AUTO_INCREMENT AS SIGNED) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
        let rows = within(ANSWER_LIMIT, session.conn.query::<(String, Option<i64>, Option<i64>), _>(sql)).await?;
        let of = rows.into_iter().map(|(name, made, next)| (name.to_lowercase(), (made, next))).collect();
        let now = within(ANSWER_LIMIT, session.conn.query_first::<i64, _>("SELECT UNIX_TIMESTAMP()")).await?;
        let up = session.conn.query_first::<(String, i64), _>("SHOW GLOBAL STATUS LIKE 'Uptime'");
        let up = within(ANSWER_LIMIT, up).await?.map_or(0, |(_, seconds)| seconds);
        Ok(Self { of, started: now.unwrap_or_default() - up })
    }

    fn made(&self, catalog: &Catalog, dataset: &Dataset) -> Option<i64> {
        self.of.get(&catalog.find(dataset)?.name.to_lowercase())?.0
    }

    fn are_not_anew(&self, catalog: &Catalog, since: i64) -> Result<(), Refusal> {
        let made: Vec<i64> = datasets::all().filter_map(|dataset| self.made(catalog, dataset)).collect();
        let anew = made.iter().filter(|&&made| made > since).count();
        match anew * 2 > made.len() {
            true => Err(went_back("most tables were made anew")),
            false => Ok(()),
        }
    }

    fn next_number(&self, table: &Table) -> Option<i64> {
        self.of.get(&table.name.to_lowercase())?.1
    }
}

/// The stamp of a row, in seconds of the epoch, if the row is there.
async fn stamp_of(session: &mut Session, table: &Table, stamp: &str, key: i64) -> Result<Option<i64>, Refusal> {
    let sql = format!(
        "SELECT CAST(COALESCE(UNIX_TIMESTAMP({stamp}), 0) AS SIGNED) FROM {} WHERE {} = {key}",
        table.sql(),
        table.key()
    );
    within(ANSWER_LIMIT, session.conn.query_first::<i64, _>(sql)).await
}

fn went_back(how: &'static str) -> Refusal {
    tracing::warn!(how, "the database's history went back, as when a backup is restored");
    source_changed()
}
