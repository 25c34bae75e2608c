//! Loads a sample practice into a real MariaDB or MySQL: `chairsync sample load --to mysql://…`.
//!
//! It writes into an empty database only, or over one that it filled itself: a table of its own, [`MARKER`], tells them
//! apart, so that no practice's data can be touched. Rows are generated on a thread of their own and sent as multi-row
//! inserts, many to a transaction; secondary indexes are built afterwards.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use mesh::{ErrorReason, Refusal};
use mysql_async::{Conn, Opts, OptsBuilder, prelude::Queryable};
use tokio::sync::mpsc;
use tonic::Code;

use super::{
    generator::{Config, generate},
    tables::Table,
    value::{Day, Moment, Row, Value},
};
use crate::opendental::SCHEMA;

/// The table that only a loaded sample has.
pub const MARKER: &str = "chairsync_sample";

/// An insert is sent when its text is this long, in bytes; servers take 16 MB.
const INSERT_BYTES: usize = 1 << 20;
/// Inserts to a transaction.
const INSERTS_PER_COMMIT: u32 = 16;
/// How long a server may take to answer a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// How long one statement may take; building indexes of millions of rows is the longest.
const STATEMENT_LIMIT: Duration = Duration::from_secs(1_800);
/// Patients generated at a time when a number of procedures is asked for.
const PATIENTS_AT_A_TIME: u32 = 20_000;

/// How to load.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Empty a database that an earlier load filled, instead of refusing it.
    pub replace: bool,
    /// The tables to fill; empty: all. The others are made and stay empty.
    pub only_tables: Vec<String>,
    /// Fill `procedurelog` with exactly so many rows, however many patients that takes, and no other table; for
    /// measurements. Batches of 20,000 patients are repeated with other seeds and keys.
    pub procedures: Option<u64>,
    /// Leave out secondary indexes but those on change columns: loads faster, for measurements.
    pub few_indexes: bool,
}

/// What is loaded so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The table whose rows were sent last, or "indexes".
    pub table: &'static str,
    /// Rows sent so far, of all tables.
    pub rows: u64,
}

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// How long it took, indexes included.
    pub took: Duration,
}

impl Summary {
    /// Rows of all tables.
    pub fn total(&self) -> u64 {
        self.rows.values().sum()
    }
}

/// Loads a practice into the database that `url` names (`mysql://user:password@host:port/database`), which must exist.
/// `password` replaces the one in the URL. `progress` is told after each insert.
///
/// # Errors
/// `INVALID_FIELD` for a malformed URL, a size out of range, or a database that is not empty (with
/// [`Options::replace`]: and was not filled by a load); `PMS_UNREACHABLE`, `PMS_ACCESS_DENIED`, `PMS_TIMEOUT`.
pub async fn load(
    url: &str,
    password: Option<&str>,
    config: &Config,
    options: &Options,
    mut progress: impl FnMut(&Progress),
) -> Result<Summary, Refusal> {
    let started = Instant::now();
    check(config, options)?;
    let mut conn = connect(url, password).await?;
    let schema = Schema::parse(SCHEMA, options.few_indexes);
    prepare(&mut conn, options, &schema).await?;
    let mut rows: BTreeMap<&'static str, u64> = BTreeMap::new();
    // Two inserts wait while one is sent.
    let (send, mut receive) = mpsc::channel::<Insert>(2);
    let (config, tables) = (*config, options.only_tables.clone());
    let procedures = options.procedures;
    let maker = tokio::task::spawn_blocking(move || make(&config, &tables, procedures, &send));
    let mut open = 0;
    let mut total = 0;
    while let Some(insert) = receive.recv().await {
        if open == 0 {
            run(&mut conn, "START TRANSACTION").await?;
        }
        run(&mut conn, &insert.sql).await?;
        open += 1;
        if open == INSERTS_PER_COMMIT {
            run(&mut conn, "COMMIT").await?;
            open = 0;
        }
        *rows.entry(insert.table.name).or_default() += insert.rows;
        total += insert.rows;
        progress(&Progress { table: insert.table.name, rows: total });
    }
    if open > 0 {
        run(&mut conn, "COMMIT").await?;
    }
    maker.await.map_err(|_| Refusal::internal("the generator stopped"))?;
    progress(&Progress { table: "indexes", rows: total });
    for statement in &schema.indexes {
        run(&mut conn, statement).await?;
    }
    run(&mut conn, &format!("UPDATE {MARKER} SET Finished = 1")).await?;
    // Statistics, so that the server's estimates of rows are near the truth.
    for table in rows.keys() {
        run(&mut conn, &format!("ANALYZE TABLE `{table}`")).await?;
    }
    let _ = conn.disconnect().await; // all is committed
    Ok(Summary { rows, took: started.elapsed() })
}

