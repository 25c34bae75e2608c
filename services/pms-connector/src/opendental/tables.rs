//! Which table holds which dataset, and what this version of the database has of it.

use std::collections::{HashMap, HashSet};

use mesh::{
    ErrorReason, Refusal,
    datasets::{self, Dataset},
};
use mysql_async::prelude::Queryable as _;
use tonic::Code;

use super::{
    faults::within,
    session::{ANSWER_LIMIT, Session},
};

/// Without these it is not an Open Dental database.
const SIGNS: [&str; 4] = ["patient", "procedure", "appointment", "preference"];

/// The table of a dataset.
pub(super) fn table_name(dataset: &str) -> &str {
    match dataset {
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
        same => same,
    }
}

/// A name without what canonical and source names differ in: underscores and case.
fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// A name as SQL quotes it.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The column that shows when a row changed.
#[derive(Debug, Clone)]
pub(super) struct ChangeColumn {
    /// Its plain name.
    pub name: String,
    /// Its position in the dataset.
    pub place: usize,
    /// Whether an index begins with it.
    pub indexed: bool,
}

/// A dataset's table as found.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// The dataset.
    pub dataset: &'static Dataset,
    /// The table's plain name.
    pub name: String,
    /// The storage engine.
    pub engine: String,
    /// Rows as the server estimates them.
    pub estimated_rows: i64,
    /// For each canonical column the source's plain name; none where this version has no such column.
    pub columns: Vec<Option<String>>,
    /// The column that shows changes; only `timestamp` columns do, which the server keeps itself.
    pub change: Option<ChangeColumn>,
    /// Whether an index begins with the key.
    pub key_indexed: bool,
}

impl Table {
    /// The table's name in SQL.
    pub(super) fn sql(&self) -> String {
        quoted(&self.name)
    }

    /// The key's name in SQL.
    pub(super) fn key(&self) -> String {
        self.column(self.dataset.key).unwrap_or_default()
    }

    /// A canonical column's name in SQL, if this version has it.
    pub(super) fn column(&self, canonical: &str) -> Option<String> {
        self.columns[self.dataset.position(canonical)?].as_deref().map(quoted)
    }

    /// The canonical columns that this version lacks.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let lacking = self.dataset.columns.iter().zip(&self.columns).filter(|(_, found)| found.is_none());
        lacking.map(|(column, _)| column.name).collect()
    }
}

/// What a database has.
#[derive(Debug)]
pub(super) struct Catalog {
    tables: HashMap<&'static str, Table>,
}

#[derive(Default)]
struct Found {
    name: String,
    engine: String,
    rows: i64,
    /// Folded name to name and type.
    columns: HashMap<String, (String, String)>,
    /// Folded names of columns that an index begins with.
    indexed: HashSet<String>,
}

