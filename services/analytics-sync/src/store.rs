//! Where the tables are: `{root}/{practice}/{dataset}`, one Delta table each, in a folder or in an object store.
//!
//! A practice that is deleted and registered again is another practice: its folder carries the time of its
//! registration, and a run of a newer one clears what an older one left.

pub mod bytes;
pub mod faults;
pub mod folder;
pub mod location;

use std::{io, time::Duration};

use ::bytes::Bytes;
use mesh::{ErrorReason, Refusal};
use object_store::{ObjectStoreExt as _, PutMode};
use tonic::Code;

pub use self::{
    folder::{Folder, TableFile, sync_folder, write_durably},
    location::ObjectStoreSettings,
};

/// The file that says which registration of a practice a folder belongs to.
const INCARNATION: &str = ".registered";

/// The file that says that tables of a practice could not be read.
const DOUBTED: &str = ".doubted";

/// The folder of a practice's tables that were put aside.
const ASIDE: &str = ".aside";

/// How long the first look at an object store may take, with all that is tried again.
const LOOK_TIMEOUT: Duration = Duration::from_secs(120);

/// The place that holds every practice's tables.
#[derive(Debug, Clone)]
pub struct Store {
    root: Folder,
}

impl Store {
    /// Reads a store's location: a folder's path, or a URL. Object stores as they are by default.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `store`.
    pub fn parse(location: &str) -> Result<Self, Refusal> {
        Self::open(location, &ObjectStoreSettings::default())
    }

    /// Reads a store's location, of an object store with its settings. Nobody is asked yet.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `store` or `store_endpoint`.
    pub fn open(location: &str, settings: &ObjectStoreSettings) -> Result<Self, Refusal> {
        Ok(Self { root: location::parse(location, settings)? })
    }

    /// The store in a folder.
    pub fn of(root: Folder) -> Self {
        Self { root }
    }

    /// Whether an object store can be written and keeps its word: of two that create an object, the second must be told.
    /// Commits rest on that. A folder is not looked at.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `store` for a bucket that is not there, refuses, or does not keep conditional puts;
    /// `TABLE_UNAVAILABLE` for a store that cannot be reached.
    pub async fn check(&self) -> Result<(), Refusal> {
        let Folder::Objects(objects) = &self.root else { return Ok(()) };
        let key = objects.key(&format!(".probe-{}", uuid::Uuid::new_v4().simple()));
        let put = || objects.store.put_opts(&key, Bytes::from_static(b"chairsync").into(), PutMode::Create.into());
        let look = async {
            put().await?;
            let again = put().await;
            objects.store.delete(&key).await?;
            Ok::<_, object_store::Error>(again)
        };
        let looked = tokio::time::timeout(LOOK_TIMEOUT, look).await;
        let kind = match looked {
            Err(_) => io::ErrorKind::TimedOut,
            Ok(Ok(Err(object_store::Error::AlreadyExists { .. }))) => return Ok(()),
            Ok(Ok(Ok(_))) => {
                let fault = "does not keep conditional puts (If-None-Match): replicas could undo one another's commits";
                return Err(Refusal::invalid("store", fault));
            }
            Ok(Ok(Err(error)) | Err(error)) => faults::kind(&error),
        };
        let words = format!("{}: {}", objects.root, faults::words(kind));
        Err(match kind {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => {
                Refusal::invalid("store", words)
            }
            _ => Refusal::new(Code::Unavailable, ErrorReason::TableUnavailable, format!("the store {words}")),
        })
    }

    /// The folder of a practice's tables. `practice` is the id, checked by [`mesh::names`].
    pub fn practice(&self, practice: &str) -> Folder {
        self.root.join(practice)
    }

    /// The folder of one table.
    pub fn table(&self, practice: &str, dataset: &str) -> Folder {
        self.root.join(practice).join(dataset)
    }

    /// Makes the folder of a practice ready for a run of the registration `registered`, and clears it of what an
    /// earlier registration of the same id left. Blocking; so is all below.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prepare(&self, practice: &str, registered: &str) -> io::Result<()> {
        let folder = self.practice(practice);
        match folder.read(INCARNATION) {
            Ok(found) if found == registered.as_bytes() => return Ok(()),
            Ok(_) => folder.remove_all(INCARNATION)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        folder.write(INCARNATION, Bytes::copy_from_slice(registered.as_bytes()))
    }

    /// Whether the folder belongs to the registration `registered`.
    pub fn belongs_to(&self, practice: &str, registered: &str) -> bool {
        self.practice(practice).read(INCARNATION).is_ok_and(|found| found == registered.as_bytes())
    }

