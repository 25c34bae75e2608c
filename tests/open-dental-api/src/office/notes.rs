//! `/commlogs`, `/documents/Upload`, `/sheets`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mysql_async::{Conn, prelude::Queryable as _};
use serde_json::Value;

use super::{Called, bad, given, missing, one, payments::last};

const MODES: [&str; 8] = ["None", "Email", "Mail", "Phone", "In Person", "Text", "Email and Text", "Phone and Text"];
const DIRECTIONS: [&str; 3] = ["Neither", "Sent", "Received"];
const IMAGE_KINDS: [&str; 5] = ["Document", "Radiograph", "Photo", "File", "Attachment"];
/// Consents, letters, forms, medical histories, exams.
const SHEET_KINDS: [i64; 5] = [4, 6, 9, 11, 13];

/// `POST /commlogs`.
pub(super) async fn commlog(conn: &mut Conn, given: &Value) -> Called {
    let (patient, ..) = given::patient(conn, given).await?;
    let Some(note) = given::text(given, "Note")?.filter(|note| !note.is_empty()) else {
        return bad("Note is required.");
    };
    let Some(mode) = place(&MODES, &given["Mode_"], 3) else { return bad("Mode_ is invalid.") };
    let Some(direction) = place(&DIRECTIONS, &given["SentOrReceived"], 1) else {
        return bad("SentOrReceived is invalid.");
    };
    let (at, kind) = (given::time(given, "CommDateTime")?, given::number(given, "CommType")?.unwrap_or(0));
    const INSERT: &str = "INSERT INTO commlog (PatNum, CommDateTime, CommType, Note, Mode_, SentOrReceived, DateTEntry) \
                          VALUES (?, COALESCE(?, NOW()), ?, ?, ?, ?, NOW())";
    conn.exec_drop(INSERT, (patient, at, kind, note, mode, direction)).await?;
    let number = last(conn);
    one(conn, 201, "commlogs", "commlog", "CommlogNum", number).await
}

/// `POST /documents/Upload`.
pub(super) async fn document(conn: &mut Conn, given: &Value) -> Called {
    let (patient, ..) = given::patient(conn, given).await?;
    let Some(raw) = given::text(given, "rawBase64")? else { return bad("rawBase64 is required.") };
    let Some(extension) = given::text(given, "extension")? else { return bad("extension is required.") };
    if STANDARD.decode(&raw).is_err() {
        return bad("rawBase64 is invalid.");
    }
    let Some(kind) = place(&IMAGE_KINDS, &given["ImgType"], 0) else { return bad("ImgType is invalid.") };
    let category = match given::number(given, "DocCategory")? {
        Some(number) => number,
        None => {
            const FIRST: &str = "SELECT DefNum FROM definition WHERE Category = 18 ORDER BY ItemOrder, DefNum LIMIT 1";
            conn.query_first(FIRST).await?.unwrap_or(0)
        }
    };
    let (description, created) = (given::text(given, "Description")?, given::time(given, "DateCreated")?);
    const INSERT: &str = "INSERT INTO document (PatNum, Description, DateCreated, DocCategory, ImgType, FileName, Note) \
                          VALUES (?, COALESCE(?, ''), COALESCE(?, NOW()), ?, ?, 'x', ?)";
    let note = format!("_rawBase64_:{extension}_{raw}");
    conn.exec_drop(INSERT, (patient, description, created, category, kind, note)).await?;
    let number = last(conn);
    one(conn, 201, "documents", "document", "DocNum", number).await
}

/// `POST /sheets`: it answers 200.
pub(super) async fn sheet(conn: &mut Conn, given: &Value) -> Called {
    let (patient, _, clinic, _) = given::patient(conn, given).await?;
    let template = given::needed(given, "SheetDefNum")?;
    const READ: &str = "SELECT SheetType, Description, RevID FROM sheetdef WHERE SheetDefNum = ?";
    let found: Option<(i64, String, i64)> = conn.exec_first(READ, (template,)).await?;
    let Some((kind, description, revision)) = found else { return missing("SheetDef") };
    if !SHEET_KINDS.contains(&kind) {
        return bad("SheetDefNum is not of a supported SheetType.");
    }
    let note = given::text(given, "InternalNote")?.unwrap_or_default();
    const INSERT: &str = "INSERT INTO sheet (SheetType, PatNum, DateTimeSheet, InternalNote, Description, SheetDefNum, \
                          ClinicNum, RevID, DateTSheetEdited) VALUES (?, ?, NOW(), ?, ?, ?, ?, ?, NOW())";
    conn.exec_drop(INSERT, (kind, patient, note, description, template, clinic, revision)).await?;
    let number = last(conn);
    one(conn, 200, "sheets", "sheet", "SheetNum", number).await
}

/// Where a name stands in an enum; the default's place when it is not given.
fn place(names: &[&str], given: &Value, default: usize) -> Option<usize> {
    match given {
        Value::Null => Some(default),
        Value::String(name) => names.iter().position(|known| known == name),
        _ => None,
    }
}
