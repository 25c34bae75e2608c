//! Removes the files of dead runs at once and superseded ones after a while, never those of a run that came after.
//!
//! A query that began before a commit may still be reading the files that the commit took out of the table, and a version
//! that was committed may not be accepted yet: what was taken out stays for [`RETENTION`], and the files of the version
//! that was accepted when the run began stay as well.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use deltalake_core::DeltaTableError;
use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::{chunks, read::files_at};

/// How long a file stays after it was taken out of its table.
pub const RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// Removes, of the runs up to `run`, the files that are not in the table and were not taken out of it after `until`, nor are
/// in the version `accepted`; returns how many files went.
///
/// # Errors
/// When the table cannot be read; nothing is removed then.
pub async fn sweep(table: &Path, run: u64, accepted: Option<i64>, until: Timestamp) -> Result<usize, DeltaTableError> {
    let url = deltalake_core::ensure_table_uri(table.to_string_lossy())?;
    let open = deltalake_core::DeltaTableBuilder::from_url(url)?.load().await?;
    let state = open.snapshot()?;
    let mut needed: HashSet<PathBuf> = state.log_data().iter().map(|file| table.join(file.path().as_ref())).collect();
    let log = open.log_store();
    let mut taken_out = state.all_tombstones(log.as_ref());
    while let Some(file) = taken_out.try_next().await? {
        if file.deletion_timestamp().is_some_and(|at| at >= until.as_millisecond()) {
            needed.insert(table.join(file.path().as_ref()));
        }
    }
    if let Some(accepted) = accepted {
        // One that is not there any more has no readers either.
        needed.extend(files_at(table, accepted).await.unwrap_or_default());
    }
    let table = table.to_owned();
    let removed = tokio::task::spawn_blocking(move || remove_others(&table, run, &needed));
    let removed = removed.await.map_err(io::Error::other).and_then(|done| done);
    removed.map_err(|source| DeltaTableError::Io { source })
}

fn remove_others(table: &Path, run: u64, needed: &HashSet<PathBuf>) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(table)? {
        let folder = entry?.path();
        // A newer run may be at work already: its files are in no version yet.
        let owner = folder.file_name().and_then(|name| chunks::run_of(name.to_str()?));
        if owner.is_none_or(|owner| owner > run) {
            continue;
        }
        for file in fs::read_dir(&folder)? {
            let file = file?.path();
            if !needed.contains(&file) {
                fs::remove_file(&file)?;
                removed += 1;
            }
        }
        let _ = fs::remove_dir(&folder); // refused, and rightly, while a needed file is in it
    }
    Ok(removed)
}
