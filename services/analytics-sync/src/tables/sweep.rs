//! Removes the files of dead and superseded runs, never those of a run that came after.
//!
//! The files of the version just accepted stay, and those of the version before it: a query that began before the
//! acceptance may still be reading them.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use deltalake_core::DeltaTableError;

use super::{chunks, read::files_at};

/// Removes, of the runs up to `run`, what neither `version` nor the version before it needs; returns how many files went.
///
/// # Errors
/// When the table cannot be read; nothing is removed then.
pub async fn sweep(table: &Path, version: i64, run: u64) -> Result<usize, DeltaTableError> {
    let mut needed: HashSet<PathBuf> = files_at(table, version).await?.into_iter().collect();
    if version > 0 {
        needed.extend(files_at(table, version - 1).await?);
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

/// [`sweep`] for the table's latest version.
///
/// # Errors
/// As for [`sweep`].
pub async fn latest(table: &Path, run: u64) -> Result<usize, DeltaTableError> {
    let url = deltalake_core::ensure_table_uri(table.to_string_lossy())?;
    let version = deltalake_core::DeltaTableBuilder::from_url(url)?.build()?.get_latest_version().await?;
    sweep(table, i64::try_from(version).unwrap_or(i64::MAX), run).await
}
