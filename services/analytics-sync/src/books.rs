//! The accepted tables of a practice as DataFusion sees them, and questions to them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::{array::RecordBatch, compute::concat_batches};
use datafusion::{
    common::{ParamValues, ScalarValue},
    datasource::{
        MemTable, TableProvider,
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    error::DataFusionError,
    execution::{
        SendableRecordBatchStream, SessionStateBuilder, memory_pool::FairSpillPool, runtime_env::RuntimeEnvBuilder,
    },
    prelude::{DataFrame, SessionConfig, SessionContext},
};
use jiff::civil;
use mesh::{
    calendar,
    datasets::{self, Dataset},
};
use url::Url;

pub use self::{answer::Answer, error::BooksError};
use crate::{
    store::{Folder, TableFile, bytes::Files, folder::Objects},
    tables::schema,
};

pub mod answer;
mod error;
pub mod preferences;

/// The memory that the sorts and groups of a streamed question may take; what needs more goes to a temporary folder.
const STREAM_MEMORY: usize = 256 << 20;

const VIEWS: &str = include_str!("books/views.sql");

/// A value for a `$name` in a question.
#[derive(Debug, Clone, Copy)]
pub enum Given {
    /// A date.
    Date(civil::Date),
    /// A wall-clock time.
    Time(civil::DateTime),
    /// A number, also for yes (1) and no (0).
    Number(i32),
}

impl From<civil::Date> for Given {
    fn from(date: civil::Date) -> Self {
        Given::Date(date)
    }
}

impl Given {
    fn scalar(self) -> ScalarValue {
        match self {
            Given::Date(date) => ScalarValue::Date32(Some(calendar::to_days(date))),
            Given::Time(at) => ScalarValue::TimestampMicrosecond(Some(calendar::to_micros(at)), None),
            Given::Number(number) => ScalarValue::Int32(Some(number)),
        }
    }
}

/// A practice's tables, each at one version, with the office's words as views over them.
pub struct Books {
    session: SessionContext,
}

impl Books {
    /// Opens the files of each dataset; a dataset without files, or not named, is an empty table.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub async fn open(
        tables: impl IntoIterator<Item = (&'static Dataset, Vec<TableFile>)>,
    ) -> Result<Self, DataFusionError> {
        Self::with_rows(tables, &BTreeMap::new()).await
    }

    /// The same with `rows`, in the tables' schemas, in place of the files of some datasets.
    ///
    /// # Errors
    /// When a file is missing or damaged, or rows are in another schema.
    pub async fn with_rows(
        tables: impl IntoIterator<Item = (&'static Dataset, Vec<TableFile>)>,
        rows: &BTreeMap<&'static str, RecordBatch>,
    ) -> Result<Self, DataFusionError> {
        let mut config = SessionConfig::new().with_target_partitions(2).with_information_schema(false);
        let options = config.options_mut();
        options.execution.parquet.schema_force_view_types = false;
        options.sql_parser.map_string_types_to_utf8view = false;
        let session = SessionContext::new_with_config(config);
        let mut given: HashMap<&str, Vec<TableFile>> =
            tables.into_iter().map(|(dataset, files)| (dataset.name, files)).collect();
        register_bucket(&session, given.values().flatten())?;
        for dataset in datasets::all() {
            let files = given.remove(dataset.name).unwrap_or_default();
            let table = match rows.get(dataset.name) {
                Some(rows) => Arc::new(MemTable::try_new(schema::arrow(dataset), vec![vec![rows.clone()]])?),
                None => provider(dataset, &files)?,
            };
            session.register_table(dataset.name, table)?;
        }
        let views: String =
            VIEWS.lines().filter(|line| !line.starts_with("--")).flat_map(|line| [line, "\n"]).collect();
        for view in views.split(';') {
            session.sql(view).await?;
        }
        Ok(Self { session })
    }

    /// The rows that a question brings, as a stream that reads no further than it is polled. `sql` holds `$name` for each of
    /// `given`.
    ///
    /// # Errors
    /// When it cannot be planned.
    pub async fn stream(
        &self,
        sql: &str,
        given: &[(&str, Given)],
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let pool = Arc::new(FairSpillPool::new(STREAM_MEMORY));
        let runtime = RuntimeEnvBuilder::from_runtime_env(&self.session.runtime_env()).with_memory_pool(pool);
        let state = SessionStateBuilder::new_from_existing(self.session.state());
        let state = state.with_runtime_env(runtime.build_arc()?).build();
        plan(&SessionContext::new_with_state(state), sql, given).await?.execute_stream().await
    }

    /// The datasets that a question reads.
    ///
    /// # Errors
    /// When it cannot be planned.
    #[cfg(test)]
    pub async fn tables(
        &self,
        sql: &str,
        given: &[(&str, Given)],
    ) -> Result<std::collections::BTreeSet<String>, DataFusionError> {
        let plan = plan(&self.session, sql, given).await?.into_optimized_plan()?;
        let mut tables = std::collections::BTreeSet::new();
        plan.apply_with_subqueries(|node| {
            if let datafusion::logical_expr::LogicalPlan::TableScan(scan) = node {
                tables.insert(scan.table_name.table().to_owned());
            }
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        Ok(tables)
    }

    /// Answers one question. `sql` holds `$name` for each of `given`.
    ///
    /// # Errors
    /// When it cannot be planned or a file cannot be read.
    pub async fn ask(&self, sql: &str, given: &[(&str, Given)]) -> Result<Answer, DataFusionError> {
        let frame = plan(&self.session, sql, given).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches: Vec<RecordBatch> = frame.collect().await?;
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        Ok(Answer::new(concat_batches(&schema, &batches)?))
    }
}

async fn plan(session: &SessionContext, sql: &str, given: &[(&str, Given)]) -> Result<DataFrame, DataFusionError> {
    let values = given.iter().map(|(name, value)| ((*name).to_owned(), value.scalar().into())).collect();
    session.sql(sql).await?.with_param_values(ParamValues::Map(values))
}

/// Where the files of a bucket are for DataFusion, whatever the bucket's own address.
const BUCKET: &str = "tables://bucket/";

/// Lets a session read those of `files` that are in a bucket; a practice's are all in the same one.
fn register_bucket<'a>(
    session: &SessionContext,
    files: impl Iterator<Item = &'a TableFile>,
) -> Result<(), DataFusionError> {
    let mut sizes = HashMap::new();
    let mut bucket: Option<&Objects> = None;
    for file in files {
        if let Folder::Objects(objects) = &file.table {
            sizes.insert(objects.key(&file.path), file.size);
            bucket = Some(objects);
        }
    }
    if let Some(Objects { store, read, .. }) = bucket {
        let url = Url::parse(BUCKET).map_err(|e| DataFusionError::External(Box::new(e)))?;
        session.register_object_store(&url, Arc::new(Files::new(store.clone(), read.clone(), sizes)));
    }
    Ok(())
}

/// A file's address for DataFusion.
fn address(file: &TableFile) -> Result<Url, DataFusionError> {
    let objects = match &file.table {
        Folder::Objects(objects) => objects,
        Folder::Local(root) => {
            let absolute = std::path::absolute(root.join(&file.path))?;
            if !absolute.is_file() {
                // To DataFusion a place without files is a table without rows.
                let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "a file of a table is missing");
                return Err(DataFusionError::IoError(missing));
            }
            return Url::from_file_path(&absolute)
                .map_err(|()| DataFusionError::Execution("the path of a table's file is not absolute".into()));
        }
    };
    let mut url = Url::parse(BUCKET).map_err(|e| DataFusionError::External(Box::new(e)))?;
    url.set_path(objects.key(&file.path).as_ref());
    Ok(url)
}

fn provider(dataset: &Dataset, files: &[TableFile]) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let schema = schema::arrow(dataset);
    if files.is_empty() {
        return Ok(Arc::new(MemTable::try_new(schema, vec![vec![]])?));
    }
    let urls = files.iter().map(|file| ListingTableUrl::parse(address(file)?));
    let urls = urls.collect::<Result<Vec<_>, DataFusionError>>()?;
    let format = Arc::new(ParquetFormat::default());
    let options = ListingOptions::new(format);
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}
