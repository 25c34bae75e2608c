//! Removes the files of dead runs at once and superseded ones after a while, never those of a run that came after.
//!
//! A query that began before a commit may still be reading the files that the commit took out of the table, and a version
//! that was committed may not be accepted yet: what was taken out stays for [`RETENTION`], and the files of the version
//! that was accepted when the run began stay as well.

use std::{collections::HashSet, io};

use deltalake_core::DeltaTableError;
use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::{chunks, read::files_at};
use crate::store::Folder;

/// How long a file stays after it was taken out of its table.
pub const RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// Removes, of the runs up to `run`, the files that are not in the table and were not taken out of it after `until`, nor are
/// in the version `accepted`; returns how many files went.
///
/// # Errors
/// When the table cannot be read; nothing is removed then.
pub async fn sweep(
    table: impl Into<Folder>,
    run: u64,
    accepted: Option<i64>,
    until: Timestamp,
) -> Result<usize, DeltaTableError> {
    let table = table.into();
    let mut open = table.delta()?;
    open.load().await?;
    let state = open.snapshot()?;
    let mut needed: HashSet<String> = state.log_data().iter().map(|file| file.path().into_owned()).collect();
    let log = open.log_store();
    let mut taken_out = state.all_tombstones(log.as_ref());
    while let Some(file) = taken_out.try_next().await? {
        if file.deletion_timestamp().is_some_and(|at| at >= until.as_millisecond()) {
            needed.insert(file.path().into_owned());
        }
    }
    if let Some(accepted) = accepted {
        // One that is not there any more has no readers either.
        let files = files_at(&table, accepted).await.unwrap_or_default();
        needed.extend(files.into_iter().map(|file| file.path));
    }
    let removed = tokio::task::spawn_blocking(move || remove_others(&table, run, &needed));
    let removed = removed.await.map_err(io::Error::other).and_then(|done| done);
    removed.map_err(|source| DeltaTableError::Io { source })
}

fn remove_others(table: &Folder, run: u64, needed: &HashSet<String>) -> io::Result<usize> {
    let mut removed = 0;
    for name in table.folders()? {
        // A newer run may be at work already: its files are in no version yet.
        if chunks::run_of(&name).is_none_or(|owner| owner > run) {
            continue;
        }
        let folder = table.join(&name);
        for file in folder.files()? {
            if !needed.contains(&format!("{name}/{}", file.name)) {
                folder.remove(&file.name)?;
                removed += 1;
            }
        }
        folder.remove_empty();
    }
    Ok(removed)
}
