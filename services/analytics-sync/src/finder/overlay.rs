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
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use arrow::array::RecordBatch;
use jiff::Timestamp;
use mesh::datasets::{self, Dataset};
use serde_json::{Value, json};

use crate::store::write_durably;

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
/// When the file system refuses.
pub fn keep(practice: &Path, registered: &str, read: &Read) -> io::Result<Name> {
    let folder = practice.join(FOLDER);
    fs::create_dir_all(&folder)?;
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
    write_durably(&folder.join(&name.0), |file| {
        let mut file = io::BufWriter::new(file);
        writeln!(file, "{head}")?;
        for (_, bytes) in &parts {
            file.write_all(bytes)?;
        }
        file.flush()
    })?;
    Ok(name)
}

/// The files that are there, the oldest first. Blocking.
///
/// # Errors
/// When the folder cannot be listed.
pub fn list(practice: &Path) -> io::Result<Vec<Name>> {
    let entries = match fs::read_dir(practice.join(FOLDER)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_str().filter(|name| Path::new(name).extension().is_some_and(|ending| ending == ENDING));
        names.extend(name.map(|name| Name(name.to_owned())).filter(|name| name.at().is_some()));
    }
    names.sort();
    Ok(names)
}

/// Reads a file of the registration `registered`; none of another one. Blocking.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub fn read(practice: &Path, registered: &str, name: &Name) -> io::Result<Option<Read>> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a file of refreshed rows is damaged");
    let bytes = fs::read(path(practice, name))?;
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
/// When the file system refuses.
pub fn remove(practice: &Path, names: &[Name]) -> io::Result<()> {
    for name in names {
        match fs::remove_file(path(practice, name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

fn path(practice: &Path, name: &Name) -> PathBuf {
    practice.join(FOLDER).join(&name.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::{tables::schema, testing::batch};

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

    #[test]
    fn what_is_kept_is_read_back_in_order_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        assert!(list(folder.path()).unwrap().is_empty());
        let later = keep(folder.path(), "1", &some("2026-03-31T12:00:00Z")).unwrap();
        let sooner = keep(folder.path(), "1", &some("2026-03-31T11:59:59.5Z")).unwrap();
        assert_eq!(list(folder.path()).unwrap(), [sooner.clone(), later.clone()]);
        let (kept, back) = (some("2026-03-31T12:00:00Z"), read(folder.path(), "1", &later).unwrap().unwrap());
        assert_eq!(
            (kept.at, &kept.families, &kept.patients, &kept.rows),
            (back.at, &back.families, &back.patients, &back.rows)
        );
        assert!(read(folder.path(), "2", &later).unwrap().is_none(), "another registration's");
        remove(folder.path(), &[sooner.clone(), sooner]).unwrap();
        assert_eq!(list(folder.path()).unwrap(), [later]);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let name = keep(folder.path(), "1", &some("2026-03-31T12:00:00Z")).unwrap();
        let whole = fs::read(path(folder.path(), &name)).unwrap();
        for end in [0, 1, 20, whole.len() / 2, whole.len() - 300] {
            fs::write(path(folder.path(), &name), &whole[..end]).unwrap();
            assert!(read(folder.path(), "1", &name).is_err(), "cut at {end}");
        }
        fs::write(path(folder.path(), &name), b"{}\n").unwrap();
        assert!(read(folder.path(), "1", &name).is_ok_and(|read| read.is_none()));
    }
}
