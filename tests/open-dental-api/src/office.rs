//! The office behind the API: its calls, on its database, one at a time.

mod appointments;
mod charges;
mod given;
mod notes;
mod patients;
mod payments;

use http::Method;
use mysql_async::{Conn, Opts, Pool, Row, Value as Sql, prelude::Queryable as _};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

/// The office.
pub(crate) struct Office {
    pool: Pool,
    /// One call that changes something at a time, as one program does them.
    turn: Mutex<()>,
}

/// What a call answers.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub status: u16,
    /// Of a new resource, where it is.
    pub location: Option<String>,
    /// The body.
    pub body: Value,
}

/// A refusal, with its explanation.
pub(crate) fn refused(status: u16, why: &str) -> Answer {
    Answer { status, location: None, body: json!(why) }
}

/// How a call goes: a refusal is an answer too.
pub(crate) type Called = Result<Answer, Fault>;

/// Why a call is not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// With an explanation.
    Refused(Answer),
    /// The database failed.
    Database(mysql_async::Error),
}

impl From<mysql_async::Error> for Fault {
    fn from(error: mysql_async::Error) -> Self {
        Self::Database(error)
    }
}

/// Refuses with 400.
pub(crate) fn bad<T>(why: &str) -> Result<T, Fault> {
    Err(Fault::Refused(refused(400, why)))
}

/// Refuses with 404.
pub(crate) fn missing<T>(what: &str) -> Result<T, Fault> {
    Err(Fault::Refused(refused(404, &format!("{what} not found."))))
}

impl Office {
    pub(crate) fn open(database: &str) -> anyhow::Result<Self> {
        Ok(Self { pool: Pool::new(Opts::from_url(database)?), turn: Mutex::new(()) })
    }

    /// Does a call; `wrong_row` does it to another patient than asked.
    pub(crate) async fn call(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        given: &Value,
        wrong_row: bool,
    ) -> Answer {
        let turn = if method == Method::GET { None } else { Some(self.turn.lock().await) };
        let called = self.try_call(method, path, query, given, wrong_row).await;
        drop(turn);
        match called {
            Ok(answer) => answer,
            Err(Fault::Refused(answer)) => answer,
            Err(Fault::Database(error)) => {
                eprintln!("the database failed: {error}");
                refused(500, "An error occurred.")
            }
        }
    }

    async fn try_call(&self, method: &Method, path: &str, query: &str, given: &Value, wrong_row: bool) -> Called {
        let mut conn = self.pool.get_conn().await?;
        let conn: &mut Conn = &mut conn;
        conn.query_drop("SET NAMES utf8mb4").await?;
        let mut given = given.clone();
        if wrong_row {
            use_another_patient(conn, &mut given).await?;
        }
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let number = parts.get(1).and_then(|part| part.parse::<i64>().ok());
        let asked: Map<String, Value> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        conn.query_drop("START TRANSACTION").await?;
        let called = match (method.as_str(), parts.as_slice(), number) {
            ("POST", ["payments"], _) => payments::create(conn, &given).await,
            ("POST", ["payments", "Refund"], _) => payments::refund(conn, &given).await,
            ("PUT", ["payments", _], Some(number)) => payments::update(conn, number, &given).await,
            ("PUT", ["payments", _, "Partial"], Some(number)) => payments::partial(conn, number, &given).await,
            ("GET", ["payments"], _) => list(conn, "payment", "PayNum", &asked, &["PatNum", "PayType"]).await,
            ("GET", ["paysplits"], _) => list(conn, "paysplit", "SplitNum", &asked, &["PayNum", "PatNum"]).await,
            ("POST", ["appointments"], _) => appointments::create(conn, &given).await,
            ("PUT", ["appointments", _], Some(number)) => appointments::update(conn, number, &given).await,
            ("PUT", ["appointments", _, "Note"], Some(number)) => appointments::note(conn, number, &given).await,
            ("PUT", ["appointments", _, "Confirm"], Some(number)) => appointments::confirm(conn, number, &given).await,
            ("PUT", ["appointments", _, "Break"], Some(number)) => appointments::break_one(conn, number, &given).await,
            ("GET", ["appointments"], _) => list(conn, "appointment", "AptNum", &asked, &["PatNum"]).await,
            ("POST", ["commlogs"], _) => notes::commlog(conn, &given).await,
            ("POST", ["documents", "Upload"], _) => notes::document(conn, &given).await,
            ("POST", ["sheets"], _) => notes::sheet(conn, &given).await,
            ("POST", ["patients"], _) => patients::create(conn, &given).await,
            ("PUT", ["patients", _], Some(number)) => patients::update(conn, number, &given).await,
            _ => missing("The API resource"),
        };
        conn.query_drop(if called.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
        called
    }
}

async fn use_another_patient(conn: &mut Conn, given: &mut Value) -> Result<(), Fault> {
    if let Some(patient) = given::number(given, "PatNum")? {
        const OTHER: &str = "SELECT PatNum FROM patient WHERE PatNum <> ? AND PatStatus = 0 ORDER BY PatNum LIMIT 1";
        let other: Option<i64> = conn.exec_first(OTHER, (patient,)).await?;
        given["PatNum"] = json!(other.unwrap_or(patient));
    }
    Ok(())
}

/// Rows of a table by some of its columns, at most 100 from an offset on.
async fn list(conn: &mut Conn, table: &str, key: &str, asked: &Map<String, Value>, by: &[&str]) -> Called {
    let number = |name: &str| asked.get(name).and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok());
    let mut wanted = String::new();
    for column in by {
        if let Some(value) = number(column) {
            wanted.push_str(&format!(" AND {column} = {value}"));
        }
    }
    let (limit, offset) = (number("Limit").unwrap_or(100).clamp(1, 100), number("Offset").unwrap_or(0).max(0));
    let sql = format!("SELECT * FROM {table} WHERE TRUE{wanted} ORDER BY {key} LIMIT {limit} OFFSET {offset}");
    let rows: Vec<Row> = conn.query(sql).await?;
    Ok(Answer { status: 200, location: None, body: Value::Array(rows.iter().map(object).collect()) })
}

/// One row as the API shows it, and where it is.
async fn one(conn: &mut Conn, status: u16, resource: &str, table: &str, key: &str, number: i64) -> Called {
    let row: Option<Row> = conn.exec_first(format!("SELECT * FROM {table} WHERE {key} = ?"), (number,)).await?;
    let Some(row) = row else { return missing("The row") };
    let location = (status == 201).then(|| format!("/api/v1/{resource}/{number}"));
    Ok(Answer { status, location, body: object(&row) })
}

/// A row as an object: numbers of keys as numbers, the rest as texts, line ends as blanks.
fn object(row: &Row) -> Value {
    let mut object = Map::new();
    for (place, column) in row.columns_ref().iter().enumerate() {
        let value = match row.as_ref(place) {
            None | Some(Sql::NULL) => json!(""),
            Some(Sql::Int(number)) => json!(number),
            Some(Sql::UInt(number)) => json!(number),
            Some(Sql::Double(number)) => json!(number.to_string()),
            Some(Sql::Float(number)) => json!(number.to_string()),
            Some(Sql::Bytes(bytes)) => json!(String::from_utf8_lossy(bytes).replace("\r\n", " ").replace('\n', " ")),
            Some(Sql::Date(year, month, day, hour, minute, second, _)) => {
                json!(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"))
            }
            Some(Sql::Time(..)) => json!(""),
        };
        object.insert(column.name_str().into_owned(), value);
    }
    Value::Object(object)
}
