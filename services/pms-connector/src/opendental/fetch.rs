//! Single records, read now on a connection of their own.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use chairsync_proto::pms::{FetchResponse, FetchedRows, Selector};
use mesh::{Refusal, datasets::ColumnType};
use mysql_async::prelude::Queryable as _;

use super::{
    OpenDental, dataset,
    faults::within,
    horizon::{server_time, timestamp},
    rows::{Batcher, Selection, encode},
    session::Session,
    tables::Table,
};

/// How long one selector may take.
const FETCH_LIMIT: Duration = Duration::from_secs(20);

impl OpenDental {
    /// Reads the rows that selectors name, in key order. The call's own deadline ends it by dropping it.
    pub(super) async fn fetch_rows(&self, selectors: Vec<Selector>) -> Result<FetchResponse, Refusal> {
        let mut lease = self.quick.lease().await?;
        let catalog = self.catalog(&mut lease).await?;
        let mut plan = Vec::new();
        for (place, selector) in selectors.iter().enumerate() {
            let dataset = dataset(format!("selectors[{place}].dataset"), &selector.dataset)?;
            let is_reference = |c: &mesh::datasets::Column| c.name == selector.column && c.kind == ColumnType::Id;
            if !dataset.columns.iter().any(is_reference) {
                let fault = "must be the dataset's key or a reference";
                return Err(Refusal::invalid(format!("selectors[{place}].column"), fault));
            }
            plan.push((dataset, catalog.readable(dataset)?, selector));
        }
        let now = server_time(&mut lease, FETCH_LIMIT).await?;
        let mut rows = Vec::new();
        for (dataset, table, selector) in plan {
            let batch = match table {
                Some(table) => select(&mut lease, table, selector).await.inspect_err(|_| self.forget_catalog())?,
                None => arrow::array::RecordBatch::new_empty(mesh::datasets::schema(dataset)),
            };
            rows.push(FetchedRows { dataset: dataset.name.to_owned(), arrow_ipc: encode(&batch)? });
        }
        lease.keep();
        Ok(FetchResponse { rows, server_time: Some(timestamp(now)) })
    }
}

async fn select(
    session: &mut Session,
    table: &Table,
    selector: &Selector,
) -> Result<arrow::array::RecordBatch, Refusal> {
    let selection = Arc::new(Selection::of(table));
    let mut batcher = Batcher::new(Arc::clone(&selection), selector.values.len());
    // A column that this version lacks matches nothing.
    if let (Some(column), false) = (table.column(&selector.column), selector.values.is_empty()) {
        let (name, key) = (table.sql(), table.key());
        let mut sql = format!("SELECT {} FROM {name} WHERE {column} IN (", selection.columns);
        for (place, value) in selector.values.iter().enumerate() {
            let _ = write!(sql, "{}{value}", if place == 0 { "" } else { "," });
        }
        let _ = write!(sql, ") ORDER BY {key}");
        let reading = async {
            let statement = session.conn.prep(sql).await?;
            let mut result = session.conn.exec_iter(&statement, ()).await?;
            result.for_each(|row| batcher.push(&row)).await?;
            result.drop_result().await?;
            // Its text holds the values: no other call will need it again.
            session.conn.close(statement).await
        };
        within(FETCH_LIMIT, reading).await?;
    }
    batcher.finish()
}
