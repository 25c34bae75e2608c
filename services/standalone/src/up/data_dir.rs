//! The folder of the embedded mesh, held by one process at a time.

use std::{
    fs::{File, OpenOptions, TryLockError, create_dir_all},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};

/// An open data folder; unlocked when dropped, also when the process is killed.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the folder if it is not there, and takes its lock.
    ///
    /// # Errors
    /// When it cannot be made, or another process holds it.
    pub fn open(chosen: Option<&Path>) -> anyhow::Result<Self> {
        let path = match chosen {
            Some(path) => path.to_path_buf(),
            None => Self::default_path()
                .ok_or_else(|| anyhow!("there is no home folder; say where to keep data by --data-dir"))?,
        };
        let shown = path.display();
        create_dir_all(&path).with_context(|| format!("--data-dir {shown} cannot be made"))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.with_context(|| format!("--data-dir {shown} cannot be written to"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("{shown} is in use by another chairsync: stop that one, or choose another folder by --data-dir")
            }
            Err(TryLockError::Error(error)) => {
                bail!("{shown} cannot be locked ({error}); choose a local folder by --data-dir")
            }
        }
        Ok(Self { path: path.canonicalize().unwrap_or(path), _lock: lock })
    }

    /// Where it is when no folder is chosen; `None` for a user without a home.
    pub fn default_path() -> Option<PathBuf> {
        default_path(|name| std::env::var_os(name).map(PathBuf::from))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A place in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// After the XDG base directory specification: relative paths there are ignored.
fn default_path(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let data = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let home = || variable("HOME").filter(|path| path.is_absolute()).map(|home| home.join(".local/share"));
    Some(data.or_else(home)?.join("chairsync"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_second_process_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(Some(folder.path())).unwrap();
        let refused = DataDir::open(Some(folder.path())).unwrap_err().to_string();
        assert!(refused.contains("in use") && refused.contains("--data-dir"), "{refused}");
        drop(first);
        DataDir::open(Some(folder.path())).unwrap();
    }

    #[test]
    fn the_default_follows_xdg() {
        let with = |xdg: Option<&'static str>| {
            default_path(move |name| match name {
                "HOME" => Some("/home/u".into()),
                _ => xdg.map(PathBuf::from),
            })
        };
        assert_eq!(with(None).unwrap(), Path::new("/home/u/.local/share/chairsync"));
        assert_eq!(with(Some("/data")).unwrap(), Path::new("/data/chairsync"));
        assert_eq!(with(Some("relative")).unwrap(), Path::new("/home/u/.local/share/chairsync"));
        assert_eq!(default_path(|_| None), None);
    }
}