    /// Puts a table aside, in the place of one of the same dataset that was put aside before: somebody may want to see what
    /// is wrong with it. Nothing there is fine.
    ///
    /// # Errors
    /// When the store fails.
    pub fn quarantine(&self, practice: &str, dataset: &str) -> io::Result<()> {
        self.table(practice, dataset).move_to(&self.practice(practice).join(ASIDE).join(dataset))
    }

    /// Notes that tables of a practice could not be read; a practice that has none is left as it is.
    ///
    /// # Errors
    /// When the store fails.
    pub fn doubt(&self, practice: &str) -> io::Result<()> {
        let folder = self.practice(practice);
        match folder.exists(INCARNATION)? {
            true => folder.write(DOUBTED, Bytes::new()),
            false => Ok(()),
        }
    }

    /// Whether tables of a practice could not be read since its last run.
    ///
    /// # Errors
    /// When the store fails.
    pub fn doubted(&self, practice: &str) -> io::Result<bool> {
        self.practice(practice).exists(DOUBTED)
    }

    /// Ends the doubt in a practice's tables.
    ///
    /// # Errors
    /// When the store fails.
    pub fn trust(&self, practice: &str) -> io::Result<()> {
        self.practice(practice).remove(DOUBTED)
    }

    /// Removes a practice's tables; nothing there is fine.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove(&self, practice: &str) -> io::Result<()> {
        self.practice(practice).remove_all(INCARNATION)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::both;

    fn put(folder: &Folder, path: &str, text: &'static str) {
        folder.write(path, Bytes::from_static(text.as_bytes())).unwrap();
    }

    #[tokio::test]
    async fn a_table_is_put_aside_and_the_last_one_is_kept() {
        both(|root| {
            let store = Store::of(root);
            for text in ["one", "two"] {
                put(&store.table("a", "patient"), "_delta_log/0", text);
                store.quarantine("a", "patient").unwrap();
                assert!(!store.table("a", "patient").exists("_delta_log/0").unwrap());
                let kept = store.practice("a").join(".aside/patient").read("_delta_log/0").unwrap();
                assert_eq!(kept, text.as_bytes());
            }
            store.quarantine("a", "patient").unwrap();
            store.quarantine("b", "patient").unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn doubt_lasts_until_it_is_ended() {
        both(|root| {
            let store = Store::of(root);
            store.doubt("a").unwrap();
            assert!(!store.doubted("a").unwrap(), "no folder, no tables");
            store.prepare("a", "1").unwrap();
            store.doubt("a").unwrap();
            assert!(store.doubted("a").unwrap());
            store.trust("a").unwrap();
            store.trust("a").unwrap();
            assert!(!store.doubted("a").unwrap());
        })
        .await;
    }

    #[tokio::test]
    async fn a_practice_registered_again_starts_from_nothing() {
        both(|root| {
            let store = Store::of(root);
            store.prepare("a", "1").unwrap();
            store.prepare("ab", "1").unwrap();
            put(&store.table("a", "patient"), "log", "one");
            store.prepare("a", "1").unwrap();
            assert!(store.table("a", "patient").exists("log").unwrap());
            assert!(store.belongs_to("a", "1") && !store.belongs_to("a", "2"));
            store.prepare("a", "2").unwrap();
            assert!(!store.table("a", "patient").exists("log").unwrap());
            store.remove("a").unwrap();
            store.remove("a").unwrap();
            assert!(store.belongs_to("ab", "1"), "another practice's");
        })
        .await;
    }

    #[tokio::test]
    async fn of_two_that_create_a_file_one_is_told_that_it_was_there() {
        both(|root| {
            assert!(root.create("some/name.json", Bytes::from_static(b"one")).unwrap());
            assert!(!root.create("some/name.json", Bytes::from_static(b"two")).unwrap());
            assert_eq!(root.read("some/name.json").unwrap(), "one");
            assert_eq!(root.join("some").files().unwrap().len(), 1, "and nothing is left beside it");
            assert_eq!(root.folders().unwrap(), ["some"]);
            assert_eq!(root.tail("some/name.json", 3, 2).unwrap(), "ne");
            root.remove("some/name.json").unwrap();
            root.remove("some/name.json").unwrap();
            assert_eq!(root.read("some/name.json").unwrap_err().kind(), io::ErrorKind::NotFound);
            assert!(root.join("nowhere").files().unwrap().is_empty());
        })
        .await;
    }
}
