//! Reads families from the PMS now: all that their rows are computed from.
//!
//! Balances, appointments of others and payments are the family's, so a patient's row is as new as the family's oldest part:
//! the whole family is read. The practice's own lists (providers, codes, definitions, preferences) stay the night's.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::{
    array::{Array as _, AsArray as _, BooleanArray, RecordBatch},
    compute::{concat_batches, filter_record_batch},
    datatypes::Int64Type,
};
use chairsync_proto::{
    pms::{FetchRequest, Selector, pms_connector_service_client::PmsConnectorServiceClient},
    practice::Practice,
};
use jiff::Timestamp;
use mesh::{
    calendar,
    datasets::{self, Dataset},
    transport::Channel,
};
use tonic::Status;

use super::overlay::Read;
use crate::tables::schema;

/// A client of the connector.
pub type ConnectorClient = PmsConnectorServiceClient<Channel>;

/// The members of families read at once. More are read in turns by whoever asks for more.
pub const MEMBERS_MAX: usize = 10_000;

/// What hangs on a patient, by the columns that name one.
const OF_PATIENTS: [(&str, &[&str]); 12] = [
    ("appointment", &["pat_num"]),
    ("recall", &["pat_num"]),
    ("procedure", &["pat_num"]),
    ("claim_line", &["pat_num"]),
    ("patient_plan", &["pat_num"]),
    ("payment_split", &["pat_num"]),
    ("adjustment", &["pat_num"]),
    ("payment_plan", &["pat_num", "guarantor"]),
    ("payment_plan_charge", &["pat_num", "guarantor"]),
    ("referral_attach", &["pat_num"]),
    ("sms_received", &["pat_num"]),
    ("sheet", &["pat_num"]),
];

/// What those rows name, in order: a later one may be named by an earlier one's rows.
const NAMED: [(&str, &str, &str); 6] = [
    ("payment_split", "pay_num", "payment"),
    ("payment_plan_charge", "pay_plan_num", "payment_plan"),
    ("patient_plan", "ins_sub_num", "insurance_subscriber"),
    ("insurance_subscriber", "plan_num", "insurance_plan"),
    ("insurance_plan", "carrier_num", "carrier"),
    ("referral_attach", "referral_num", "referral"),
];

/// The datasets that are read anew; the others stay the night's.
pub fn read_anew() -> impl Iterator<Item = &'static str> {
    let named = NAMED.iter().map(|(_, _, dataset)| *dataset);
    ["patient"].into_iter().chain(OF_PATIENTS.iter().map(|(dataset, _)| *dataset)).chain(named)
}

/// One reading, over several calls.
struct Reading<'a> {
    connector: ConnectorClient,
    practice: &'a Practice,
    at: Option<Timestamp>,
    rows: BTreeMap<&'static str, RecordBatch>,
}

/// Reads the families of `patients`, and those whose guarantors are `families`: theirs before. `members` are who was in
/// these before; their rows are meant too.
///
/// # Errors
/// The connector's own, or `UPSTREAM_UNAVAILABLE`.
pub async fn read(
    connector: ConnectorClient,
    practice: &Practice,
    patients: &BTreeSet<i64>,
    families: &BTreeSet<i64>,
    members: &BTreeSet<i64>,
) -> Result<Read, Status> {
    let mut reading = Reading { connector, practice, at: None, rows: BTreeMap::new() };
    let everybody: BTreeSet<i64> = patients.union(members).copied().collect();
    reading.fetch(&[("patient", "pat_num", everybody.clone())]).await?;
    let mut wanted = families.clone();
    wanted.extend(reading.people().into_iter().map(|(_, family)| family));
    let by = |column| ("patient", column, wanted.clone());
    reading.fetch(&[by("pat_num"), by("guarantor")]).await?;

    let people = reading.people();
    let family: BTreeSet<i64> = people.iter().filter(|(_, f)| wanted.contains(f)).map(|(number, _)| *number).collect();
    let of = |dataset: &'static str, column: &'static str| (dataset, column, family.clone());
    let pairs = OF_PATIENTS.iter().flat_map(|(dataset, columns)| columns.iter().map(move |column| (*dataset, *column)));
    let selectors: Vec<_> = pairs.map(|(dataset, column)| of(dataset, column)).collect();
    reading.fetch(&selectors).await?;
    // A plan's charges to others than its patient and guarantor change what they owe as well.
    let plans = reading.values("payment_plan", "pay_plan_num");
    reading.fetch(&[("payment_plan_charge", "pay_plan_num", plans)]).await?;
    for (of, column, dataset) in NAMED {
        let key = datasets::get(dataset).map_or("", |dataset| dataset.key);
        let named = reading.values(of, column);
        reading.fetch(&[(dataset, key, named)]).await?;
    }
    let patients = everybody.union(&family).copied().collect();
    Ok(Read { at: reading.at.unwrap_or_default(), families: wanted, patients, rows: reading.rows })
}