fn check(config: &Config, options: &Options) -> Result<(), Refusal> {
    if !(1..=1_000_000).contains(&config.patients) {
        return Err(Refusal::invalid("patients", "must be from 1 to 1,000,000"));
    }
    if !(1..=30).contains(&config.years) {
        return Err(Refusal::invalid("years", "must be from 1 to 30"));
    }
    for table in &options.only_tables {
        if !super::tables::ALL.iter().any(|t| t.name == table) {
            return Err(Refusal::invalid(
                "only_tables",
                "must name Open Dental tables that the sample fills, e.g. procedurelog",
            ));
        }
    }
    Ok(())
}

async fn connect(url: &str, password: Option<&str>) -> Result<Conn, Refusal> {
    let opts = Opts::from_url(url)
        .map_err(|_| Refusal::invalid("to", "must be mysql://user@host:port/database; percent-encode odd letters"))?;
    if opts.db_name().is_none_or(str::is_empty) {
        return Err(Refusal::invalid("to", "must name a database: mysql://user@host:port/database"));
    }
    let mut builder = OptsBuilder::from_opts(opts).max_allowed_packet(Some(INSERT_BYTES * 4));
    if let Some(password) = password {
        builder = builder.pass(Some(password.to_owned()));
    }
    let builder = builder.prefer_socket(false).setup(vec![
        "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, unique_checks = 0"
            .to_owned(),
        "SET NAMES utf8mb3".to_owned(),
    ]);
    match tokio::time::timeout(CONNECT_LIMIT, Conn::new(builder)).await {
        Ok(connected) => connected.map_err(|e| refused(&e)),
        Err(_) => Err(timed_out("the server did not answer the connection")),
    }
}

async fn run(conn: &mut Conn, sql: &str) -> Result<(), Refusal> {
    match tokio::time::timeout(STATEMENT_LIMIT, conn.query_drop(sql)).await {
        Ok(done) => done.map_err(|e| refused(&e)),
        Err(_) => Err(timed_out("a statement took too long")),
    }
}

fn timed_out(what: &str) -> Refusal {
    let message = format!("{what}; check the server's load, then load again with `replace`");
    Refusal::new(Code::DeadlineExceeded, ErrorReason::PmsTimeout, message)
}

/// A server's error in our words: its own text may quote rows.
fn refused(error: &mysql_async::Error) -> Refusal {
    match error {
        mysql_async::Error::Server(e) if matches!(e.code, 1044 | 1045 | 1142 | 1698) => Refusal::new(
            Code::PermissionDenied,
            ErrorReason::PmsAccessDenied,
            "the server refused the user or password, or the user may not create tables; loading needs CREATE, ALTER, INSERT, UPDATE and DROP on the database",
        ),
        mysql_async::Error::Server(e) if e.code == 1049 => {
            Refusal::invalid("to", "the database does not exist; create it first: CREATE DATABASE …")
        }
        mysql_async::Error::Server(e) => Refusal::new(
            Code::FailedPrecondition,
            ErrorReason::PmsNotRecognized,
            format!("the server refused a statement (error {}); it must be MariaDB 10.5 or later, or MySQL 8", e.code),
        ),
        _ => Refusal::new(
            Code::Unavailable,
            ErrorReason::PmsUnreachable,
            "the server cannot be reached or closed the connection; check host, port and that it runs, then load again with `replace`",
        ),
    }
}

