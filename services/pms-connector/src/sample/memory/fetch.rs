//! Single records of a sample practice.

use chairsync_proto::pms::{FetchResponse, FetchedRows, Selector};
use mesh::{Refusal, datasets::ColumnType};

use super::{SamplePractice, now, source, unencodable};
use crate::sample::{
    canonical,
    store::{Key, Rows, Source},
    value::{Row, Value},
};

/// Selectors of one call.
const SELECTORS_LIMIT: usize = 64;
/// Values of one selector.
const VALUES_LIMIT: usize = 10_000;

impl SamplePractice {
    /// Reads the rows that selectors name, in key order.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a dataset or column that does not exist or cannot be matched, or for too many of them.
    pub fn fetch(&self, selectors: &[Selector]) -> Result<FetchResponse, Refusal> {
        if selectors.len() > SELECTORS_LIMIT {
            return Err(Refusal::invalid("selectors", "must be at most 64"));
        }
        let store = self.store.read();
        let mut answers = Vec::new();
        for (place, selector) in selectors.iter().enumerate() {
            let field = |name: &str| format!("selectors[{place}].{name}");
            let source = source(&field("dataset"), &selector.dataset)?;
            let column =
                source.dataset.position(&selector.column).filter(|&c| source.dataset.columns[c].kind == ColumnType::Id);
            let column =
                column.ok_or_else(|| Refusal::invalid(field("column"), "must be the dataset's key or a reference"))?;
            if selector.values.len() > VALUES_LIMIT {
                return Err(Refusal::invalid(field("values"), "must be at most 10,000"));
            }
            let rows = select(&source, store.rows(source.table), column, &selector.values);
            let batch = canonical::batch(&source, &rows).map_err(|e| unencodable(&e))?;
            let arrow_ipc = mesh::rows::encode(&batch).map_err(|e| unencodable(&e))?;
            answers.push(FetchedRows { dataset: source.dataset.name.to_owned(), arrow_ipc });
        }
        Ok(FetchResponse { rows: answers, server_time: Some(now()) })
    }
}

fn select<'a>(source: &Source, rows: &'a Rows, column: usize, values: &[i64]) -> Vec<&'a Row> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    if source.dataset.columns[column].name == source.dataset.key {
        return values.iter().filter_map(|value| rows.get(&Key::Number(*value))).collect();
    }
    let place = source.columns[column];
    rows.values()
        .filter(|row| matches!(row[place], Value::Int(number) if values.binary_search(&number).is_ok()))
        .collect()
}