impl Catalog {
    /// Asks `information_schema`.
    ///
    /// # Errors
    /// What [`within`] says.
    pub(super) async fn load(session: &mut Session) -> Result<Self, Refusal> {
        let mut found: HashMap<String, Found> = HashMap::new();
        let query = session.conn.query::<(String, Option<String>, Option<i64>), _>(
            "SELECT CAST(TABLE_NAME AS CHAR), CAST(ENGINE AS CHAR), CAST(TABLE_ROWS AS SIGNED) \
             FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
        );
        for (name, engine, rows) in within(ANSWER_LIMIT, query).await? {
            let table = found.entry(name.to_lowercase()).or_default();
            (table.name, table.engine, table.rows) = (name, engine.unwrap_or_default(), rows.unwrap_or_default());
        }
        let query = session.conn.query::<(String, String, String), _>(
            "SELECT CAST(TABLE_NAME AS CHAR), CAST(COLUMN_NAME AS CHAR), CAST(DATA_TYPE AS CHAR) \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()",
        );
        for (table, name, kind) in within(ANSWER_LIMIT, query).await? {
            let table = found.entry(table.to_lowercase()).or_default();
            table.columns.insert(folded(&name), (name, kind.to_lowercase()));
        }
        let query = session.conn.query::<(String, String), _>(
            "SELECT CAST(TABLE_NAME AS CHAR), CAST(COLUMN_NAME AS CHAR) FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA = DATABASE() AND SEQ_IN_INDEX = 1",
        );
        for (table, column) in within(ANSWER_LIMIT, query).await? {
            found.entry(table.to_lowercase()).or_default().indexed.insert(folded(&column));
        }
        let of = |dataset: &'static Dataset| {
            let found = found.get(table_name(dataset.name)).filter(|f| !f.name.is_empty())?;
            Some((dataset.name, matched(dataset, found)))
        };
        Ok(Self { tables: datasets::all().filter_map(of).collect() })
    }

    /// Whether this is an Open Dental database.
    ///
    /// # Errors
    /// `PMS_NOT_RECOGNIZED` that names what is missing.
    pub(super) fn recognize(&self) -> Result<(), Refusal> {
        let lacking: Vec<_> = SIGNS.into_iter().filter(|d| !self.tables.contains_key(d)).map(table_name).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the database is not Open Dental's: it has no table {}; check the database's name in `uri`",
            lacking.join(", ")
        );
        Err(Refusal::new(Code::FailedPrecondition, ErrorReason::PmsNotRecognized, message))
    }

    /// A dataset's table, if it is there.
    pub(super) fn find(&self, dataset: &Dataset) -> Option<&Table> {
        self.tables.get(dataset.name)
    }

    /// A dataset's table with its key. None when the table is missing and no feature needs it.
    ///
    /// # Errors
    /// `PMS_TABLE_MISSING` or `PMS_COLUMN_MISSING` that names the part.
    pub(super) fn readable(&self, dataset: &'static Dataset) -> Result<Option<&Table>, Refusal> {
        let Some(table) = self.find(dataset) else {
            if !needed(dataset) {
                return Ok(None);
            }
            let message = format!(
                "the PMS has no table {}, which dataset {} needs; update Open Dental or restore the table",
                table_name(dataset.name),
                dataset.name
            );
            return Err(Refusal::new(Code::FailedPrecondition, ErrorReason::PmsTableMissing, message));
        };
        if table.column(dataset.key).is_none() {
            let message = format!(
                "the PMS's table {} has no column for {}, the key of dataset {}; update Open Dental",
                table.name, dataset.key, dataset.name
            );
            return Err(Refusal::new(Code::FailedPrecondition, ErrorReason::PmsColumnMissing, message));
        }
        Ok(Some(table))
    }
}

/// Whether a feature of the catalog needs a dataset.
pub(super) fn needed(dataset: &Dataset) -> bool {
    chairsync_proto::catalog::features().iter().any(|row| row.policy.datasets.iter().any(|d| d == dataset.name))
}

fn matched(dataset: &'static Dataset, found: &Found) -> Table {
    let columns: Vec<Option<String>> =
        dataset.columns.iter().map(|c| found.columns.get(&folded(c.name)).map(|(name, _)| name.clone())).collect();
    let change = dataset.change_column().and_then(|column| {
        let (name, kind) = found.columns.get(&folded(column.name))?;
        let indexed = found.indexed.contains(&folded(column.name));
        let place = dataset.position(column.name)?;
        (kind == "timestamp").then(|| ChangeColumn { name: name.clone(), place, indexed })
    });
    Table {
        dataset,
        name: found.name.clone(),
        engine: found.engine.clone(),
        estimated_rows: found.rows,
        key_indexed: found.indexed.contains(&folded(dataset.key)),
        columns,
        change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dataset_has_its_table_and_columns_in_the_schema() {
        let schema = super::super::SCHEMA;
        for dataset in datasets::all() {
            let table = table_name(dataset.name);
            let head = format!("CREATE TABLE {table} (");
            let start = schema.find(&head).unwrap_or_else(|| panic!("no table {table}"));
            let body = &schema[start..][..schema[start..].find("\n)").unwrap_or_default()];
            let columns: HashSet<String> =
                body.lines().skip(1).filter_map(|l| l.split_whitespace().next()).map(folded).collect();
            for column in dataset.columns {
                assert!(columns.contains(&folded(column.name)), "{table} has no {}", column.name);
            }
        }
    }
}
