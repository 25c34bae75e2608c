//! Rows for tests: a dataset's batch from what differs from null and zero.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray, Time32SecondArray,
    TimestampMicrosecondArray,
};
use mesh::{
    calendar,
    datasets::{self, ColumnType, Dataset},
};
use serde_json::Value;

use crate::{
    books::Books,
    store::{Folder, TableFile, folder::Objects},
    tables::{chunks, schema},
};

/// A bucket in memory.
pub fn bucket() -> Folder {
    over(Arc::new(object_store::memory::InMemory::new()))
}

/// A bucket of a store.
pub fn over(store: Arc<dyn object_store::ObjectStore>) -> Folder {
    let root = "s3://bucket/".parse().unwrap();
    Folder::Objects(Objects { store, root, prefix: "some/prefix".into(), read: Arc::default() })
}

/// Does the same in a folder and in a bucket, on a thread that may block.
pub async fn both(test: impl Fn(Folder) + Clone + Send + 'static) {
    let dir = tempfile::tempdir().unwrap();
    for root in [Folder::from(dir.path()), bucket()] {
        let test = test.clone();
        tokio::task::spawn_blocking(move || test(root)).await.unwrap();
    }
}

/// A batch of a dataset in its canonical schema. Money is text ("12.5"), dates and times as ISO text; what a row does not
/// name is 0 for ids, codes and money, else null.
pub fn batch(dataset: &Dataset, rows: &[Value]) -> RecordBatch {
    for row in rows {
        for name in row.as_object().unwrap().keys() {
            assert!(dataset.position(name).is_some(), "{} has no column {name}", dataset.name);
        }
    }
    let column = |c: &datasets::Column| -> ArrayRef {
        let cells = || rows.iter().map(|row| row.get(c.name).filter(|v| !v.is_null()));
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        match c.kind {
            ColumnType::Id => {
                Arc::new(cells().map(|v| Some(v.map_or(0, |v| v.as_i64().unwrap()))).collect::<Int64Array>())
            }
            ColumnType::Code => {
                Arc::new(cells().map(|v| Some(v.map_or(0, |v| v.as_i64().unwrap() as i32))).collect::<Int32Array>())
            }
            ColumnType::Money => {
                let values = cells().map(|v| Some(v.map_or(0, |v| money(&text(v)))));
                Arc::new(values.collect::<Decimal128Array>().with_precision_and_scale(18, 4).unwrap())
            }
            ColumnType::Date => {
                let days = |v: &Value| calendar::to_days(text(v).parse().unwrap());
                Arc::new(cells().map(|v| v.map(days)).collect::<Date32Array>())
            }
            ColumnType::LocalDateTime => {
                let micros = |v: &Value| calendar::to_micros(text(v).parse().unwrap());
                Arc::new(cells().map(|v| v.map(micros)).collect::<TimestampMicrosecondArray>())
            }
            ColumnType::Instant => {
                Arc::new(cells().map(|_| None::<i64>).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            ColumnType::Time => {
                let seconds = |v: &Value| {
                    let at: jiff::civil::Time = text(v).parse().unwrap();
                    i32::from(at.hour()) * 3_600 + i32::from(at.minute()) * 60
                };
                Arc::new(cells().map(|v| v.map(seconds)).collect::<Time32SecondArray>())
            }
            ColumnType::Text => Arc::new(cells().map(|v| v.map(text)).collect::<StringArray>()),
        }
    };
    RecordBatch::try_new(datasets::schema(dataset), dataset.columns.iter().map(column).collect()).unwrap()
}

fn money(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let parts: i128 = format!("{part:0<4}").parse().unwrap();
    let whole_parts = whole.parse::<i128>().unwrap() * 10_000;
    if whole.starts_with('-') { whole_parts - parts } else { whole_parts + parts }
}

/// A practice on disk: rows by dataset.
#[derive(Debug)]
pub struct Practice {
    folder: tempfile::TempDir,
    rows: std::collections::BTreeMap<&'static str, Vec<Value>>,
}

impl Practice {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), rows: Default::default() }
    }

    /// Adds a row.
    pub fn with(mut self, dataset: &'static str, row: Value) -> Self {
        self.rows.entry(dataset).or_default().push(row);
        self
    }

    /// Adds rows.
    pub fn all(self, dataset: &'static str, rows: impl IntoIterator<Item = Value>) -> Self {
        rows.into_iter().fold(self, |practice, row| practice.with(dataset, row))
    }

    /// Writes the rows as the worker does and opens them.
    pub async fn books(&self) -> Books {
        let mut tables: Vec<(&'static Dataset, Vec<TableFile>)> = Vec::new();
        for (name, rows) in &self.rows {
            let dataset = datasets::get(name).unwrap();
            let table = self.folder.path().join(name);
            let batch = schema::to_table(dataset, &batch(dataset, rows)).unwrap();
            let place = chunks::Place {
                number: 0,
                epoch: 1,
                from: String::new(),
                to: "end".into(),
                last: true,
                synced_through: 0,
            };
            let file = table.join(chunks::write(&table, 7, dataset, &batch, place).unwrap().path);
            tables.push((dataset, vec![file.into()]));
        }
        Books::open(tables).await.unwrap()
    }
}
