//! Lines to paste: each works as it stands, in any POSIX shell.

use serde_json::{Value, json};

/// A line to paste.
#[derive(Debug, Clone)]
pub struct Command {
    /// What it shows.
    pub about: &'static str,
    /// The line.
    pub line: String,
    /// The reason with which it is refused, for those that show a refusal.
    pub refused_with: Option<&'static str>,
}

/// What a new user may try on a practice in sync.
pub fn commands(address: &str, practice: &str, patient: Option<&str>) -> Vec<Command> {
    let call = |about, method: &str, body: &Value| Command {
        about,
        line: format!("grpcurl -plaintext -d '{body}' {address} chairsync.{method}"),
        refused_with: None,
    };
    let this = json!({ "practice": practice });
    let mut commands = vec![
        Command { about: "the API", line: format!("grpcurl -plaintext {address} list"), refused_with: None },
        call("the feature catalog", "catalog.v1.CatalogService/ListFeatures", &json!({})),
        call("how fresh each feature is", "sync.v1.SyncService/ListFeatureStatuses", &this),
        call("what was synced when", "sync.v1.SyncService/ListRuns", &this),
        call("the morning huddle", "analytics.v1.AnalyticsService/GetMorningHuddle", &this),
    ];
    if let Some(patient) = patient {
        let name = json!({ "name": patient });
        commands.push(call("a patient's card", "engagement.v1.PatientCardService/OpenPatientCard", &name));
    }
    let watch = json!({"practice": practice, "keysOnly": true});
    let mut watch = call("changes as they happen (first 40 lines)", "engagement.v1.EngagementService/Watch", &watch);
    watch.line.push_str(" | head -n 40");
    commands.push(watch);
    let paused = json!({"practiceId": "paused", "practice": {"timeZone": "America/Chicago", "paused": true,
        "source": {"sample": {"seed": "2", "patients": 100}}}});
    commands.push(call("a second practice, paused", "practice.v1.PracticeService/CreatePractice", &paused));
    let appointments = json!({"practice": "practices/paused"});
    let mut refused = call(
        "refused: its initial sync is not finished",
        "engagement.v1.OnlineSchedulingService/ListAppointments",
        &appointments,
    );
    refused.refused_with = Some("INITIAL_SYNC_INCOMPLETE");
    commands.push(refused);
    commands
}

#[cfg(test)]
mod tests {
    use chairsync_proto::catalog;

    use super::*;

    #[test]
    fn every_line_calls_a_public_method() {
        let commands = commands("127.0.0.1:50050", "practices/sample", Some("practices/sample/patients/1"));
        let called = commands.iter().filter_map(|c| c.line.split(" chairsync.").nth(1));
        for method in called {
            let path = format!("/chairsync.{}", method.split(' ').next().unwrap_or_default());
            assert!(catalog::methods().get(&path).is_some_and(|m| !m.internal), "{path}");
        }
        assert_eq!(commands.len(), 9);
    }
}
