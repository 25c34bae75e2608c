//! Delta tables compared with the database that they were read from, by counts and checksums that MariaDB computes.

use std::{fmt::Write as _, fs::File, path::Path};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType},
};
use deltalake_core::{DeltaTableBuilder, ensure_table_uri};
use jiff::{Timestamp, civil::Date};
use mesh::datasets::{self, ColumnType, Dataset};
use mysql_async::{Conn, prelude::Queryable};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};
use test_servers::MariaDb;

/// Rows and the exclusive or of 64 bits of each row's SHA-256.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checksum {
    /// The rows.
    pub rows: u64,
    /// The checksum; the order of rows does not matter.
    pub hash: u64,
}

/// Asserts that every table of a practice holds exactly the rows of the database.
///
/// # Panics
/// When one does not; all that differ are named.
pub async fn equal_database(tables: &Path, practice: &str, server: &MariaDb, database: &str) {
    let mut conn = server.root(database).await;
    conn.query_drop("SET time_zone = '+00:00', SESSION group_concat_max_len = 1000000").await.expect("the session");
    let mut differences = Vec::new();
    for dataset in datasets::all() {
        let table = of_table(&tables.join(practice).join(dataset.name), dataset).await;
        let source = of_database(&mut conn, dataset).await;
        if table != source {
            differences.push(format!("{}: table {table:?}, database {source:?}", dataset.name));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

/// The checksum of a Delta table's newest version.
///
/// # Panics
/// When the table cannot be read.
pub async fn of_table(folder: &Path, dataset: &Dataset) -> Checksum {
    let url = ensure_table_uri(folder.to_string_lossy()).expect("a table's place");
    let table = DeltaTableBuilder::from_url(url).expect("a table").load().await.expect("a table that loads");
    let mut sum = Checksum::default();
    for file in table.snapshot().expect("a snapshot").log_data().iter() {
        let file = File::open(folder.join(file.path().as_ref())).expect("a file of the table");
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("Parquet") {
            add_batch(&mut sum, dataset, &batch.expect("rows"));
        }
    }
    sum
}

fn add_batch(sum: &mut Checksum, dataset: &Dataset, batch: &RecordBatch) {
    let columns: Vec<_> = dataset.columns.iter().map(|c| (c, batch.column_by_name(c.name).expect(c.name))).collect();
    for row in 0..batch.num_rows() {
        let mut text = String::new();
        for (column, values) in &columns {
            if values.is_null(row) {
                text.push('~');
            } else {
                write_value(&mut text, column.kind, values, row);
            }
            text.push('|');
        }
        sum.rows += 1;
        let digest = Sha256::digest(text.as_bytes());
        sum.hash ^= u64::from_be_bytes(digest[..8].try_into().expect("eight bytes"));
    }
}

fn write_value(text: &mut String, kind: ColumnType, values: &ArrayRef, row: usize) {
    let micros = || values.as_primitive::<TimestampMicrosecondType>().value(row);
    match kind {
        ColumnType::Id => write!(text, "{}", values.as_primitive::<Int64Type>().value(row)),
        ColumnType::Code | ColumnType::Time => write!(text, "{}", values.as_primitive::<Int32Type>().value(row)),
        ColumnType::Money => {
            let value = values.as_primitive::<Decimal128Type>().value(row);
            let sign = if value < 0 { "-" } else { "" };
            write!(text, "{sign}{}.{:04}", value.unsigned_abs() / 10_000, value.unsigned_abs() % 10_000)
        }
        ColumnType::Date => {
            let days = i64::from(values.as_primitive::<Date32Type>().value(row));
            let date = Date::constant(1970, 1, 1) + jiff::Span::new().days(days);
            write!(text, "{date}")
        }
        ColumnType::LocalDateTime | ColumnType::Instant => {
            let time = Timestamp::from_microsecond(micros()).expect("a time").to_zoned(jiff::tz::TimeZone::UTC);
            write!(text, "{}", time.strftime("%Y-%m-%d %H:%M:%S"))
        }
        ColumnType::Text => write!(text, "{}", values.as_string::<i32>().value(row)),
    }
    .expect("text grows");
}

/// The checksum of a dataset's rows, computed by MariaDB.
///
/// # Panics
/// When the table is not there.
pub async fn of_database(conn: &mut Conn, dataset: &Dataset) -> Checksum {
    let table = source_table(dataset.name);
    let columns: Vec<String> = conn
        .exec(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
            (table,),
        )
        .await
        .expect("the columns");
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let values = dataset.columns.iter().map(|column| {
        let source = columns.iter().find(|c| plain(c) == plain(column.name)).expect(column.name);
        as_text(source, column.kind)
    });
    let row = values.map(|v| format!("COALESCE({v}, '~'), '|'")).collect::<Vec<_>>().join(", ");
    let hash = format!("CAST(CONV(LEFT(SHA2(CONCAT({row}), 256), 16), 16, 10) AS UNSIGNED)");
    let query = format!("SELECT COUNT(*), COALESCE(BIT_XOR({hash}), 0) FROM `{table}`");
    let (rows, hash) = conn.query_first(query).await.expect("a checksum").expect("one row");
    Checksum { rows, hash }
}

fn as_text(column: &str, kind: ColumnType) -> String {
    let zero = format!("`{column}` < '0002-01-01'");
    match kind {
        ColumnType::Id | ColumnType::Code => format!("CAST(`{column}` AS CHAR)"),
        ColumnType::Money => format!("CAST(CAST(`{column}` AS DECIMAL(18,4)) AS CHAR)"),
        ColumnType::Date => format!("IF({zero}, NULL, DATE_FORMAT(`{column}`, '%Y-%m-%d'))"),
        ColumnType::LocalDateTime | ColumnType::Instant => {
            format!("IF({zero}, NULL, DATE_FORMAT(`{column}`, '%Y-%m-%d %H:%i:%s'))")
        }
        ColumnType::Time => format!("CAST(TIME_TO_SEC(`{column}`) AS CHAR)"),
        ColumnType::Text => format!("CONVERT(`{column}` USING utf8mb4)"),
    }
}

/// The table of a dataset, stated here once more so that a wrong mapping in the connector shows.
fn source_table(dataset: &str) -> &str {
    match dataset {
        "patient_note" => "patientnote",
        "appointment_history" => "histappointment",
        "appointment_type" => "appointmenttype",
        "schedule_operatory" => "scheduleop",
        "recall_type" => "recalltype",
        "procedure" => "procedurelog",
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
        same => same,
    }
}
