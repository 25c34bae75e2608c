//! What Sync Patient and bulk sync read, kept beside the tables until a commit has it.
//!
//! ```text
//! {root}/{practice}/.refreshed/{moment:020}-{uuid}.rows
//! ```
//!
//! A file holds what one call or batch read: a line of JSON that says what is in it, then one Arrow IPC stream for each
//! dataset. The moment is the PMS's, in microseconds, from before the first row was read: a table that is synced through a
//! later one has all of it, and the file goes. The tables themselves are never touched, so the boards stay as the night
//! left them. Every replica reads the same files.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use arrow::array::RecordBatch;
use jiff::Timestamp;
use mesh::datasets::{self, Dataset};
use serde_json::{Value, json};

use crate::store::Folder;

/// The folder, in the practice's.
pub(super) const FOLDER: &str = ".refreshed";
const ENDING: &str = "rows";
/// The first line of a file may be so long: of 10,000 patients it is a fifth of that.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// What was read of some families.
#[derive(Clone)]
pub struct Read {
    /// The PMS's time from before the first row was read.
    pub at: Timestamp,
    /// The guarantors of the families that were read whole.
    pub families: BTreeSet<i64>,
    /// Everybody whose row is meant: the members, those asked for, and those who were members before.
    pub patients: BTreeSet<i64>,
    /// The rows by dataset, in the schemas of the tables.
    pub rows: BTreeMap<&'static str, RecordBatch>,
}

/// A file of an overlay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The moment of what is in it.
    pub fn at(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0.split('-').next()?.parse().ok()?).ok()
    }
}

/// Keeps what was read, durably. `practice` is the practice's folder. Blocking.
///
/// # Errors
/// When the store fails.
pub fn keep(practice: &Folder, registered: &str, read: &Read) -> io::Result<Name> {
    let mut parts = Vec::new();
    for (name, batch) in &read.rows {
        parts.push((*name, mesh::rows::encode(batch).map_err(io::Error::other)?));
    }
    let head = json!({
        "registered": registered,
        "families": read.families,
        "patients": read.patients,
        "datasets": parts.iter().map(|(name, bytes)| json!([name, bytes.len()])).collect::<Vec<_>>(),
    });
    let name = Name(format!("{:020}-{}.{ENDING}", read.at.as_microsecond().max(0), uuid::Uuid::new_v4().simple()));
    let mut bytes = format!("{head}\n").into_bytes();
    parts.iter().for_each(|(_, part)| bytes.extend_from_slice(part));
    practice.write(&path(&name), bytes.into())?;
    Ok(name)
}

/// The files that are there, the oldest first. Blocking.
///
/// # Errors
/// When the store fails.
pub fn list(practice: &Folder) -> io::Result<Vec<Name>> {
    let of_rows = |name: &String| Path::new(name).extension().is_some_and(|ending| ending == ENDING);
    let files = practice.join(FOLDER).files()?.into_iter().map(|file| file.name).filter(of_rows);
    let mut names: Vec<Name> = files.map(Name).filter(|name| name.at().is_some()).collect();
    names.sort();
    Ok(names)
}

/// Reads a file of the registration `registered`; none of another one. Blocking.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub fn read(practice: &Folder, registered: &str, name: &Name) -> io::Result<Option<Read>> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a file of refreshed rows is damaged");
    let bytes = practice.read(&path(name))?;
    let end = bytes.iter().take(HEAD_BYTES_MAX).position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let head: Value = serde_json::from_slice(&bytes[..end]).map_err(|_| damaged())?;
    if head["registered"] != registered {
        return Ok(None);
    }
    let numbers = |part: &str| -> Option<BTreeSet<i64>> { head[part].as_array()?.iter().map(Value::as_i64).collect() };
    let mut rows = BTreeMap::new();
    let mut start = end + 1;
    for part in head["datasets"].as_array().ok_or_else(damaged)? {
        let length = part[1].as_u64().and_then(|length| usize::try_from(length).ok()).ok_or_else(damaged)?;
        let stop = start.checked_add(length).filter(|stop| *stop <= bytes.len()).ok_or_else(damaged)?;
        let batch = mesh::rows::decode(&bytes[start..stop]).map_err(|_| damaged())?;
        // A dataset that this version no longer has is of no use to it.
        if let Some(dataset) = part[0].as_str().and_then(datasets::get) {
            rows.insert(dataset.name, fitting(dataset, &batch).ok_or_else(damaged)?);
        }
        start = stop;
    }
    Ok(Some(Read {
        at: name.at().ok_or_else(damaged)?,
        families: numbers("families").ok_or_else(damaged)?,
        patients: numbers("patients").ok_or_else(damaged)?,
        rows,
    }))
}

/// A batch in the schema that the table has in this version.
fn fitting(dataset: &Dataset, batch: &RecordBatch) -> Option<RecordBatch> {
    crate::tables::schema::to_table(dataset, batch).ok()
}

/// Removes files that a commit has made needless. Blocking; one that is gone already is fine.
///
/// # Errors
/// When the store fails.
pub fn remove(practice: &Folder, names: &[Name]) -> io::Result<()> {
    names.iter().try_for_each(|name| practice.remove(&path(name)))
}

fn path(name: &Name) -> String {
    format!("{FOLDER}/{}", name.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::{
        tables::schema,
        testing::{batch, both},
    };

    fn some(at: &str) -> Read {
        let patient = datasets::get("patient").unwrap();
        let rows = batch(patient, &[json!({"pat_num": 7, "l_name": "Møller", "birthdate": "1980-03-31"})]);
        Read {
            at: at.parse().unwrap(),
            families: [7].into(),
            patients: [7, 9].into(),
            rows: [("patient", schema::to_table(patient, &rows).unwrap())].into(),
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_read_back_in_order_and_goes() {
        both(|folder| kept_and_read_back(&folder)).await;
    }

    fn kept_and_read_back(folder: &Folder) {
        assert!(list(folder).unwrap().is_empty());
        let later = keep(folder, "1", &some("2026-03-31T12:00:00Z")).unwrap();
        let sooner = keep(folder, "1", &some("2026-03-31T11:59:59.5Z")).unwrap();
        assert_eq!(list(folder).unwrap(), [sooner.clone(), later.clone()]);
        let (kept, back) = (some("2026-03-31T12:00:00Z"), read(folder, "1", &later).unwrap().unwrap());
        assert_eq!(
            (kept.at, &kept.families, &kept.patients, &kept.rows),
            (back.at, &back.families, &back.patients, &back.rows)
        );
        assert!(read(folder, "2", &later).unwrap().is_none(), "another registration's");
        remove(folder, &[sooner.clone(), sooner]).unwrap();
        assert_eq!(list(folder).unwrap(), [later]);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_panic() {
        let dir = tempfile::tempdir().unwrap();
        let folder = &Folder::from(dir.path());
        let name = keep(folder, "1", &some("2026-03-31T12:00:00Z")).unwrap();
        let whole = folder.read(&path(&name)).unwrap();
        for end in [0, 1, 20, whole.len() / 2, whole.len() - 300] {
            folder.write(&path(&name), whole.slice(..end)).unwrap();
            assert!(read(folder, "1", &name).is_err(), "cut at {end}");
        }
        folder.write(&path(&name), b"{}\n".as_slice().into()).unwrap();
        assert!(read(folder, "1", &name).is_ok_and(|read| read.is_none()));
    }
}
