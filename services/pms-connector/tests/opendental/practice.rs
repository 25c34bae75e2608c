//! A practice on a real server, and what the server itself says of it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Date32Type, Decimal128Type, Int32Type, Int64Type, Time32SecondType, TimestampMicrosecondType},
};
use chairsync_proto::practice::{OpenDentalSource, PmsSource, pms_source::Kind};
use mesh::{
    datasets::{self, ColumnType, Dataset},
    secret::Secret,
};
use mysql_async::{Conn, Row, Value, prelude::Queryable};
use pms_connector::{
    Config, Sources,
    connector::Connector,
    sample::{self, load},
};
use test_servers::{Brand, SqlServer};

/// The longest that anything may take on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A row in canonical columns, as text; dates and times as counts since the epoch.
pub type Cells = Vec<Option<String>>;
/// Rows by key.
pub type Rows = BTreeMap<String, Cells>;

/// A server with one practice.
pub struct Practice {
    pub server: SqlServer,
    pub admin: Conn,
}

impl Practice {
    /// A practice with tables and no rows.
    pub async fn empty(brand: Brand) -> Self {
        Self::empty_with(brand, &[]).await
    }

    /// The same on a server with further arguments.
    pub async fn empty_with(brand: Brand, arguments: &[&str]) -> Self {
        let server = SqlServer::start_brand(brand, arguments).await;
        server.create_database("practice").await;
        let mut admin = server.root("practice").await;
        for statement in pms_connector::opendental::SCHEMA.split(";\n") {
            let lines: Vec<_> = statement.lines().filter(|l| !l.trim_start().starts_with("--")).collect();
            if lines.iter().any(|l| !l.trim().is_empty()) {
                admin.query_drop(lines.join("\n")).await.expect("the schema loads");
            }
        }
        admin
            .query_drop("INSERT INTO preference (PrefName, ValueString) VALUES ('ProgramVersion', '24.3.10.0')")
            .await
            .unwrap();
        Self { server, admin }
    }

    /// A generated practice.
    pub async fn generated(brand: Brand, seed: u64, patients: u32) -> Self {
        let server = SqlServer::start_brand(brand, &[]).await;
        server.create_database("practice").await;
        let config = sample::Config { seed, patients, as_of: jiff::civil::date(2026, 3, 2), years: 1 };
        let url = server.root_url("practice");
        load(&url, None, &config, &load::Options::default(), |_| {}).await.expect("the sample loads");
        let admin = server.root("practice").await;
        Self { server, admin }
    }

    pub async fn sql(&mut self, statement: &str) {
        self.admin.query_drop(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }

    /// The numbers 1 to `count` as a table expression with one column, `seq`: only MariaDB has such tables itself.
    pub async fn numbers(&mut self, count: u32) -> String {
        self.sql("CREATE DATABASE IF NOT EXISTS tools").await;
        self.sql("CREATE TABLE IF NOT EXISTS tools.numbers (seq BIGINT PRIMARY KEY)").await;
        self.sql("INSERT IGNORE INTO tools.numbers VALUES (1)").await;
        let mut there: u32 = self.admin.query_first("SELECT COUNT(*) FROM tools.numbers").await.unwrap().unwrap();
        while there < count {
            self.sql(&format!("INSERT INTO tools.numbers SELECT seq + {there} FROM tools.numbers")).await;
            there *= 2;
        }
        format!("(SELECT seq FROM tools.numbers WHERE seq <= {count}) AS numbers")
    }

    pub fn source(&self, credential: &str) -> PmsSource {
        source(&self.server.url("practice"), credential)
    }

    /// A connector that polls every 50 ms.
    pub async fn connector(&self) -> Arc<dyn Connector> {
        sources().open("north", &self.source("reader")).await.unwrap()
    }

    /// What the server says a dataset holds, by rules written in SQL.
    pub async fn expected(&mut self, dataset: &Dataset) -> Rows {
        let table = table_of(dataset);
        let names: Vec<String> = self
            .admin
            .query(format!(
                "SELECT COLUMN_NAME FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = 'practice' AND TABLE_NAME = '{table}'"
            ))
            .await
            .unwrap();
        let folded = |name: &str| name.replace('_', "").to_lowercase();
        let names: HashMap<String, String> = names.into_iter().map(|n| (folded(&n), n)).collect();
        let columns = dataset.columns.iter().map(|column| match names.get(&folded(column.name)) {
            Some(name) => in_sql(column.kind, &format!("`{name}`")),
            None => "NULL".to_owned(),
        });
        let sql = format!("SELECT {} FROM `{table}`", columns.collect::<Vec<_>>().join(", "));
        self.admin.query_drop("SET time_zone = '+00:00'").await.unwrap();
        let rows: Vec<Row> = self.admin.query(sql).await.unwrap();
        let key = dataset.position(dataset.key).unwrap();
        rows.into_iter().map(|row| cells_of(row, key)).collect()
    }
}

fn in_sql(kind: ColumnType, name: &str) -> String {
    match kind {
        ColumnType::Money => format!("CAST(CAST({name} AS DECIMAL(18, 4)) * 10000 AS SIGNED)"),
        ColumnType::Date => format!("IF({name} < '0001-01-02', NULL, DATEDIFF({name}, '1970-01-01'))"),
        ColumnType::LocalDateTime => {
            format!("IF({name} < '0001-01-02', NULL, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {name}))")
        }
        ColumnType::Instant => format!("CAST(UNIX_TIMESTAMP({name}) * 1000000 AS SIGNED)"),
        ColumnType::Time => format!("TIME_TO_SEC({name})"),
        ColumnType::Id | ColumnType::Code | ColumnType::Text => name.to_owned(),
    }
}

fn cells_of(row: Row, key: usize) -> (String, Cells) {
    let cells: Cells = row
        .unwrap()
        .into_iter()
        .map(|value| match value {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(String::from_utf8(bytes).unwrap()),
            other => panic!("unexpected {}", other.as_sql(false)),
        })
        .collect();
    (cells[key].clone().unwrap(), cells)
}

/// The table of a dataset, as the connector describes it; the mapping itself is tested against the schema.
fn table_of(dataset: &Dataset) -> &'static str {
    match dataset.name {
        "procedure" => "procedurelog",
        "patient_note" => "patientnote",
        "appointment_history" => "histappointment",
        "appointment_type" => "appointmenttype",
        "schedule_operatory" => "scheduleop",
        "recall_type" => "recalltype",
        "procedure_code" => "procedurecode",
        "treatment_plan" => "treatplan",
        "treatment_plan_attach" => "treatplanattach",
        "treatment_plan_procedure" => "proctp",
        "payment_split" => "paysplit",
        "payment_plan" => "payplan",
        "payment_plan_charge" => "payplancharge",
        "claim_line" => "claimproc",
        "claim_payment" => "claimpayment",
        "insurance_plan" => "insplan",
        "insurance_subscriber" => "inssub",
        "patient_plan" => "patplan",
        "sms_received" => "smsfrommobile",
        "sms_sent" => "smstomobile",
        "referral_attach" => "refattach",
        _ => datasets::get(dataset.name).unwrap().name,
    }
}

