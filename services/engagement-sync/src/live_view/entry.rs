//! One change in the log.

use std::{fmt, sync::OnceLock};

use jiff::Timestamp;
use mesh::datasets::Dataset;
use prost_types::Struct;

use crate::row::{Row, to_struct};

/// A change of one row, applied once. May hold patient data: its `Debug` does not show the row.
pub struct Entry {
    /// Its number; one more than the change before it.
    pub sequence: u64,
    /// The dataset.
    pub dataset: &'static Dataset,
    /// The row's key in the PMS.
    pub key: String,
    /// The row's patient; `None` in datasets without patients.
    pub patient: Option<i64>,
    /// The row after the change; `None`: it is gone.
    pub row: Option<Row>,
    /// The source's time up to which changes were in the view when it was applied.
    pub source_time: Option<Timestamp>,
    /// When it was applied.
    pub applied_at: Timestamp,
    shown: OnceLock<Struct>,
}

impl Entry {
    /// A change as read from a store.
    pub fn new(
        sequence: u64,
        (dataset, key): (&'static Dataset, String),
        patient: Option<i64>,
        row: Option<Row>,
        (source_time, applied_at): (Option<Timestamp>, Timestamp),
    ) -> Self {
        Self { sequence, dataset, key, patient, row, source_time, applied_at, shown: OnceLock::new() }
    }

    /// The row as watchers get it, made once however many watch.
    pub fn shown(&self) -> Option<&Struct> {
        self.row.as_ref().map(|row| self.shown.get_or_init(|| to_struct(row)))
    }

    /// The PMS's own time of the change: the row's own stamp, else the position's.
    pub fn changed_at(&self) -> Option<Timestamp> {
        self.row.as_ref().and_then(Row::changed_at).or(self.source_time)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({}, {}, redacted)", self.sequence, self.dataset.name)
    }
}
