//! Counts and checksums of key ranges, computed by the server.

use chairsync_proto::pms::{DigestRequest, DigestResponse, KeyRange, RangeDigest};
use mesh::{Refusal, datasets::ColumnType};
use mysql_async::{Value, prelude::Queryable as _};

use super::{
    OpenDental, dataset,
    faults::within,
    session::{ANSWER_LIMIT, Session},
    tables::{Table, quoted},
};

/// The size of ranges when none is given.
const ROWS_PER_RANGE: i64 = 10_000;
/// The most ranges of one call.
const RANGES_LIMIT: usize = 10_000;

impl OpenDental {
    /// Digests the ranges that are asked for, or cuts the dataset into ranges.
    pub(super) async fn digest_ranges(&self, request: DigestRequest) -> Result<DigestResponse, Refusal> {
        let dataset = dataset("dataset", &request.dataset)?;
        if !dataset.has_numeric_key() {
            return Err(Refusal::invalid("dataset", "is keyed by name; read it whole with `Snapshot`"));
        }
        let size = if request.rows_per_range == 0 { ROWS_PER_RANGE } else { request.rows_per_range };
        if !(1..=1_000_000).contains(&size) {
            return Err(Refusal::invalid("rows_per_range", "must be from 1 to 1,000,000"));
        }
        if request.ranges.len() > RANGES_LIMIT {
            return Err(Refusal::invalid("ranges", "must be at most 10,000"));
        }
        let mut lease = self.bulk.lease().await?;
        let catalog = self.catalog(&mut lease).await?;
        let mut ranges = request.ranges;
        let Some(table) = catalog.readable(dataset)? else {
            lease.keep();
            if ranges.is_empty() {
                ranges.push(KeyRange::default());
            }
            let empty = |range| RangeDigest { range: Some(range), ..RangeDigest::default() };
            return Ok(DigestResponse { ranges: ranges.into_iter().map(empty).collect() });
        };
        if ranges.is_empty() {
            ranges = cut(&mut lease, table, size).await?;
        }
        let mut digests = Vec::new();
        for range in ranges {
            let digest = digest(&mut lease, table, range, request.contents).await;
            let mut digest = digest.inspect_err(|_| self.forget_catalog())?;
            if request.list_keys {
                digest.keys = keys(&mut lease, table, range, None).await?;
            }
            digests.push(digest);
        }
        lease.keep();
        Ok(DigestResponse { ranges: digests })
    }
}

/// Ranges of about `size` rows that together cover every key.
async fn cut(session: &mut Session, table: &Table, size: i64) -> Result<Vec<KeyRange>, Refusal> {
    let (name, key) = (table.sql(), table.key());
    let mut ranges = Vec::new();
    let mut first: Option<i64> = None;
    while ranges.len() + 1 < RANGES_LIMIT {
        // The first key of the next range.
        let sql = match first {
            None => format!("SELECT {key} FROM {name} ORDER BY {key} LIMIT 1 OFFSET {size}"),
            Some(first) => {
                format!("SELECT {key} FROM {name} WHERE {key} >= {first} ORDER BY {key} LIMIT 1 OFFSET {size}")
            }
        };
        let Some(next) = within(ANSWER_LIMIT, session.conn.query_first::<i64, _>(sql)).await? else { break };
        ranges.push(KeyRange { first, last: Some(next - 1) });
        first = Some(next);
    }
    ranges.push(KeyRange { first, last: None });
    Ok(ranges)
}

fn condition(table: &Table, range: KeyRange) -> String {
    let key = table.key();
    match (range.first, range.last) {
        (None, None) => String::new(),
        (Some(first), None) => format!(" WHERE {key} >= {first}"),
        (None, Some(last)) => format!(" WHERE {key} <= {last}"),
        (Some(first), Some(last)) => format!(" WHERE {key} BETWEEN {first} AND {last}"),
    }
}