pub fn source(uri: &str, credential: &str) -> PmsSource {
    let database = OpenDentalSource { uri: uri.to_owned(), credential: credential.to_owned(), api: None };
    PmsSource { kind: Some(Kind::OpenDental(database)) }
}

pub fn sources() -> Sources {
    let credentials = HashMap::from([
        ("reader".to_owned(), Secret::new(SqlServer::READER_PASSWORD)),
        ("root".to_owned(), Secret::new(SqlServer::ROOT_PASSWORD)),
        ("wrong".to_owned(), Secret::new("not-the-password")),
    ]);
    Sources::new(Config { credentials, poll_interval_ms: 50, reconcile_interval_ms: 50, ..Config::default() })
}

/// A batch's rows in the order in which they came.
pub fn rows_of(dataset: &Dataset, batch: &RecordBatch) -> Vec<(String, Cells)> {
    assert_eq!(batch.schema(), datasets::schema(dataset));
    let key = dataset.position(dataset.key).unwrap();
    (0..batch.num_rows())
        .map(|row| {
            let cells: Cells = (0..batch.num_columns())
                .map(|place| cell(dataset.columns[place].kind, batch.column(place).as_ref(), row))
                .collect();
            (cells[key].clone().unwrap(), cells)
        })
        .collect()
}

fn cell(kind: ColumnType, array: &dyn Array, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match kind {
        ColumnType::Id => array.as_primitive::<Int64Type>().value(row).to_string(),
        ColumnType::Code => array.as_primitive::<Int32Type>().value(row).to_string(),
        ColumnType::Money => array.as_primitive::<Decimal128Type>().value(row).to_string(),
        ColumnType::Date => array.as_primitive::<Date32Type>().value(row).to_string(),
        ColumnType::LocalDateTime | ColumnType::Instant => {
            array.as_primitive::<TimestampMicrosecondType>().value(row).to_string()
        }
        ColumnType::Time => array.as_primitive::<Time32SecondType>().value(row).to_string(),
        ColumnType::Text => array.as_string::<i32>().value(row).to_owned(),
    })
}

/// Asserts that rows are the same, naming the dataset and one difference.
pub fn same(dataset: &Dataset, got: &Rows, expected: &Rows) {
    for (key, row) in expected {
        assert_eq!(got.get(key), Some(row), "{} {key}", dataset.name);
    }
    let extra: Vec<_> = got.keys().filter(|k| !expected.contains_key(*k)).collect();
    assert!(extra.is_empty(), "{} has rows too many: {extra:?}", dataset.name);
}
