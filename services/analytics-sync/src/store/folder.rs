//! A place for files: a folder of this machine, or a prefix of an object store's bucket.
//!
//! Both keep the same promises: a file is there whole or not at all, it is durable when its writing returns, and of two
//! that [`Folder::create`] the same name one is told that it was there. What an object store has not, a rename, is made of
//! copies and deletions, in an order that a kill in the middle does no harm to.

use std::{
    fs,
    future::Future,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use deltalake_core::{
    DeltaResult, DeltaTable, DeltaTableBuilder, ensure_table_uri,
    logstore::{LogStoreRef, StorageConfig, default_logstore},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, path::Path as Key,
};
use tokio::runtime::Handle;
use url::Url;

use super::{bytes::FileBytes, faults};

/// Objects that are copied or looked at together.
const TOGETHER: usize = 16;

/// A place for files. Paths in it are relative, with `/`.
#[derive(Debug, Clone)]
pub enum Folder {
    /// A folder of this machine.
    Local(PathBuf),
    /// A prefix of a bucket.
    Objects(Objects),
}

/// A prefix of a bucket.
#[derive(Debug, Clone)]
pub struct Objects {
    /// The bucket's objects, by their whole keys.
    pub store: Arc<dyn ObjectStore>,
    /// The bucket's URL, e.g. `s3://bucket/`.
    pub root: Url,
    /// The prefix.
    pub prefix: Key,
    /// The contents of files that were read lately.
    pub read: Arc<FileBytes>,
}

/// A file that is there.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name in its folder.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: Timestamp,
}

/// A file of a table's version, where it is.
#[derive(Debug, Clone)]
pub struct TableFile {
    /// The table's folder.
    pub table: Folder,
    /// The file's path in it.
    pub path: String,
    /// Its bytes, as the table's log has them.
    pub size: u64,
}

impl From<&Path> for Folder {
    fn from(path: &Path) -> Self {
        Self::Local(path.to_owned())
    }
}

impl From<&PathBuf> for Folder {
    fn from(path: &PathBuf) -> Self {
        Self::Local(path.clone())
    }
}

impl From<PathBuf> for Folder {
    fn from(path: PathBuf) -> Self {
        Self::Local(path)
    }
}

impl From<&Folder> for Folder {
    fn from(folder: &Folder) -> Self {
        folder.clone()
    }
}

impl Folder {
    /// A folder in this one.
    #[must_use]
    pub fn join(&self, path: &str) -> Self {
        match self {
            Self::Local(root) => Self::Local(root.join(path)),
            Self::Objects(objects) => Self::Objects(Objects { prefix: objects.key(path), ..objects.clone() }),
        }
    }