/// Makes the empty tables, if nothing that is not ours is there.
async fn prepare(conn: &mut Conn, options: &Options, schema: &Schema) -> Result<(), Refusal> {
    let there: Vec<String> = conn.query("SHOW TABLES").await.map_err(|e| refused(&e))?;
    if !there.is_empty() {
        let ours = there.iter().any(|t| t == MARKER) && there.iter().all(|t| t == MARKER || schema.has(t));
        if !ours {
            let fault = "the database is not empty and was not filled by `sample load`; name an empty database";
            return Err(Refusal::invalid("to", fault));
        }
        if !options.replace {
            let fault = "the database holds a sample already; name an empty one, or say `replace` to load over it";
            return Err(Refusal::invalid("to", fault));
        }
        // The marker goes last: whatever happens before, the database is still known as ours.
        for table in there.iter().filter(|t| *t != MARKER).chain(there.iter().filter(|t| *t == MARKER)) {
            run(conn, &format!("DROP TABLE `{table}`")).await?;
        }
    }
    run(conn, &format!("CREATE TABLE {MARKER} (Finished tinyint NOT NULL) ENGINE=InnoDB")).await?;
    run(conn, &format!("INSERT INTO {MARKER} VALUES (0)")).await?;
    for statement in &schema.tables {
        run(conn, statement).await?;
    }
    Ok(())
}

/// The schema, cut into tables without secondary indexes, and the indexes.
struct Schema {
    tables: Vec<String>,
    names: Vec<String>,
    indexes: Vec<String>,
}

impl Schema {
    fn parse(text: &str, few: bool) -> Self {
        let mut schema = Self { tables: Vec::new(), names: Vec::new(), indexes: Vec::new() };
        // Comments may hold semicolons.
        let plain: String =
            text.lines().map(|l| l.split("--").next().unwrap_or("")).fold(String::new(), |mut all, line| {
                all.push_str(line.trim_end());
                all.push('\n');
                all
            });
        for statement in plain.split(';').map(str::trim).filter(|s| s.starts_with("CREATE TABLE ")) {
            let name = statement.split_whitespace().nth(2).unwrap_or("").trim_matches('`').to_owned();
            let (mut lines, mut keys) = (Vec::new(), Vec::new());
            for line in statement.lines() {
                let part = line.trim().trim_end_matches(',');
                if let Some(key) = part.strip_prefix("KEY ") {
                    if !few || key.starts_with("DateTStamp") || key.starts_with("SecDateTEdit") {
                        keys.push(format!("ADD KEY {key}"));
                    }
                } else {
                    lines.push(line.trim_end());
                }
            }
            // The line before the closing one must not end in a comma now.
            let last = lines.len().saturating_sub(2);
            let body: Vec<&str> =
                lines.iter().enumerate().map(|(at, l)| if at == last { l.trim_end_matches(',') } else { l }).collect();
            schema.tables.push(body.join("\n"));
            if !keys.is_empty() {
                schema.indexes.push(format!("ALTER TABLE `{name}` {}", keys.join(", ")));
            }
            schema.names.push(name);
        }
        schema
    }

    fn has(&self, table: &str) -> bool {
        self.names.iter().any(|n| n.eq_ignore_ascii_case(table))
    }
}

struct Insert {
    table: &'static Table,
    rows: u64,
    sql: String,
}