impl Reading<'_> {
    /// Reads rows by the values of a column, and adds those that are not there yet.
    async fn fetch(&mut self, wanted: &[(&'static str, &'static str, BTreeSet<i64>)]) -> Result<(), Status> {
        let mut selectors = Vec::new();
        for (dataset, column, values) in wanted {
            let values: Vec<i64> = values.iter().copied().filter(|value| *value != 0).collect();
            let selector = |values: &[i64]| Selector {
                dataset: (*dataset).to_owned(),
                column: (*column).to_owned(),
                values: values.to_vec(),
            };
            selectors.extend(values.chunks(MEMBERS_MAX).map(selector));
        }
        // What nobody is asked for is empty all the same.
        for (name, ..) in wanted {
            if let Some(dataset) = datasets::get(name) {
                self.rows.entry(dataset.name).or_insert_with(|| RecordBatch::new_empty(schema::arrow(dataset)));
            }
        }
        for selectors in selectors.chunks(SELECTORS_MAX) {
            let request = FetchRequest {
                practice: self.practice.name.clone(),
                source: self.practice.source.clone(),
                selectors: selectors.to_vec(),
            };
            let answer = self.connector.fetch(request).await.map_err(passed_on)?.into_inner();
            if self.at.is_none() {
                let time = answer.server_time.as_ref().and_then(|time| calendar::from_proto("server_time", time).ok());
                self.at = Some(time.ok_or_else(|| malformed("the connector answered without its PMS's time"))?);
            }
            for rows in answer.rows {
                let dataset = datasets::get(&rows.dataset);
                let dataset = dataset.ok_or_else(|| malformed("the connector sent a dataset nobody asked for"))?;
                let batch = mesh::rows::decode(&rows.arrow_ipc).and_then(|batch| schema::to_table(dataset, &batch));
                let batch = batch.map_err(|_| malformed("the connector sent rows that cannot be read"))?;
                self.add(dataset, batch)?;
            }
        }
        Ok(())
    }

    /// Adds the rows whose keys are not there yet.
    fn add(&mut self, dataset: &'static Dataset, batch: RecordBatch) -> Result<(), Status> {
        let unreadable = |_| malformed("rows that the connector sent cannot be put together");
        let there = self.rows.remove(dataset.name).unwrap_or_else(|| RecordBatch::new_empty(batch.schema()));
        let mut known: HashSet<i64> = numbers(&there, dataset.key).collect();
        let fresh: BooleanArray = numbers(&batch, dataset.key).map(|key| Some(known.insert(key))).collect();
        let fresh = filter_record_batch(&batch, &fresh).map_err(unreadable)?;
        let joined = concat_batches(&there.schema(), [&there, &fresh]).map_err(unreadable)?;
        self.rows.insert(dataset.name, joined);
        Ok(())
    }

    /// The values of a column.
    fn values(&self, dataset: &str, column: &str) -> BTreeSet<i64> {
        self.rows.get(dataset).map(|rows| numbers(rows, column).collect()).unwrap_or_default()
    }

    /// The people read so far, each with the guarantor.
    fn people(&self) -> Vec<(i64, i64)> {
        let Some(rows) = self.rows.get("patient") else { return Vec::new() };
        let pairs = numbers(rows, "pat_num").zip(numbers(rows, "guarantor"));
        pairs.map(|(number, guarantor)| (number, if guarantor == 0 { number } else { guarantor })).collect()
    }
}

/// Selectors of one call.
const SELECTORS_MAX: usize = 64;

/// The values of a column of numbers; 0 for null.
fn numbers<'a>(rows: &'a RecordBatch, column: &str) -> impl Iterator<Item = i64> + 'a {
    let values = rows.column_by_name(column).and_then(|values| values.as_primitive_opt::<Int64Type>());
    values
        .into_iter()
        .flat_map(|values| (0..values.len()).map(|place| if values.is_null(place) { 0 } else { values.value(place) }))
}

fn malformed(what: &str) -> Status {
    mesh::Refusal::internal(what).into()
}

/// The connector's refusals are made for people; those of other statuses may come from anywhere and are replaced.
fn passed_on(status: Status) -> Status {
    match mesh::error::reason_of(&status) {
        Some(_) => status,
        None if status.code() == tonic::Code::DeadlineExceeded => status,
        None => {
            tracing::warn!(code = ?status.code(), "the connector cannot be asked for single records");
            mesh::Refusal::upstream_unavailable("the pms-connector does not answer; try again").into()
        }
    }
}