    /// Its path, where it is one of this machine.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Self::Local(root) => Some(root),
            Self::Objects(_) => None,
        }
    }

    /// The file `path`, whole. Blocking; so is all below that says nothing else.
    ///
    /// # Errors
    /// `NotFound`, or when the store fails.
    pub fn read(&self, path: &str) -> io::Result<Bytes> {
        match self {
            Self::Local(root) => fs::read(root.join(path)).map(Bytes::from),
            Self::Objects(objects) => wait(async { objects.store.get(&objects.key(path)).await?.bytes().await }),
        }
    }

    /// The last bytes of a file of `size` bytes, `most` at most.
    ///
    /// # Errors
    /// As for [`Folder::read`].
    pub fn tail(&self, path: &str, size: u64, most: u64) -> io::Result<Bytes> {
        let from = size.saturating_sub(most);
        match self {
            Self::Local(root) => {
                let mut file = fs::File::open(root.join(path))?;
                let mut bytes = Vec::new();
                file.seek(SeekFrom::Start(from))?;
                file.take(size - from).read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
            Self::Objects(objects) => {
                let range = GetOptions { range: Some(GetRange::Bounded(from..size)), ..GetOptions::default() };
                wait(async { objects.store.get_opts(&objects.key(path), range).await?.bytes().await })
            }
        }
    }

    /// Whether a file is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn exists(&self, path: &str) -> io::Result<bool> {
        match self {
            Self::Local(root) => fs::exists(root.join(path)),
            Self::Objects(objects) => match wait(async { objects.store.head(&objects.key(path)).await }) {
                Ok(_) => Ok(true),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(e) => Err(e),
            },
        }
    }

    /// Writes a file durably, in the place of one that is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn write(&self, path: &str, bytes: Bytes) -> io::Result<()> {
        match self {
            Self::Local(root) => {
                let path = root.join(path);
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                write_durably(&path, |file| io::Write::write_all(file, &bytes))
            }
            Self::Objects(objects) => {
                wait(async { objects.store.put(&objects.key(path), PutPayload::from_bytes(bytes)).await.map(drop) })
            }
        }
    }

    /// Writes a file durably where there is none; false when one is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn create(&self, path: &str, bytes: Bytes) -> io::Result<bool> {
        let there = |done: io::Result<()>| match done {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        };
        match self {
            Self::Local(root) => {
                let path = root.join(path);
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                // Only one file gets the name, whole.
                let own = path.with_extension(uuid::Uuid::new_v4().simple().to_string());
                write_durably(&own, |file| io::Write::write_all(file, &bytes))?;
                let first = fs::hard_link(&own, &path);
                let removed = fs::remove_file(&own);
                let first = there(first)?;
                sync_folder(&path)?;
                removed?;
                Ok(first)
            }
            Self::Objects(objects) => {
                let key = objects.key(path);
                there(wait(async {
                    objects.store.put_opts(&key, bytes.into(), PutMode::Create.into()).await.map(drop)
                }))
            }
        }
    }

    /// The files that are directly in it; none where it is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn files(&self) -> io::Result<Vec<Entry>> {
        match self {
            Self::Local(root) => {
                let mut files = Vec::new();
                for entry in entries(root)? {
                    let known = match entry.metadata() {
                        Err(e) if e.kind() == io::ErrorKind::NotFound => continue, // gone in the meantime
                        known => known?,
                    };
                    let Some(name) = entry.file_name().to_str().filter(|_| known.is_file()).map(str::to_owned) else {
                        continue;
                    };
                    let modified = Timestamp::try_from(known.modified()?).map_err(io::Error::other)?;
                    files.push(Entry { name, size: known.len(), modified });
                }
                Ok(files)
            }
            Self::Objects(objects) => {
                let listed = wait(async { objects.store.list_with_delimiter(Some(&objects.prefix)).await })?;
                let file = |object: ObjectMeta| {
                    let name = object.location.filename()?.to_owned();
                    let modified = Timestamp::from_microsecond(object.last_modified.timestamp_micros()).ok()?;
                    Some(Entry { name, size: object.size, modified })
                };
                Ok(listed.objects.into_iter().filter_map(file).collect())
            }
        }
    }

    /// The names of the folders that are directly in it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn folders(&self) -> io::Result<Vec<String>> {
        match self {
            Self::Local(root) => {
                let folders = entries(root)?.into_iter().filter(|entry| entry.file_type().is_ok_and(|of| of.is_dir()));
                Ok(folders.filter_map(|entry| entry.file_name().into_string().ok()).collect())
            }
            Self::Objects(objects) => {
                let listed = wait(async { objects.store.list_with_delimiter(Some(&objects.prefix)).await })?;
                Ok(listed.common_prefixes.iter().filter_map(|folder| folder.filename()).map(str::to_owned).collect())
            }
        }
    }

    /// Removes a file; nothing there is fine.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let removed = match self {
            Self::Local(root) => fs::remove_file(root.join(path)),
            Self::Objects(objects) => wait(async { objects.store.delete(&objects.key(path)).await }),
        };
        gone(removed)
    }

    /// Removes the folder itself where nothing is in it. In a bucket there is no such thing.
    pub fn remove_empty(&self) {
        if let Self::Local(root) = self {
            let _ = fs::remove_dir(root); // refused, and rightly, while a file is in it
        }
    }

    /// Removes all that is in it, the file `last` last: who finds that one finds what was removed before gone, and who does
    /// not finds nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove_all(&self, last: &str) -> io::Result<()> {
        match self {
            Self::Local(root) => {
                for entry in entries(root)?.into_iter().filter(|entry| entry.file_name() != last) {
                    match entry.file_type()?.is_dir() {
                        true => gone(fs::remove_dir_all(entry.path()))?,
                        false => gone(fs::remove_file(entry.path()))?,
                    }
                }
                gone(fs::remove_dir_all(root))
            }
            Self::Objects(objects) => {
                let (last, store) = (objects.key(last), objects.store.clone());
                let others = objects.store.list(Some(&objects.prefix)).map_ok(|object| object.location);
                let kept = last.clone();
                let others = others.try_filter(move |key| std::future::ready(*key != kept)).boxed();
                wait(async move { store.delete_stream(others).try_for_each(|_| std::future::ready(Ok(()))).await })?;
                self.remove_key(&last)
            }
        }
    }

    /// Moves all that is in it to `to`, whose contents go. In a bucket a kill in the middle leaves a part in both, which
    /// the next move ends.
    ///
    /// # Errors
    /// When the store fails.
    pub fn move_to(&self, to: &Self) -> io::Result<()> {
        match (self, to) {
            (Self::Local(from), Self::Local(to)) => {
                to.parent().map_or(Ok(()), fs::create_dir_all)?;
                gone(fs::remove_dir_all(to))?;
                gone(fs::rename(from, to))?;
                sync_folder(to)
            }
            (Self::Objects(from), Self::Objects(to)) => wait(async {
                let mut keys: Vec<Key> =
                    from.store.list(Some(&from.prefix)).map_ok(|object| object.location).try_collect().await?;
                if keys.is_empty() {
                    return Ok(());
                }
                // In this order a table's log goes first, the oldest version before the others: what is left of it after
                // a kill cannot be taken for a table.
                keys.sort();
                let old = from.store.list(Some(&to.prefix)).map_ok(|object| object.location).boxed();
                from.store.delete_stream(old).try_for_each(|_| std::future::ready(Ok(()))).await?;
                let copied = |key: Key| async move {
                    let Some(rest) = key.prefix_match(&from.prefix) else { return Ok(()) };
                    let rest: Vec<_> = rest.map(|part| part.as_ref().to_owned()).collect();
                    from.store.copy(&key, &to.key(&rest.join("/"))).await
                };
                stream::iter(keys.clone())
                    .map(copied)
                    .buffer_unordered(TOGETHER)
                    .try_for_each(|()| std::future::ready(Ok(())))
                    .await?;
                for key in keys {
                    from.store.delete(&key).await?;
                }
                Ok(())
            }),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "two places of different kinds")),
        }
    }

    fn remove_key(&self, key: &Key) -> io::Result<()> {
        match self {
            Self::Objects(objects) => gone(wait(async { objects.store.delete(key).await })),
            Self::Local(_) => Ok(()),
        }
    }

    /// Delta's way to the table in this folder; a folder of this machine is made. Does not block.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn log_store(&self) -> DeltaResult<LogStoreRef> {
        match self {
            Self::Local(root) => {
                DeltaTableBuilder::from_url(ensure_table_uri(root.to_string_lossy())?)?.build_storage()
            }
            Self::Objects(Objects { store, root, prefix, .. }) => {
                let mut url = root.clone();
                url.set_path(&format!("{prefix}/"));
                let options = StorageConfig::default();
                let prefixed = options.decorate_store(store.clone(), &url)?;
                Ok(default_logstore(Arc::new(prefixed), store.clone(), &url, &options))
            }
        }
    }

    /// The table in this folder, not loaded yet. Does not block.
    ///
    /// # Errors
    /// As for [`Folder::log_store`].
    pub fn delta(&self) -> DeltaResult<DeltaTable> {
        Ok(DeltaTable::new(self.log_store()?))
    }
}

