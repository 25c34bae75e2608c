//! What a practice's database is, and what an operator should know of it.

mod grants;

use std::time::Duration;

use chairsync_proto::pms::{BinlogState, DatasetDescription, DescribeResponse};
use mesh::{Refusal, datasets};
use mysql_async::prelude::Queryable as _;

use self::grants::Grants;
use super::{
    OpenDental,
    faults::within,
    horizon::{server_time, timestamp},
    session::{ANSWER_LIMIT, Session},
    tables::{Catalog, needed, table_name},
};

/// How long the description may take, one question.
const LIMIT: Duration = ANSWER_LIMIT;
/// Rows above which a scan for changes is worth a warning.
const LARGE: i64 = 200_000;

impl OpenDental {
    /// Connects and says what is there.
    pub(super) async fn describe_database(&self) -> Result<DescribeResponse, Refusal> {
        let mut lease = self.quick.lease().await?;
        self.forget_catalog();
        let catalog = self.catalog(&mut lease).await?;
        let server_time = server_time(&mut lease, LIMIT).await?;
        let product = product(&mut lease, &catalog).await?;
        let grants = Grants::load(&mut lease).await?;
        let binlog = binlog(&mut lease, &grants).await?;
        let sees_transactions = grants.hold("PROCESS");
        let user_can_write = grants.may_write(&lease.database);
        let datasets: Vec<_> = datasets::all().map(|dataset| described(&catalog, dataset)).collect();
        let mut warnings = warnings(&catalog, &datasets);
        if user_can_write {
            warnings.push(
                "the user may write to the database, which chairsync never does: use one with SELECT, PROCESS only"
                    .to_owned(),
            );
        }
        if !grants.unseen.is_empty() {
            warnings.push(format!(
                "what the user may do by {} cannot be seen: make sure that it is no more than SELECT, PROCESS",
                grants.unseen.join(", ")
            ));
        }
        if !sees_transactions {
            warnings.push(
                "the user may not see transactions under way (PROCESS): each poll looks back ten minutes instead"
                    .to_owned(),
            );
        }
        let response = DescribeResponse {
            product,
            server_version: lease.version.clone(),
            fingerprint: lease.fingerprint.clone(),
            server_time: Some(timestamp(server_time)),
            datasets,
            binlog: Some(binlog),
            user_can_write,
            grants: grants.all.clone(),
            warnings,
        };
        // A session that wears a role is not one of ours any more.
        if !grants.has_roles() {
            lease.keep();
        }
        Ok(response)
    }
}

/// "Open Dental" and the version that its settings name.
async fn product(session: &mut Session, catalog: &Catalog) -> Result<String, Refusal> {
    let Some(table) = datasets::get("preference").and_then(|d| catalog.find(d)) else {
        return Ok("Open Dental".to_owned());
    };
    let (Some(name), Some(value)) = (table.column("pref_name"), table.column("value_string")) else {
        return Ok("Open Dental".to_owned());
    };
    let sql = format!(
        "SELECT {value} FROM {} WHERE {name} IN ('ProgramVersion', 'DataBaseVersion') \
         ORDER BY {name} = 'ProgramVersion' DESC LIMIT 1",
        table.sql()
    );
    let version = within(LIMIT, session.conn.query_first::<Option<String>, _>(sql)).await?.flatten();
    // Only what looks like a version is shown: the settings may hold anything.
    let plain = |v: &String| !v.is_empty() && v.len() <= 32 && v.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    Ok(version.filter(plain).map_or("Open Dental".to_owned(), |v| format!("Open Dental {v}")))
}

fn described(catalog: &Catalog, dataset: &'static datasets::Dataset) -> DatasetDescription {
    let Some(table) = catalog.find(dataset) else {
        return DatasetDescription {
            dataset: dataset.name.to_owned(),
            table: table_name(dataset.name).to_owned(),
            missing_columns: dataset.columns.iter().map(|c| c.name.to_owned()).collect(),
            ..DatasetDescription::default()
        };
    };
    DatasetDescription {
        dataset: dataset.name.to_owned(),
        table: table.name.clone(),
        present: true,
        engine: table.engine.clone(),
        change_column: table.change.as_ref().map(|c| c.name.clone()).unwrap_or_default(),
        change_column_indexed: table.change.as_ref().is_some_and(|c| c.indexed),
        estimated_rows: table.estimated_rows,
        missing_columns: table.missing().into_iter().map(str::to_owned).collect(),
    }
}

fn warnings(catalog: &Catalog, datasets: &[DatasetDescription]) -> Vec<String> {
    let mut warnings = Vec::new();
    for found in datasets {
        let Some(dataset) = datasets::get(&found.dataset) else { continue };
        if !found.present {
            let effect = if needed(dataset) { "features that need it fail" } else { "it is read as empty" };
            warnings.push(format!("table {} is missing (dataset {}): {effect}", found.table, found.dataset));
            continue;
        }
        if !found.missing_columns.is_empty() {
            let columns = found.missing_columns.join(", ");
            warnings.push(format!("table {} lacks {columns} in this version: read as null", found.table));
        }
        if found.engine.eq_ignore_ascii_case("myisam") {
            warnings.push(format!("table {} is MyISAM: its reads lock out writes; InnoDB is advised", found.table));
        }
        if !found.change_column.is_empty() && !found.change_column_indexed && found.estimated_rows > LARGE {
            warnings.push(format!(
                "table {} is large and {} has no index: changes are found by scanning, less often",
                found.table, found.change_column
            ));
        }
        if catalog.find(dataset).is_some_and(|t| !t.key_indexed) {
            warnings.push(format!("table {} has no index on its key: reading it is slow", found.table));
        }
    }
    warnings
}

async fn binlog(session: &mut Session, grants: &Grants) -> Result<BinlogState, Refusal> {
    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image')";
    let variables = within(LIMIT, session.conn.query::<(String, String), _>(sql)).await?;
    let of = |name: &str| {
        let found = variables.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_uppercase()).unwrap_or_default()
    };
    let enabled = of("log_bin") == "ON";
    let (format, row_image) = (of("binlog_format"), of("binlog_row_image"));
    let granted = ["REPLICATION SLAVE", "REPLICATION REPLICA"].iter().any(|g| grants.hold(g));
    let verdict = if !enabled {
        "not usable: the server writes no binlog; changes are polled"
    } else if format != "ROW" {
        "not usable: binlog_format is not ROW; changes are polled"
    } else if row_image != "FULL" {
        "not usable: binlog_row_image is not FULL; changes are polled"
    } else if !granted {
        "not usable: the user lacks REPLICATION SLAVE; changes are polled"
    } else {
        "usable, but not followed yet by this version; changes are polled"
    };
    Ok(BinlogState { enabled, format, row_image, granted, verdict: verdict.to_owned() })
}
