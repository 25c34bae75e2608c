//! A file among the patient's documents, such as a signed form.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chairsync_proto::pms::DocumentWrite;
use jiff::civil::DateTime;
use mesh::Refusal;
use serde_json::json;

use super::{
    super::{api::Call, session::Session},
    Kind,
    fields::{key, key_or_none, text, time, time_text},
    steps::{Known, Seen},
    tagged::{Place, Tag, find},
};

const DOCUMENTS: Place = Place {
    table: "document",
    key: "DocNum",
    text: "Description",
    columns: "DocCategory",
    changed: "DateTStamp",
    only: "TRUE",
};
/// What the API's longest body leaves for a file in Base64.
const FILE_MAX: usize = 12 << 20;

pub(super) struct Document {
    asked: DocumentWrite,
    created: DateTime,
}

impl Document {
    pub(super) fn new(mut asked: DocumentWrite) -> Result<Self, Refusal> {
        key("document.patient", asked.patient)?;
        key_or_none("document.category", asked.category)?;
        if asked.content.is_empty() || asked.content.len() > FILE_MAX {
            return Err(Refusal::invalid("content.document.content", "must be a file of at most 12 MiB"));
        }
        let ending = asked.extension.strip_prefix('.').unwrap_or_default();
        if !(1..=8).contains(&ending.len()) || !ending.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Refusal::invalid("content.document.extension", "must be a file's ending, e.g. .pdf"));
        }
        asked.description = text("document.description", asked.description, 150)?;
        let created = time("document.created", &asked.created)?;
        Ok(Self { asked, created })
    }

    fn call(&self, tag: &Tag) -> Call {
        let mut body = json!({
            "PatNum": self.asked.patient,
            "rawBase64": STANDARD.encode(&self.asked.content),
            "extension": self.asked.extension,
            "Description": tag.end(&self.asked.description),
            "DateCreated": time_text(self.created),
            "ImgType": "Document",
        });
        if self.asked.category != 0 {
            body["DocCategory"] = json!(self.asked.category);
        }
        Call::post("/documents/Upload", body)
    }
}

#[async_trait]
impl Kind for Document {
    async fn look(&self, session: &mut Session, tag: &Tag, known: Known) -> Result<Seen, Refusal> {
        Ok(match find(session, DOCUMENTS, self.asked.patient, tag, known).await? {
            Err(refusal) => Seen::Conflict(refusal),
            Ok(Some(found)) => Seen::there(found.key),
            Ok(None) => Seen::Missing(self.call(tag)),
        })
    }
}
