//! Which files a table version consists of.

use deltalake_core::DeltaTableError;

use crate::store::{Folder, TableFile};

/// The files of a table at a version, by path.
///
/// # Errors
/// When the table or the version is not there or damaged.
pub async fn files_at(table: impl Into<Folder>, version: i64) -> Result<Vec<TableFile>, DeltaTableError> {
    let table = table.into();
    if table.local().is_some_and(|root| !root.exists()) {
        return Err(DeltaTableError::NotATable("the table's folder is missing".into()));
    }
    let version = u64::try_from(version).map_err(|_| DeltaTableError::InvalidVersion(0))?;
    let mut open = table.delta()?;
    open.load_version(version).await?;
    let file = |path: String, size: i64| TableFile { table: table.clone(), path, size: size.unsigned_abs() };
    let mut files: Vec<TableFile> =
        open.snapshot()?.log_data().iter().map(|known| file(known.path().into_owned(), known.size())).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
