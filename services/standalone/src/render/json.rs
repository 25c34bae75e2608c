//! Messages as the API's own JSON, by their descriptors.

use anyhow::Context as _;
use chairsync_proto::catalog;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value as Field};
use serde_json::{Map, Value};

use super::time;

/// A message by its full name, in the JSON that protobuf defines: what `grpcurl` prints, on one line.
///
/// # Errors
/// When there is no message of the name, or the message is another one.
pub fn message(name: &str, message: &impl prost::Message) -> anyhow::Result<String> {
    let descriptor = catalog::pool().get_message_by_name(name).with_context(|| format!("no message {name}"))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    Ok(object(&dynamic).to_string())
}

fn object(message: &DynamicMessage) -> Value {
    if message.descriptor().full_name() == "google.protobuf.Timestamp" {
        let at = message.transcode_to::<prost_types::Timestamp>().ok();
        return at.and_then(|at| time::rfc3339(Some(&at))).into();
    }
    let fields = message.fields().map(|(field, value)| (field.json_name().to_owned(), json(&field, value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn json(field: &FieldDescriptor, value: &Field) -> Value {
    match value {
        Field::List(values) => values.iter().map(|value| json(field, value)).collect(),
        Field::Message(message) => object(message),
        Field::EnumNumber(number) => match field.kind() {
            Kind::Enum(names) => {
                names.get_value(*number).map_or((*number).into(), |value| value.name().to_owned().into())
            }
            _ => (*number).into(),
        },
        Field::Bool(yes) => (*yes).into(),
        Field::I32(number) => (*number).into(),
        Field::U32(number) => (*number).into(),
        // Whole numbers of 64 bits are text: JSON's readers keep 53 of them.
        Field::I64(number) => number.to_string().into(),
        Field::U64(number) => number.to_string().into(),
        Field::F32(number) => (*number).into(),
        Field::F64(number) => (*number).into(),
        Field::String(text) => text.as_str().into(),
        // No board has bytes or maps; they are not left out in silence.
        Field::Bytes(_) | Field::Map(_) => format!("({} is not shown here)", field.name()).into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::{
        analytics::{AbsenceReason, AbsentSection, DaySchedule, GetMorningHuddleResponse},
        google_type::Date,
        sync::Freshness,
    };

    use super::*;

    #[test]
    fn a_message_is_the_json_of_its_proto() {
        let huddle = GetMorningHuddleResponse {
            date: Some(Date { year: 2026, month: 3, day: 31 }),
            today: Some(DaySchedule { appointment_count: 12, ..Default::default() }),
            freshness: Some(Freshness {
                synced_through: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }),
                ..Default::default()
            }),
            absent_sections: vec![AbsentSection {
                section: "tomorrow".to_owned(),
                reason: AbsenceReason::NothingThere.into(),
                missing_datasets: Vec::new(),
            }],
            ..Default::default()
        };
        let json = message("chairsync.analytics.v1.GetMorningHuddleResponse", &huddle).unwrap();
        let wanted = serde_json::json!({
            "freshness": {"syncedThrough": "1970-01-01T00:00:00Z"},
            "date": {"year": 2026, "month": 3, "day": 31},
            "today": {"appointmentCount": "12"},
            "absentSections": [{"section": "tomorrow", "reason": "ABSENCE_REASON_NOTHING_THERE"}],
        });
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), wanted);
        assert!(message("chairsync.analytics.v1.Nothing", &huddle).is_err());
    }
}