/// Generates and writes the inserts; ends early when nobody takes them any more.
fn make(config: &Config, only: &[String], procedures: Option<u64>, send: &mpsc::Sender<Insert>) {
    let mut maker = Maker { open: BTreeMap::new(), send, shift: 0 };
    let Some(wanted) = procedures else {
        let only: Vec<&str> = only.iter().map(String::as_str).collect();
        generate(config, &only, &mut |table, row| maker.add(table, &row));
        maker.finish();
        return;
    };
    let (mut made, mut cycle) = (0, 0);
    while made < wanted && !send.is_closed() {
        let before = made;
        maker.shift = 10_000_000_000_000 * cycle;
        let seed = config.seed.wrapping_add(cycle.unsigned_abs());
        let part = Config { seed, patients: PATIENTS_AT_A_TIME.min(config.patients.max(1_000)), ..*config };
        generate(&part, &["procedurelog"], &mut |table, row| {
            made += 1;
            let flow = maker.add(table, &row);
            if made == wanted { ControlFlow::Break(()) } else { flow }
        });
        cycle += 1;
        if made == before {
            break;
        }
    }
    maker.finish();
}

struct Maker<'a> {
    open: BTreeMap<&'static str, Insert>,
    send: &'a mpsc::Sender<Insert>,
    /// Added to the key, for repeated practices.
    shift: i64,
}

impl Maker<'_> {
    fn add(&mut self, table: &'static Table, row: &Row) -> ControlFlow<()> {
        let insert = self.open.entry(table.name).or_insert_with(|| begin(table));
        insert.sql.push_str(if insert.rows == 0 { "(" } else { ",(" });
        for (place, value) in row.iter().enumerate() {
            if place > 0 {
                insert.sql.push(',');
            }
            match value {
                Value::Int(key) if place == 0 && self.shift > 0 => number(&mut insert.sql, key + self.shift),
                value => literal(&mut insert.sql, value),
            }
        }
        insert.sql.push(')');
        insert.rows += 1;
        if insert.sql.len() < INSERT_BYTES {
            return ControlFlow::Continue(());
        }
        let full = std::mem::replace(insert, begin(table));
        if self.send.blocking_send(full).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn finish(self) {
        for insert in self.open.into_values().filter(|i| i.rows > 0) {
            if self.send.blocking_send(insert).is_err() {
                return;
            }
        }
    }
}

fn begin(table: &'static Table) -> Insert {
    let mut sql = String::with_capacity(INSERT_BYTES + 4096);
    let columns = table.columns.join("`,`");
    let _ = write!(sql, "INSERT INTO `{}` (`{columns}`) VALUES ", table.name); // a String takes every text
    Insert { table, rows: 0, sql }
}

fn number(sql: &mut String, number: i64) {
    let _ = write!(sql, "{number}");
}

/// Writes a value as an SQL literal.
fn literal(sql: &mut String, value: &Value) {
    match value {
        Value::Null => sql.push_str("NULL"),
        Value::Int(i) => number(sql, *i),
        Value::Double(d) => {
            let _ = write!(sql, "{d}");
        }
        Value::Date(day) => {
            sql.push('\'');
            date(sql, *day);
            sql.push('\'');
        }
        Value::DateTime(at) => date_time(sql, *at),
        Value::Stamp(at) => date_time(sql, Moment(at.0)),
        Value::Time(at) => {
            let _ = write!(sql, "'{:02}:{:02}:{:02}'", at.0 / 3600, at.0 / 60 % 60, at.0 % 60);
        }
        Value::Text(text) => {
            sql.push('\'');
            for letter in text.chars() {
                match letter {
                    '\'' => sql.push_str("''"),
                    '\\' => sql.push_str("\\\\"),
                    '\0' => sql.push_str("\\0"),
                    other => sql.push(other),
                }
            }
            sql.push('\'');
        }
    }
}

fn date(sql: &mut String, day: Day) {
    match day.date() {
        Some(date) => {
            let _ = write!(sql, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
        }
        None if day == Day::NOUGHT => sql.push_str("0000-00-00"),
        None => sql.push_str("0001-01-01"),
    }
}

fn date_time(sql: &mut String, at: Moment) {
    sql.push('\'');
    date(sql, at.day());
    let second = at.0.rem_euclid(86_400);
    let _ = write!(sql, " {:02}:{:02}:{:02}'", second / 3600, second / 60 % 60, second % 60);
}

#[cfg(test)]
mod tests;
