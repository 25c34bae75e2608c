//! An empty form of a template.

use async_trait::async_trait;
use chairsync_proto::pms::SheetWrite;
use mesh::Refusal;
use serde_json::json;

use super::{
    super::{api::Call, session::Session},
    Kind, conflict,
    fields::{key, text},
    steps::{Known, Seen},
    tagged::{Place, Tag, find},
};

const SHEETS: Place = Place {
    table: "sheet",
    key: "SheetNum",
    text: "InternalNote",
    columns: "SheetDefNum",
    changed: "DateTimeSheet",
    only: "TRUE",
};

pub(super) struct Sheet(SheetWrite);

impl Sheet {
    pub(super) fn new(mut asked: SheetWrite) -> Result<Self, Refusal> {
        key("sheet.template", asked.template)?;
        key("sheet.patient", asked.patient)?;
        asked.note = text("sheet.note", asked.note, 500)?;
        Ok(Self(asked))
    }
}

#[async_trait]
impl Kind for Sheet {
    async fn look(&self, session: &mut Session, tag: &Tag, known: Known) -> Result<Seen, Refusal> {
        let found = match find(session, SHEETS, self.0.patient, tag, known).await? {
            Err(refusal) => return Ok(Seen::Conflict(refusal)),
            Ok(found) => found,
        };
        let Some(found) = found else {
            let (template, patient) = (self.0.template, self.0.patient);
            let body = json!({"SheetDefNum": template, "PatNum": patient, "InternalNote": tag.end(&self.0.note)});
            return Ok(Seen::Missing(Call::post("/sheets", body)));
        };
        let number = found.key;
        Ok(match found.row.get::<i64, _>(3) == Some(self.0.template) {
            true => Seen::there(number),
            false => Seen::Conflict(conflict(format!("the PMS made a form of another template, SheetNum {number}"))),
        })
    }
}
