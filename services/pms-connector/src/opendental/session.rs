//! A read-only connection to a practice's server, and the lane on which its users take turns.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use mesh::{Refusal, secret::Secret};
use mysql_async::{Conn, Opts, OptsBuilder, prelude::Queryable as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::faults::{refusal, timeout, within};

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long the server may work on one statement; it is told so.
pub(super) const STATEMENT_LIMIT: Duration = Duration::from_secs(60);
/// How long the answer of a statement may take to arrive.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(90);
/// How long to wait for a turn on the lane.
const TURN_LIMIT: Duration = Duration::from_secs(120);
/// A connection that rested longer is asked whether it still is one.
const TRUSTED: Duration = Duration::from_secs(3);
/// Prepared statements kept on the server by a connection.
const STATEMENTS_KEPT: usize = 64;

/// Reads `mysql://user@host:port/database`.
///
/// # Errors
/// `INVALID_FIELD` that says what is wrong; never quoting the address, which may hold a password.
pub(super) fn options(uri: &str, password: Option<&Secret>) -> Result<Opts, Refusal> {
    let invalid = |fault: &str| Refusal::invalid("source.open_dental.uri", fault);
    let url = url::Url::parse(uri).map_err(|_| invalid("must be mysql://user@host:port/database"))?;
    if url.scheme() != "mysql" {
        return Err(invalid("must begin with mysql://"));
    }
    if url.password().is_some() {
        return Err(invalid("must not hold a password; name a credential instead"));
    }
    if url.username().is_empty() {
        return Err(invalid("must name a user: mysql://user@host:port/database"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("must name a host: mysql://user@host:port/database"));
    }
    let database = url.path().trim_start_matches('/');
    if database.is_empty() || database.contains('/') {
        return Err(invalid("must name one database: mysql://user@host:port/database"));
    }
    let opts = Opts::from_url(uri).map_err(|_| invalid("has an option that is not known; e.g. ?require_ssl=true"))?;
    Ok(OptsBuilder::from_opts(opts)
        .pass(password.map(Secret::expose))
        .stmt_cache_size(STATEMENTS_KEPT)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .tcp_nodelay(true)
        .prefer_socket(false)
        .into())
}

/// A connection that cannot write.
#[derive(Debug)]
pub(super) struct Session {
    /// The connection.
    pub conn: Conn,
    /// The server's own version text.
    pub version: String,
    /// The database's name.
    pub database: String,
    /// Identifies this server with this database.
    pub fingerprint: String,
    /// Whether the numbers that tables give survive a restart of the server.
    pub numbers_last: bool,
    /// When it was opened: no two sessions of a practice share it.
    pub opened: Instant,
}

impl Session {
    async fn open(opts: &Opts) -> Result<Self, Refusal> {
        match tokio::time::timeout(CONNECT_LIMIT, Self::connect(opts)).await {
            Ok(session) => session.map_err(refusal),
            Err(_) => Err(timeout("the PMS's server took too long to accept a connection; it is tried again later")),
        }
    }

    async fn connect(opts: &Opts) -> mysql_async::Result<Self> {
        let mut conn = Conn::new(opts.clone()).await?;
        let version: String = conn.query_first("SELECT VERSION()").await?.unwrap_or_default();
        let limit = match version.contains("MariaDB") {
            true => format!("SET SESSION max_statement_time = {}", STATEMENT_LIMIT.as_secs()),
            false => format!("SET SESSION max_execution_time = {}", STATEMENT_LIMIT.as_millis()),
        };
        conn.query_drop("SET NAMES utf8mb4").await?;
        conn.query_drop("SET SESSION time_zone = '+00:00'").await?;
        conn.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        conn.query_drop("SET SESSION TRANSACTION READ ONLY").await?;
        // Servers older than 5.7 and 10.1 have no such limit; the client's own deadlines still hold. MySQL 8 would show
        // what it knew of tables a day ago; other servers know no such setting and show what is.
        for setting in [limit.as_str(), "SET SESSION information_schema_stats_expiry = 0"] {
            if let Err(error) = conn.query_drop(setting).await
                && !matches!(error, mysql_async::Error::Server(_))
            {
                return Err(error);
            }
        }
        let database: Option<String> = conn.query_first("SELECT CAST(DATABASE() AS CHAR)").await?;
        let fingerprint = fingerprint(&mut conn).await?;
        let numbers_last = conn.server_version() >= if version.contains("MariaDB") { (10, 2, 4) } else { (8, 0, 0) };
        Ok(Self {
            conn,
            version,
            database: database.unwrap_or_default(),
            fingerprint,
            numbers_last,
            opened: Instant::now(),
        })
    }
}

/// A hash of what stays the same on a server: its identity and the database's name.
async fn fingerprint(conn: &mut Conn) -> mysql_async::Result<String> {
    let uuid: Option<(String, String)> = conn.query_first("SHOW GLOBAL VARIABLES LIKE 'server_uuid'").await?;
    let place: Option<(String, String, String, String)> =
        conn.query_first("SELECT @@hostname, CAST(@@server_id AS CHAR), @@datadir, CAST(DATABASE() AS CHAR)").await?;
    let mut hash = Sha256::new();
    for part in uuid.into_iter().map(|(_, value)| value).chain(place.into_iter().flat_map(|p| [p.0, p.1, p.2, p.3])) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Ok(hash.finalize().iter().take(12).map(|b| format!("{b:02x}")).collect())
}

/// A connection that nobody uses.
struct Idle {
    session: Session,
    since: Instant,
}

/// One connection that its users take in turns. It is made when first needed and again after a failure.
pub(super) struct Lane {
    opts: Opts,
    slot: Arc<Mutex<Option<Idle>>>,
}

impl Lane {
    pub(super) fn new(opts: Opts) -> Self {
        Self { opts, slot: Arc::default() }
    }

    /// A turn on the connection. Unless it is given back by [`Lease::keep`] the connection is closed: after a failure, or
    /// a call that was cancelled in the middle, its state is unknown.
    pub(super) async fn lease(&self) -> Result<Lease, Refusal> {
        let turn = tokio::time::timeout(TURN_LIMIT, Arc::clone(&self.slot).lock_owned()).await;
        let mut slot = turn.map_err(|_| timeout("the practice's connection is busy; it is tried again later"))?;
        if let Some(Idle { mut session, since }) = slot.take()
            && (since.elapsed() < TRUSTED || within(CONNECT_LIMIT, session.conn.ping()).await.is_ok())
        {
            return Ok(Lease { session, slot });
        }
        Ok(Lease { session: Session::open(&self.opts).await?, slot })
    }
}

/// A turn on a lane's connection.
pub(super) struct Lease {
    session: Session,
    slot: OwnedMutexGuard<Option<Idle>>,
}

impl Lease {
    /// Gives the connection back in good order.
    pub(super) fn keep(mut self) {
        *self.slot = Some(Idle { session: self.session, since: Instant::now() });
    }
}

impl Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use test_servers::{Brand, SqlServer};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn even_a_user_who_may_write_cannot_in_our_session() {
        for brand in [Brand::MariaDb, Brand::MySql57, Brand::MySql80].into_iter().filter(|b| b.is_installed()) {
            cannot_write(brand).await;
        }
    }

    async fn cannot_write(brand: Brand) {
        let server = SqlServer::start_brand(brand, &[]).await;
        server.create_database("practice").await;
        server.root("practice").await.query_drop("CREATE TABLE t (a INT)").await.unwrap();
        let uri = server.url("practice").replace("reader@", "root@");
        let password = Secret::new(SqlServer::ROOT_PASSWORD);
        let mut session = Session::open(&options(&uri, Some(&password)).unwrap()).await.unwrap();
        for write in ["INSERT INTO t VALUES (1)", "UPDATE t SET a = 2", "DELETE FROM t", "DROP TABLE t"] {
            match session.conn.query_drop(write).await {
                Err(mysql_async::Error::Server(error)) => assert_eq!(error.code, 1792, "{brand:?}: {write}"),
                other => panic!("{brand:?}: {write}: {other:?}"),
            }
        }
    }
}
