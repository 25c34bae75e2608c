//! `chairsync watch`: a practice's changes, a line each. Keys only, unless rows are asked for.

use anyhow::anyhow;
use chairsync_proto::{
    catalog,
    engagement::{
        WatchChange, WatchRequest, WatchResponse, engagement_service_client::EngagementServiceClient,
        watch_response::Event,
    },
    feature::Feature,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    client::{GatewayArgs, practice_name},
    render::{time, word},
};

/// What to watch.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The practice, e.g. `sample`
    pub practice: String,
    /// Only datasets of this feature, e.g. `patient-chat`; may be repeated
    #[arg(long)]
    pub feature: Vec<String>,
    /// Only rows of this patient: the PMS's number
    #[arg(long)]
    pub patient: Option<i64>,
    /// Go on after this token
    #[arg(long)]
    pub resume_token: Option<String>,
    /// The rows that are there first, then changes
    #[arg(long)]
    pub snapshot: bool,
    /// Print the rows' contents too: they hold patient data
    #[arg(long)]
    pub rows: bool,
    /// A JSON object a line, with resume tokens
    #[arg(long)]
    pub json: bool,
    /// Where the gateway is.
    #[command(flatten)]
    pub gateway: GatewayArgs,
}

/// Prints changes until the gateway or the caller ends it.
///
/// # Errors
/// The gateway's refusal; an unknown feature.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let practice = practice_name(&args.practice);
    let features = args.feature.iter().map(|word| feature(word).map(i32::from)).collect::<anyhow::Result<Vec<_>>>()?;
    let request = WatchRequest {
        patient: args.patient.map(|number| format!("{practice}/patients/{number}")).unwrap_or_default(),
        practice,
        features,
        datasets: Vec::new(),
        resume_token: args.resume_token.clone().unwrap_or_default(),
        include_snapshot: args.snapshot,
        keys_only: !args.rows,
    };
    let mut client = EngagementServiceClient::new(args.gateway.channel());
    let mut stream = args.gateway.ask(client.watch(request)).await?;
    while let Some(message) = stream.message().await.map_err(|status| args.gateway.refused(&status))? {
        match args.json {
            true => println!("{}", as_json(&message)),
            false => println!("{}", line(&message, Timestamp::now())),
        }
    }
    Ok(())
}

/// A feature by its enum name in small letters; hyphens or underscores.
fn feature(word: &str) -> anyhow::Result<Feature> {
    let name = format!("FEATURE_{}", word.to_uppercase().replace('-', "_"));
    let known = || catalog::features().iter().map(|row| short(row.feature)).collect::<Vec<_>>().join(", ");
    Feature::from_str_name(&name)
        .filter(|f| *f != Feature::Unspecified)
        .ok_or_else(|| anyhow!("--feature: no such feature; known are {}", known()))
}

fn short(feature: Feature) -> String {
    word(feature.as_str_name(), "FEATURE_").replace(' ', "-")
}

fn line(message: &WatchResponse, now: Timestamp) -> String {
    match &message.event {
        Some(Event::Opened(opened)) => format!("opened    {}", opened.datasets.join(", ")),
        Some(Event::SnapshotRow(row)) => format!("row       {}/{}{}", row.dataset, row.key, contents(row.row.as_ref())),
        Some(Event::SnapshotEnd(end)) => format!("snapshot  {} rows; changes follow", end.rows),
        Some(Event::Change(change)) => changed(change, now),
        Some(Event::Progress(p)) => {
            format!("progress  synced through {}", time::relative(time::timestamp(p.synced_through.as_ref()), now))
        }
        None => "unknown   a newer gateway sent what this version cannot read".to_owned(),
    }
}

fn changed(change: &WatchChange, now: Timestamp) -> String {
    let what = word(change.operation().as_str_name(), "CHANGE_OPERATION_");
    let at = time::relative(time::timestamp(change.source_time.as_ref()), now);
    let patient = if change.patient.is_empty() { String::new() } else { format!("  {}", change.patient) };
    format!("{what:<8}  {}/{}  {at}{patient}{}", change.dataset, change.key, contents(change.row.as_ref()))
}

fn contents(row: Option<&prost_types::Struct>) -> String {
    row.map(|row| format!("  {}", object(row))).unwrap_or_default()
}

fn as_json(message: &WatchResponse) -> Value {
    let mut object = match &message.event {
        Some(Event::Opened(opened)) => json!({"event": "opened", "datasets": opened.datasets}),
        Some(Event::SnapshotRow(row)) => {
            json!({"event": "row", "dataset": row.dataset, "key": row.key, "row": row.row.as_ref().map(self::object)})
        }
        Some(Event::SnapshotEnd(end)) => json!({"event": "snapshot_end", "rows": end.rows}),
        Some(Event::Change(change)) => json!({
            "event": "change",
            "dataset": change.dataset,
            "key": change.key,
            "operation": change.operation().as_str_name(),
            "patient": change.patient,
            "source_time": time::rfc3339(change.source_time.as_ref()),
            "applied_time": time::rfc3339(change.applied_time.as_ref()),
            "row": change.row.as_ref().map(self::object),
        }),
        Some(Event::Progress(p)) => {
            json!({"event": "progress", "synced_through": time::rfc3339(p.synced_through.as_ref())})
        }
        None => json!({"event": "unknown"}),
    };
    object["resume_token"] = Value::from(message.resume_token.as_str());
    object
}

fn object(row: &prost_types::Struct) -> Value {
    Value::Object(row.fields.iter().map(|(name, v)| (name.clone(), value(v))).collect())
}

fn value(v: &prost_types::Value) -> Value {
    use prost_types::value::Kind;
    match &v.kind {
        Some(Kind::BoolValue(b)) => Value::from(*b),
        Some(Kind::NumberValue(n)) => Value::from(*n),
        Some(Kind::StringValue(s)) => Value::from(s.as_str()),
        Some(Kind::ListValue(list)) => Value::Array(list.values.iter().map(value).collect()),
        Some(Kind::StructValue(inner)) => object(inner),
        Some(Kind::NullValue(_)) | None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::engagement::ChangeOperation;

    use super::*;

    #[test]
    fn features_are_named_as_people_type() {
        assert_eq!(feature("patient-chat").unwrap(), Feature::PatientChat);
        assert_eq!(feature("PATIENT_CARD").unwrap(), Feature::PatientCard);
        let refused = feature("chat").unwrap_err().to_string();
        assert!(refused.contains("--feature") && refused.contains("patient-chat"), "{refused}");
        assert!(feature("unspecified").is_err());
    }

    #[test]
    fn a_change_is_a_line() {
        let change = WatchChange {
            dataset: "appointment".to_owned(),
            key: "12".to_owned(),
            operation: ChangeOperation::Upsert.into(),
            source_time: Some(prost_types::Timestamp { seconds: 7, nanos: 0 }),
            patient: "practices/a/patients/3".to_owned(),
            ..Default::default()
        };
        let message = WatchResponse { event: Some(Event::Change(change)), ..Default::default() };
        let shown = line(&message, Timestamp::from_second(10).unwrap());
        assert_eq!(shown, "upsert    appointment/12  3 s ago  practices/a/patients/3");
    }
}
