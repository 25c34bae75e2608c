//! Resume tokens of snapshots and positions of changes: opaque to callers, bound to the database by its fingerprint.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mesh::{ErrorReason, Refusal, datasets::Dataset};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tonic::Code;

use super::{faults::source_changed, lineage::Lineage};

/// The layout of tokens; another one is refused.
const VERSION: u8 = 1;
/// Longer than any token ever given.
const TOKEN_BYTES: usize = 64 << 10;

/// How far a dataset has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resume {
    v: u8,
    /// The fingerprint.
    f: String,
    /// The dataset.
    d: String,
    /// The last key read; none before the first.
    k: Option<i64>,
    /// True when everything has been read.
    e: bool,
    /// The server's time before it was read, in seconds of the epoch; none in older tokens.
    #[serde(default)]
    t: Option<i64>,
}

/// Where a dataset is to be read on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The last key read; none before the first.
    pub after: Option<i64>,
    /// True when everything has been read.
    pub end: bool,
    /// The server's time before it was read, in seconds of the epoch, where it is known.
    pub time: Option<i64>,
}

impl Resume {
    pub(super) fn new(fingerprint: &str, dataset: &Dataset, mark: Mark) -> Self {
        let Mark { after, end, time } = mark;
        Self { v: VERSION, f: fingerprint.to_owned(), d: dataset.name.to_owned(), k: after, e: end, t: time }
    }

    pub(super) fn text(&self) -> String {
        encode(self)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// `RESUME_TOKEN_INVALID` for one that is malformed or of another dataset, `SOURCE_CHANGED` for another database's.
    pub(super) fn read(field: &str, token: &str, fingerprint: &str, dataset: &Dataset) -> Result<Mark, Refusal> {
        let resume = decode::<Self>(token).filter(|r| r.v == VERSION && r.d == dataset.name).ok_or_else(|| {
            let message = "the resume token is not one of this dataset; begin the dataset again without it";
            Refusal::new(Code::InvalidArgument, ErrorReason::ResumeTokenInvalid, message).on_field(field)
        })?;
        if resume.f != fingerprint {
            return Err(source_changed());
        }
        Ok(Mark { after: resume.k, end: resume.e, time: resume.t })
    }
}

/// Up to where changes have been sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    v: u8,
    /// The fingerprint.
    f: String,
    /// The server's time, in seconds of the epoch.
    pub t: i64,
    /// All changes stamped before this have been sent, in seconds of the epoch.
    pub at: i64,
    /// The same for datasets that are further than `at`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub low: BTreeMap<String, i64>,
    /// What was seen of the database's history; nothing in older positions.
    #[serde(default)]
    pub h: Lineage,
}

impl Position {
    pub(super) fn new(fingerprint: &str, time: i64, at: i64, low: BTreeMap<String, i64>, history: Lineage) -> Self {
        Self { v: VERSION, f: fingerprint.to_owned(), t: time, at, low, h: history }
    }

    pub(super) fn text(&self) -> String {
        encode(self)
    }

    /// Reads a position.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a malformed one, `SOURCE_CHANGED` for another database's.
    pub(super) fn read(position: &str, fingerprint: &str) -> Result<Self, Refusal> {
        let position = decode::<Self>(position)
            .filter(|p| p.v == VERSION)
            .ok_or_else(|| Refusal::invalid("position", "must be one that this connector gave, or empty for now"))?;
        if position.f != fingerprint {
            return Err(source_changed());
        }
        Ok(position)
    }

    /// Where a dataset stands.
    pub(super) fn low(&self, dataset: &Dataset) -> i64 {
        self.low.get(dataset.name).copied().unwrap_or(self.at)
    }
}

fn encode(token: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default())
}

fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    if text.len() > TOKEN_BYTES {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mesh::datasets;
    use proptest::prelude::*;

    use super::*;

    fn reason(of: Refusal) -> ErrorReason {
        of.reason
    }

    #[test]
    fn a_token_holds_only_for_its_dataset_and_database() {
        let (patient, recall) = (datasets::get("patient").unwrap(), datasets::get("recall").unwrap());
        let mark = Mark { after: Some(-7), end: false, time: Some(12) };
        let token = Resume::new("abc", patient, mark).text();
        assert_eq!(Resume::read("t", &token, "abc", patient).unwrap(), mark);
        assert_eq!(reason(Resume::read("t", &token, "abc", recall).unwrap_err()), ErrorReason::ResumeTokenInvalid);
        assert_eq!(reason(Resume::read("t", &token, "xyz", patient).unwrap_err()), ErrorReason::SourceChanged);
        let low = BTreeMap::from([("recall".to_owned(), 7)]);
        let position = Position::new("abc", 9, 5, low, Lineage::default());
        let read = Position::read(&position.text(), "abc").unwrap();
        assert_eq!((read.low(patient), read.low(recall)), (5, 7));
        assert_eq!(reason(Position::read(&position.text(), "xyz").unwrap_err()), ErrorReason::SourceChanged);
    }

    proptest! {
        #[test]
        fn nonsense_is_refused(text in ".{0,200}") {
            let patient = datasets::get("patient").unwrap();
            prop_assert!(Resume::read("t", &text, "abc", patient).is_err());
            prop_assert!(Position::read(&text, "abc").is_err());
        }
    }
}
