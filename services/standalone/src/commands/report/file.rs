//! A file that appears when it is whole: written beside its place, then renamed.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, ensure};

/// Where a report's bytes go. Dropped before its end, it leaves nothing behind.
pub struct Out {
    to: Sink,
    bytes: i64,
}

enum Sink {
    /// Standard output.
    Terminal,
    /// A file beside the one that is wanted.
    Beside { file: BufWriter<File>, part: PathBuf, path: PathBuf },
    /// It is in its place.
    Done,
}

/// A file that is whole.
pub struct Whole {
    /// Where it is; none for standard output.
    pub path: Option<PathBuf>,
    /// Its bytes.
    pub bytes: i64,
}

impl Out {
    /// Begins a file, or standard output.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self { to: Sink::Terminal, bytes: 0 }) };
        let name = path.file_name().ok_or_else(|| anyhow!("{} is no file name", path.display()))?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(beside);
        // Reports may hold patient data: the file is the owner's only.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = file.with_context(|| format!("{} cannot be made", part.display()))?;
        let to = Sink::Beside { file: BufWriter::new(file), part, path: path.to_owned() };
        Ok(Self { to, bytes: 0 })
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.bytes += i64::try_from(bytes.len())?;
        match &mut self.to {
            Sink::Terminal => std::io::stdout().write_all(bytes).context("standard output"),
            Sink::Beside { file, part, .. } => {
                file.write_all(bytes).with_context(|| format!("{} cannot be written", part.display()))
            }
            Sink::Done => Ok(()),
        }
    }

    /// Puts the file in its place, if it has as many bytes as were sent.
    ///
    /// # Errors
    /// When bytes are missing or the file cannot be put there.
    pub fn finish(mut self, sent: i64) -> anyhow::Result<Whole> {
        ensure!(self.bytes == sent, "{} of {sent} bytes came; nothing was kept", self.bytes);
        let bytes = self.bytes;
        let Sink::Beside { file, part, path } = &mut self.to else {
            std::io::stdout().flush()?;
            return Ok(Whole { path: None, bytes });
        };
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(&*part, &*path).with_context(|| format!("{} cannot be put in its place", path.display()))?;
        let path = path.clone();
        self.to = Sink::Done;
        Ok(Whole { path: Some(path), bytes })
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        if let Sink::Beside { part, .. } = &self.to
            && let Err(error) = std::fs::remove_file(part)
        {
            eprintln!("chairsync: {} is not whole and cannot be removed: {error}", part.display());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "before").unwrap();

        let mut broken = Out::open(Some(&path)).unwrap();
        broken.write(b"half").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
        drop(broken);
        assert_eq!(
            (names(folder.path()), std::fs::read_to_string(&path).unwrap()),
            (vec!["x.csv".into()], "before".into())
        );

        let mut short = Out::open(Some(&path)).unwrap();
        short.write(b"four").unwrap();
        assert!(short.finish(5).is_err());
        assert_eq!(names(folder.path()), ["x.csv"]);

        let mut whole = Out::open(Some(&path)).unwrap();
        whole.write(b"all ").unwrap();
        whole.write(b"of it").unwrap();
        let done = whole.finish(9).unwrap();
        assert_eq!((done.path.as_deref(), done.bytes), (Some(path.as_path()), 9));
        assert_eq!(
            (names(folder.path()), std::fs::read_to_string(&path).unwrap()),
            (vec!["x.csv".into()], "all of it".into())
        );
    }
}
