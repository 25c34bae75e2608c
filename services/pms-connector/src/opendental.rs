//! Open Dental on MariaDB or MySQL, read by SQL and never written to by it.
//!
//! [`session`] is a read-only connection, [`tables`] matches the database with the canonical datasets, [`rows`] turns
//! rows into Arrow, [`lineage`] notices a restored backup. The verbs have a file each: [`describe`], [`snapshot`] (its
//! changed rows in [`changed`]), [`changes`], [`fetch`], [`digest`], and [`write`], which writes through the REST [`api`].

mod api;
mod changed;
mod changes;
mod describe;
mod digest;
mod faults;
mod fetch;
mod horizon;
mod lineage;
mod rows;
mod session;
mod snapshot;
mod tables;
mod token;
mod write;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chairsync_proto::{
    pms::{DescribeResponse, DigestRequest, DigestResponse, FetchResponse, Selector, SnapshotDataset, WriteResponse},
    practice::OpenDentalSource,
};
use mesh::{
    Refusal,
    datasets::{self, Dataset},
    secret::Secret,
};
use parking_lot::Mutex;

use self::{
    api::Api,
    session::{Lane, Lease},
    tables::Catalog,
    write::Writing,
};
use crate::connector::{ChangesStream, Connector, SnapshotStream, Write};

pub use api::Manners;

/// The tables of Open Dental that chairsync reads, as SQL: what tests and samples are loaded into.
pub const SCHEMA: &str = include_str!("opendental/schema.sql");

/// What is known of the tables is asked again after this.
const CATALOG_AGE: Duration = Duration::from_secs(600);

/// How often a database is asked.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two polls for changes.
    pub poll: Duration,
    /// Between two comparisons of keys, which find deletes.
    pub reconcile: Duration,
    /// The most rows of a snapshot's chunk.
    pub chunk_rows: u32,
}

/// One practice's database.
pub struct OpenDental {
    /// For what takes long: snapshots, changes, digests, one at a time.
    bulk: Lane,
    /// For what somebody waits for: fetches, descriptions.
    quick: Lane,
    writing: Writing,
    pace: Pace,
    catalog: Mutex<Option<(Instant, Arc<Catalog>)>>,
}

impl std::fmt::Debug for OpenDental {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenDental")
    }
}

impl OpenDental {
    /// A database by its address, and the API that writes to it; it connects when first used.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a malformed address, `CREDENTIAL_NOT_FOUND` for malformed keys.
    pub fn new(
        source: &OpenDentalSource,
        password: Option<&Secret>,
        keys: Option<&Secret>,
        pace: Pace,
        manners: &Manners,
    ) -> Result<Self, Refusal> {
        let opts = session::options(&source.uri, password)?;
        let api = match (&source.api, keys) {
            (Some(settings), Some(keys)) => Some(Arc::new(Api::new(settings, keys, manners)?)),
            _ => None,
        };
        Ok(Self {
            bulk: Lane::new(opts.clone()),
            quick: Lane::new(opts.clone()),
            writing: Writing::new(api, Lane::new(opts)),
            pace,
            catalog: Mutex::default(),
        })
    }

    /// What the database has, asked anew now and then.
    async fn catalog(&self, lease: &mut Lease) -> Result<Arc<Catalog>, Refusal> {
        if let Some((asked, catalog)) = &*self.catalog.lock()
            && asked.elapsed() < CATALOG_AGE
        {
            return Ok(Arc::clone(catalog));
        }
        let catalog = Arc::new(Catalog::load(lease).await?);
        catalog.recognize()?;
        *self.catalog.lock() = Some((Instant::now(), Arc::clone(&catalog)));
        Ok(catalog)
    }

    /// After a refusal that says that the tables are not what they were: ask again next time.
    fn forget_catalog(&self) {
        *self.catalog.lock() = None;
    }
}

/// A canonical dataset that was asked for.
fn dataset(field: impl Into<String>, name: &str) -> Result<&'static Dataset, Refusal> {
    datasets::get(name)
        .ok_or_else(|| Refusal::invalid(field, "must be a canonical dataset, e.g. patient; `Describe` lists them"))
}

#[async_trait]
impl Connector for OpenDental {
    async fn describe(&self) -> Result<DescribeResponse, Refusal> {
        self.describe_database().await
    }

    async fn snapshot(self: Arc<Self>, datasets: Vec<SnapshotDataset>) -> Result<SnapshotStream, Refusal> {
        self.read_datasets(datasets).await
    }

    async fn changes(self: Arc<Self>, position: String, datasets: Vec<String>) -> Result<ChangesStream, Refusal> {
        self.follow(position, datasets).await
    }

    async fn fetch(&self, selectors: Vec<Selector>) -> Result<FetchResponse, Refusal> {
        self.fetch_rows(selectors).await
    }

    async fn digest(&self, request: DigestRequest) -> Result<DigestResponse, Refusal> {
        self.digest_ranges(request).await
    }

    async fn write(&self, write: Write) -> Result<WriteResponse, Refusal> {
        self.write_once(&write.key, write.content, write.step, write.perhaps_sent).await
    }
}
