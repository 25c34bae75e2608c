//! Which files a table version consists of.

use std::path::{Path, PathBuf};

use deltalake_core::{DeltaTableBuilder, DeltaTableError, ensure_table_uri};

/// The files of a table at a version, in the order of the log.
///
/// # Errors
/// When the table or the version is not there or damaged.
pub async fn files_at(table: &Path, version: i64) -> Result<Vec<PathBuf>, DeltaTableError> {
    if !table.exists() {
        return Err(DeltaTableError::NotATable("the table's folder is missing".into()));
    }
    let url = ensure_table_uri(table.to_string_lossy())?;
    let version = u64::try_from(version).map_err(|_| DeltaTableError::InvalidVersion(0))?;
    let open = DeltaTableBuilder::from_url(url)?.with_version(version).load().await?;
    let mut files: Vec<PathBuf> =
        open.snapshot()?.log_data().iter().map(|file| table.join(file.path().as_ref())).collect();
    files.sort();
    Ok(files)
}
