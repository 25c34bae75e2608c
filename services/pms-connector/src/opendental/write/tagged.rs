//! Rows that carry our key at the end of a text, and how they are found again.

use mesh::Refusal;
use mysql_async::{Row, prelude::Queryable as _};

use super::{
    super::{
        faults::within,
        session::{ANSWER_LIMIT, Session},
    },
    conflict,
    steps::Known,
};

/// Rows that one key may be found on; two are one too many already.
const ROWS_MAX: usize = 3;

/// Our key as it stands in the PMS: `[cs:KEY]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag(String);

impl Tag {
    /// A key's tag.
    ///
    /// # Errors
    /// `INVALID_FIELD`.
    pub(super) fn new(key: &str) -> Result<Self, Refusal> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(1..=64).contains(&key.len()) || !key.bytes().all(plain) {
            let fault = "must be 1 to 64 of a-z, A-Z, 0-9, hyphen and underscore";
            return Err(Refusal::invalid("idempotency_key", fault));
        }
        Ok(Self(format!("[cs:{key}]")))
    }

    /// The tag itself.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// A text with the tag at its end.
    pub(super) fn end(&self, text: &str) -> String {
        let text = text.trim_end();
        if text.is_empty() { self.0.clone() } else { format!("{text} {}", self.0) }
    }

    /// Whether a text has it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        text.contains(&self.0)
    }
}

/// The first tag in a text, ours or another write's.
pub(super) fn first_tag(text: &str) -> Option<&str> {
    let start = text.find("[cs:")?;
    let length = text[start..].find(']')?;
    Some(&text[start..=start + length])
}

/// Where rows of a kind are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The table.
    pub table: &'static str,
    /// Its key.
    pub key: &'static str,
    /// The text that carries our key.
    pub text: &'static str,
    /// What else is read, after key, patient and text.
    pub columns: &'static str,
    /// The column by which rows that came lately are found, whosever they are.
    pub changed: &'static str,
    /// What else a row must be.
    pub only: &'static str,
}

/// A row with our key.
#[derive(Debug)]
pub(super) struct Tagged {
    /// The PMS's key.
    pub key: i64,
    /// The patient whose it is.
    pub patient: i64,
    /// The columns asked for, from the fourth on.
    pub row: Row,
}

/// The row with our key, if there is one: among the patient's, and where it may have been sent among all that came lately.
///
/// # Errors
/// `WRITE_CONFLICT` when it is there more than once or is another patient's; as the database refuses.
pub(super) async fn find(
    session: &mut Session,
    place: Place,
    patient: i64,
    tag: &Tag,
    known: Known,
) -> Result<Result<Option<Tagged>, Refusal>, Refusal> {
    let Place { table, key, text, columns, changed, only } = place;
    let read = format!("SELECT {key}, PatNum, {text}, {columns} FROM {table}");
    let of_patient = format!("{read} WHERE PatNum = ? AND {only} AND LOCATE(?, {text}) > 0 LIMIT {ROWS_MAX}");
    let rows: Vec<Row> = within(ANSWER_LIMIT, session.conn.exec(of_patient, (patient, tag.text().to_owned()))).await?;
    let mut found = of_tag(rows, tag);
    if found.is_empty() && known == Known::PerhapsSent {
        let lately = format!(
            "{read} WHERE {changed} >= NOW() - INTERVAL 40 DAY AND {only} AND LOCATE(?, {text}) > 0 LIMIT {ROWS_MAX}"
        );
        let rows: Vec<Row> = within(ANSWER_LIMIT, session.conn.exec(lately, (tag.text().to_owned(),))).await?;
        found = of_tag(rows, tag);
    }
    if let [first, second, ..] = found.as_slice() {
        let (first, second) = (first.key, second.key);
        return Ok(Err(conflict(format!(
            "the PMS holds it twice, as {key} {first} and {second}: take one away there, then retry it"
        ))));
    }
    Ok(match found.pop() {
        Some(row) if row.patient != patient => {
            let number = row.key;
            Err(conflict(format!("the PMS put it onto another patient, as {key} {number}: mend it there")))
        }
        row => Ok(row),
    })
}

/// The rows whose text really has the tag: the server compares without regard to case.
fn of_tag(rows: Vec<Row>, tag: &Tag) -> Vec<Tagged> {
    let read = |row: Row| {
        let text: String = row.get_opt(2)?.ok()?;
        let (key, patient) = (row.get_opt(0)?.ok()?, row.get_opt(1)?.ok()?);
        tag.is_in(&text).then_some(Tagged { key, patient, row })
    };
    rows.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tag_ends_a_text_and_is_found_in_it() {
        let tag = Tag::new("pay-1_A").unwrap();
        assert_eq!(tag.end("Online payment \n"), "Online payment [cs:pay-1_A]");
        assert_eq!(tag.end(""), "[cs:pay-1_A]");
        assert!(tag.is_in("x [cs:pay-1_A]") && !tag.is_in("x [cs:pay-1_a]") && !tag.is_in("x [cs:pay-1_AB]"));
        assert_eq!(first_tag("x [cs:a] [cs:b]"), Some("[cs:a]"));
        assert_eq!(first_tag("x [cs:a"), None);
        for bad in ["", "a b", "a]", &"a".repeat(65)] {
            assert_eq!(Tag::new(bad).unwrap_err().field.unwrap().0, "idempotency_key");
        }
    }
}
