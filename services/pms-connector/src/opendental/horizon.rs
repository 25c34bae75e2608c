//! The moment before which every stamp has been seen: rows carry the time of their statement, not of their commit.

use std::time::Duration;

use mesh::Refusal;
use mysql_async::prelude::Queryable as _;

use super::{
    faults::within,
    session::{ANSWER_LIMIT, Session},
};

/// Kept behind the oldest thing at work: stamps are whole seconds, and a statement takes its time before it is listed.
const MARGIN: i64 = 2;
/// Looked back without the right to see what is at work.
pub(super) const BLIND_LOOK_BACK: i64 = 600;
/// The server's clock may be set back by this much before its positions are distrusted, in seconds.
pub(super) const CLOCK_SLACK: i64 = 120;
/// How often to look for a fresh list of transactions before the look-back is used instead.
const LOOKS: usize = 4;
/// A transaction open longer than this is not waited for: reading a day again at each poll would slow the practice.
const PATIENCE: i64 = 86_400;

/// Where the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Horizon {
    /// The server's time, in microseconds of the epoch.
    pub now_micros: i64,
    /// Every row stamped before this is visible to a read that starts now, in seconds of the epoch.
    pub low: i64,
}

impl Horizon {
    /// The server's time in whole seconds of the epoch.
    pub(super) fn now(&self) -> i64 {
        self.now_micros.div_euclid(1_000_000)
    }

    /// The server's time as it travels.
    pub(super) fn timestamp(&self) -> prost_types::Timestamp {
        timestamp(self.now_micros)
    }
}

/// Microseconds of the epoch as they travel.
pub(super) fn timestamp(micros: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// The server's time, in microseconds of the epoch.
pub(super) async fn server_time(session: &mut Session, limit: Duration) -> Result<i64, Refusal> {
    let query = session.conn.query_first::<i64, _>("SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)");
    Ok(within(limit, query).await?.unwrap_or_default())
}

/// Asks for the horizon. To be called before the read that it is for.
pub(super) async fn horizon(session: &mut Session) -> Result<Horizon, Refusal> {
    let now_micros = server_time(session, ANSWER_LIMIT).await?;
    let now = now_micros.div_euclid(1_000_000);
    let age = match oldest_at_work(session).await? {
        Some(age) => age.clamp(0, PATIENCE) + MARGIN,
        None => BLIND_LOOK_BACK,
    };
    Ok(Horizon { now_micros, low: now - age })
}

/// The age in seconds of the oldest transaction or statement at work; 0 when there is none, none when it cannot be known.
async fn oldest_at_work(session: &mut Session) -> Result<Option<i64>, Refusal> {
    let Some(transaction) = oldest_transaction(session).await? else { return Ok(None) };
    let statements = "SELECT CAST(MAX(TIME) AS SIGNED) FROM information_schema.PROCESSLIST \
         WHERE COMMAND IN ('Query', 'Execute') AND ID <> CONNECTION_ID()";
    let query = session.conn.query_first::<Option<i64>, _>(statements);
    let statement = within(ANSWER_LIMIT, query).await?.flatten();
    Ok(Some(transaction.max(statement.unwrap_or(0))))
}

/// The age in seconds of the oldest transaction that may write; none without the grant, or without a fresh list.
///
/// InnoDB answers from a copy of its list, which it renews only when nobody has asked for a tenth of a second: whoever
/// asks more often sees the same old list for ever. So we look for ourselves in it, with a word never used before: where
/// our own query stands in the list, the list is of now.
async fn oldest_transaction(session: &mut Session) -> Result<Option<i64>, Refusal> {
    within(ANSWER_LIMIT, session.conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT")).await?;
    let mut oldest = None;
    for _ in 0..LOOKS {
        let word = format!("{:032x}", rand::random::<u128>());
        // The list shows times in the server's zone; older servers in the session's. Where both are in the past, the
        // older one is safe.
        let sql = format!(
            "SELECT /* {word} */ \
               CAST(COALESCE(SUM(trx_mysql_thread_id = CONNECTION_ID() AND trx_query LIKE '%{word}%'), 0) AS SIGNED), \
               CAST(MAX(IF(trx_mysql_thread_id = CONNECTION_ID() OR trx_is_read_only = 1, 0, GREATEST( \
                 TIMESTAMPDIFF(SECOND, trx_started, UTC_TIMESTAMP()), \
                 TIMESTAMPDIFF(SECOND, trx_started, CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM'))))) AS SIGNED) \
             FROM information_schema.INNODB_TRX"
        );
        let query = session.conn.query_first::<(i64, Option<i64>), _>(sql);
        match tokio::time::timeout(ANSWER_LIMIT, query).await {
            // Without PROCESS.
            Ok(Err(mysql_async::Error::Server(_))) => break,
            Ok(Err(error)) => return Err(super::faults::refusal(error)),
            Err(_) => return Err(super::faults::timeout("the PMS's server took too long to list its transactions")),
            Ok(Ok(Some((1.., age)))) => {
                oldest = Some(age.unwrap_or(0).max(0));
                break;
            }
            // Stale: not asking for a while is what renews it; others who ask may be out of step with us then.
            Ok(Ok(_)) => tokio::time::sleep(Duration::from_millis(rand::random_range(105..180))).await,
        }
    }
    within(ANSWER_LIMIT, session.conn.query_drop("COMMIT")).await?;
    Ok(oldest)
}
