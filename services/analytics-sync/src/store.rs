//! Where the tables are: `{root}/{practice}/{dataset}`, one Delta table each.
//!
//! A practice that is deleted and registered again is another practice: its folder carries the time of its
//! registration, and a run of a newer one clears what an older one left.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mesh::Refusal;

/// The file that says which registration of a practice a folder belongs to.
const INCARNATION: &str = ".registered";

/// The file that says that tables of a practice could not be read.
const DOUBTED: &str = ".doubted";

/// The folder of a practice's tables that were put aside.
const ASIDE: &str = ".aside";

/// The folder that holds every practice's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Reads a store's location: a folder's path, or a `file:///` URL.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `store` for other schemes and for URLs with a host.
    pub fn parse(location: &str) -> Result<Self, Refusal> {
        let refuse = |fault: &str| Err(Refusal::invalid("store", fault));
        if location.is_empty() {
            return refuse("must be a folder or a file:/// URL");
        }
        if !location.contains("://") {
            return Ok(Self { root: PathBuf::from(location) });
        }
        let Ok(url) = url::Url::parse(location) else {
            return refuse("not a URL; give a folder or a file:/// URL");
        };
        if url.scheme() != "file" {
            return refuse("only folders are built so far: give a path or a file:/// URL, not an object store's");
        }
        match url.to_file_path() {
            Ok(root) => Ok(Self { root }),
            Err(()) => refuse("a file URL must have no host and an absolute path, e.g. file:///var/lib/chairsync"),
        }
    }

    /// The folder of a practice's tables. `practice` is the id, checked by [`mesh::names`].
    pub fn practice(&self, practice: &str) -> PathBuf {
        self.root.join(practice)
    }

    /// The folder of one table.
    pub fn table(&self, practice: &str, dataset: &str) -> PathBuf {
        self.root.join(practice).join(dataset)
    }

    /// Makes the folder of a practice ready for a run of the registration `registered`, and clears it of what an
    /// earlier registration of the same id left. Blocking.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn prepare(&self, practice: &str, registered: &str) -> io::Result<()> {
        let folder = self.practice(practice);
        let mark = folder.join(INCARNATION);
        match fs::read_to_string(&mark) {
            Ok(found) if found == registered => return Ok(()),
            Ok(_) => fs::remove_dir_all(&folder)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        fs::create_dir_all(&folder)?;
        write_durably(&mark, |file| io::Write::write_all(file, registered.as_bytes()))
    }

    /// Whether the folder belongs to the registration `registered`. Blocking.
    pub fn belongs_to(&self, practice: &str, registered: &str) -> bool {
        fs::read_to_string(self.practice(practice).join(INCARNATION)).is_ok_and(|found| found == registered)
    }

    /// Puts a table aside, in the place of one of the same dataset that was put aside before: somebody may want to see what
    /// is wrong with it. Blocking; nothing there is fine.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn quarantine(&self, practice: &str, dataset: &str) -> io::Result<()> {
        let aside = self.practice(practice).join(ASIDE);
        fs::create_dir_all(&aside)?;
        let to = aside.join(dataset);
        let there = |done: io::Result<()>| match done {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
        there(fs::remove_dir_all(&to))?;
        there(fs::rename(self.table(practice, dataset), &to))?;
        sync_folder(&to)?;
        sync_folder(&aside)
    }

    /// Notes that tables of a practice could not be read. Blocking; a practice without a folder has none.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn doubt(&self, practice: &str) -> io::Result<()> {
        match fs::write(self.practice(practice).join(DOUBTED), []) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Whether tables of a practice could not be read since its last run. Blocking.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn doubted(&self, practice: &str) -> io::Result<bool> {
        fs::exists(self.practice(practice).join(DOUBTED))
    }

    /// Ends the doubt in a practice's tables. Blocking.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn trust(&self, practice: &str) -> io::Result<()> {
        match fs::remove_file(self.practice(practice).join(DOUBTED)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Removes a practice's tables. Blocking; nothing there is fine.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(&self, practice: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.practice(practice)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folders_and_file_urls_are_read_and_others_refused() {
        assert_eq!(Store::parse("data/x").unwrap().table("a", "patient"), PathBuf::from("data/x/a/patient"));
        assert_eq!(Store::parse("file:///srv/x").unwrap().practice("a"), PathBuf::from("/srv/x/a"));
        for bad in ["", "s3://bucket/x", "gs://b", "file://host/x", "memory://x"] {
            assert_eq!(Store::parse(bad).unwrap_err().field.unwrap().0, "store", "{bad}");
        }
    }

    #[test]
    fn a_table_is_put_aside_and_the_last_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::parse(dir.path().to_str().unwrap()).unwrap();
        for text in ["one", "two"] {
            fs::create_dir_all(store.table("a", "patient")).unwrap();
            fs::write(store.table("a", "patient").join("log"), text).unwrap();
            store.quarantine("a", "patient").unwrap();
            assert!(!store.table("a", "patient").exists());
            let kept = fs::read_to_string(store.practice("a").join(".aside/patient/log")).unwrap();
            assert_eq!(kept, text);
        }
        store.quarantine("a", "patient").unwrap();
        store.quarantine("b", "patient").unwrap();
    }

    #[test]
    fn doubt_lasts_until_it_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::parse(dir.path().to_str().unwrap()).unwrap();
        store.doubt("a").unwrap();
        assert!(!store.doubted("a").unwrap(), "no folder, no tables");
        store.prepare("a", "1").unwrap();
        store.doubt("a").unwrap();
        assert!(store.doubted("a").unwrap());
        store.trust("a").unwrap();
        store.trust("a").unwrap();
        assert!(!store.doubted("a").unwrap());
    }

    #[test]
    fn a_practice_registered_again_starts_from_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::parse(dir.path().to_str().unwrap()).unwrap();
        store.prepare("a", "1").unwrap();
        fs::create_dir_all(store.table("a", "patient")).unwrap();
        store.prepare("a", "1").unwrap();
        assert!(store.table("a", "patient").exists());
        assert!(store.belongs_to("a", "1") && !store.belongs_to("a", "2"));
        store.prepare("a", "2").unwrap();
        assert!(!store.table("a", "patient").exists());
        store.remove("a").unwrap();
        store.remove("a").unwrap();
    }
}