/// The count and checksums of a range.
pub(super) async fn digest(
    session: &mut Session,
    table: &Table,
    range: KeyRange,
    contents: bool,
) -> Result<RangeDigest, Refusal> {
    let key = table.key();
    let content = if contents { content_hash(table) } else { "0".to_owned() };
    let sql = format!(
        "SELECT COUNT(*), {}, CAST(SUM({key}) AS CHAR), {content} FROM {}{}",
        key_hash(&key),
        table.sql(),
        condition(table, range)
    );
    let query = session.conn.exec_first::<(i64, u64, Option<String>, Value), _, _>(sql, ());
    let (count, key_hash, sum, content) = within(ANSWER_LIMIT, query).await?.unwrap_or((0, 0, None, Value::Int(0)));
    Ok(RangeDigest {
        range: Some(range),
        count,
        key_sum: sum.as_deref().map_or(0, wrapped),
        content_hash: mysql_async::from_value_opt::<u64>(content).unwrap_or_default(),
        keys: Vec::new(),
        key_hash,
    })
}

/// [`mesh::key_sums::hash`] of the keys, computed by the server: a CRC and a bit operation are unsigned there, of 32 and
/// of 64 bits, so that the product of two times 32 bits does not overflow.
fn key_hash(key: &str) -> String {
    format!("BIT_XOR(CRC32({key}) * ((CRC32({key}) ^ {key}) & 4294967295))")
}

/// A sum as the server writes it, wrapped to 64 bits.
#[allow(clippy::cast_possible_truncation)] // the wrapping sum is what is asked for
fn wrapped(sum: &str) -> i64 {
    let whole = sum.split('.').next().unwrap_or_default();
    whole.parse::<i128>().map_or(0, |sum| sum as i64)
}

/// [`mesh::row_hash::hashes`] of the rows, computed by the server.
fn content_hash(table: &Table) -> String {
    let columns = table.dataset.columns.iter().zip(&table.columns).map(|(column, name)| match name {
        None => "'-'".to_owned(),
        Some(name) => {
            let text = text_of(&quoted(name), column.kind);
            format!("COALESCE(CONCAT(LENGTH({text}), ':', {text}), '-')")
        }
    });
    let row = columns.collect::<Vec<_>>().join(", ");
    format!("BIT_XOR(CAST(CONV(LEFT(SHA2(CONCAT({row}), 256), 16), 16, 10) AS UNSIGNED))")
}

/// A column's canonical value as text; null for zero dates.
fn text_of(name: &str, kind: ColumnType) -> String {
    let unless_zero = |text: String| format!("IF({name} < '0002-01-01', NULL, {text})");
    match kind {
        ColumnType::Id | ColumnType::Code => format!("CAST({name} AS CHAR)"),
        ColumnType::Money => format!("CAST(CAST({name} AS DECIMAL(18,4)) AS CHAR)"),
        ColumnType::Date => unless_zero(format!("DATE_FORMAT({name}, '%Y-%m-%d')")),
        ColumnType::LocalDateTime | ColumnType::Instant => {
            unless_zero(format!("DATE_FORMAT({name}, '%Y-%m-%d %H:%i:%s.%f')"))
        }
        ColumnType::Time => format!("CAST(TIME_TO_SEC({name}) AS CHAR)"),
        ColumnType::Text => format!("CONVERT({name} USING utf8mb4)"),
    }
}

/// The keys of a range, ascending; at most `limit`.
pub(super) async fn keys(
    session: &mut Session,
    table: &Table,
    range: KeyRange,
    limit: Option<usize>,
) -> Result<Vec<i64>, Refusal> {
    let key = table.key();
    let limit = limit.map(|l| format!(" LIMIT {l}")).unwrap_or_default();
    let sql = format!("SELECT {key} FROM {}{} ORDER BY {key}{limit}", table.sql(), condition(table, range));
    within(ANSWER_LIMIT, session.conn.query::<i64, _>(sql)).await
}