impl Objects {
    /// The key of a path in this prefix.
    pub fn key(&self, path: &str) -> Key {
        Key::from_iter(self.prefix.parts().chain(path.split('/').map(Into::into)))
    }
}

impl TableFile {
    /// Its path, where it is on this machine.
    pub fn local(&self) -> Option<PathBuf> {
        self.table.local().map(|root| root.join(&self.path))
    }
}

impl From<PathBuf> for TableFile {
    fn from(path: PathBuf) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { table: Folder::Local(path.parent().map(Path::to_owned).unwrap_or_default()), path: name, size: 0 }
    }
}

/// Waits for an object store, on a thread that may block.
fn wait<T>(call: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
    Handle::try_current().map_err(io::Error::other)?.block_on(call).map_err(faults::io)
}

fn entries(root: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(root) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.collect(),
    }
}

/// What is not there need not be removed.
fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Writes a file so that after a power cut either all of it is there under `path` or nothing: temporary name, fsync,
/// rename, fsync of the folder. Blocking.
///
/// # Errors
/// When the file system refuses.
pub fn write_durably(path: &Path, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary); // best effort: the sweep finds what stays
    }
    written
}

/// Makes the name of a file durable. Blocking.
///
/// # Errors
/// When the file system refuses.
pub fn sync_folder(of: &Path) -> io::Result<()> {
    match of.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
