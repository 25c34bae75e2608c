//! Files of tables in an object store, as questions read them: each is fetched whole, once for all who ask, and kept in
//! memory until others push it out. A file of a version never changes, so nothing is asked about one that is there, and
//! what the log says of its size is not asked for again.

use std::{collections::HashMap, fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

use crate::cache::Cache;

/// The bytes of files that are kept in memory.
const KEPT_BYTES: usize = 192 << 20;
/// A file with more bytes is read by the ranges asked for, and not kept.
const WHOLE_BYTES: u64 = 32 << 20;

/// The contents of files that were read lately.
pub struct FileBytes(Cache<Path, Bytes>);

impl fmt::Debug for FileBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBytes").finish_non_exhaustive()
    }
}

impl Default for FileBytes {
    fn default() -> Self {
        Self(Cache::new(KEPT_BYTES, Bytes::len))
    }
}

/// Some files of a bucket, to be read only.
#[derive(Debug)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    read: Arc<FileBytes>,
    sizes: HashMap<Path, u64>,
}

impl Files {
    /// The files with these keys and sizes.
    pub fn new(store: Arc<dyn ObjectStore>, read: Arc<FileBytes>, sizes: HashMap<Path, u64>) -> Self {
        Self { store, read, sizes }
    }

    fn meta(&self, key: &Path) -> Result<ObjectMeta> {
        match self.sizes.get(key) {
            Some(size) => Ok(ObjectMeta {
                location: key.clone(),
                last_modified: Default::default(), // it never changes
                size: *size,
                e_tag: None,
                version: None,
            }),
            None => {
                Err(object_store::Error::NotFound { path: key.to_string(), source: "no file of these tables".into() })
            }
        }
    }

    async fn range(&self, key: &Path, range: Range<u64>) -> Result<Bytes> {
        let size = self.meta(key)?.size;
        if size > WHOLE_BYTES {
            return self.store.get_range(key, range).await;
        }
        let fetched = async { self.store.get(key).await?.bytes().await };
        let whole = self.read.0.get(key.clone(), fetched).await?;
        if whole.len() as u64 != size {
            let source = "a file has another size than its table's log says".into();
            return Err(object_store::Error::Generic { store: "files of tables", source });
        }
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
        Ok(whole.slice(place(range.start)..place(range.end)))
    }

    fn read_only<T>(&self) -> Result<T> {
        Err(object_store::Error::NotImplemented { operation: "writing".into(), implementer: self.to_string() })
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("files of tables")
    }
}

#[tonic::async_trait]
impl ObjectStore for Files {
    async fn get_opts(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        let meta = self.meta(key)?;
        let invalid = |e| object_store::Error::Generic { store: "files of tables", source: Box::new(e) };
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(invalid)?,
            None => 0..meta.size,
        };
        let bytes = match options.head {
            true => Bytes::new(),
            false => self.range(key, range.clone()).await?,
        };
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    async fn get_ranges(&self, key: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut all = Vec::with_capacity(ranges.len());
        for range in ranges {
            all.push(self.range(key, range.clone()).await?);
        }
        Ok(all)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let under = |key: &&Path| prefix.is_none_or(|prefix| key.prefix_matches(prefix));
        let found: Vec<_> = self.sizes.keys().filter(under).map(|key| self.meta(key)).collect();
        stream::iter(found).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(object_store::Error::NotImplemented { operation: "listing folders".into(), implementer: self.to_string() })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        self.read_only()
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.read_only()
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let refused = self.read_only();
        stream::once(async { refused }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        self.read_only()
    }
}
