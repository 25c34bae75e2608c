//! A message or note of the communications log.

use async_trait::async_trait;
use chairsync_proto::pms::{CommlogMode, CommlogWrite};
use jiff::civil::DateTime;
use mesh::Refusal;
use serde_json::json;

use super::{
    super::{api::Call, session::Session},
    Kind,
    fields::{key, key_or_none, some_text, time, time_text},
    steps::{Known, Seen},
    tagged::{Place, Tag, find},
};

const COMMLOGS: Place =
    Place { table: "commlog", key: "CommlogNum", text: "Note", columns: "Mode_", changed: "DateTStamp", only: "TRUE" };

pub(super) struct Commlog {
    asked: CommlogWrite,
    time: DateTime,
}

impl Commlog {
    pub(super) fn new(mut asked: CommlogWrite) -> Result<Self, Refusal> {
        key("commlog.patient", asked.patient)?;
        key_or_none("commlog.type", asked.r#type)?;
        asked.note = some_text("commlog.note", asked.note, 4_000)?;
        let time = time("commlog.time", &asked.time)?;
        Ok(Self { asked, time })
    }

    fn call(&self, tag: &Tag) -> Call {
        let mode = match self.asked.mode() {
            CommlogMode::Unspecified | CommlogMode::Text => "Text",
            CommlogMode::Email => "Email",
            CommlogMode::Phone => "Phone",
            CommlogMode::InPerson => "In Person",
        };
        let mut body = json!({
            "PatNum": self.asked.patient,
            "CommDateTime": time_text(self.time),
            "Mode_": mode,
            "SentOrReceived": if self.asked.received { "Received" } else { "Sent" },
            "Note": tag.end(&self.asked.note),
        });
        if self.asked.r#type != 0 {
            body["CommType"] = json!(self.asked.r#type);
        }
        Call::post("/commlogs", body)
    }
}

#[async_trait]
impl Kind for Commlog {
    async fn look(&self, session: &mut Session, tag: &Tag, known: Known) -> Result<Seen, Refusal> {
        Ok(match find(session, COMMLOGS, self.asked.patient, tag, known).await? {
            Err(refusal) => Seen::Conflict(refusal),
            Ok(Some(found)) => Seen::there(found.key),
            Ok(None) => Seen::Missing(self.call(tag)),
        })
    }
}
