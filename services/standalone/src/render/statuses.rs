//! The 14 features with their freshness.

use chairsync_proto::{
    catalog,
    feature::{Feature, KeptFresh},
    sync::{Completeness, FeatureStatus, Freshness},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{printable, table::table, time, word};

/// The features in catalog order, with how fresh each is as of `now`.
pub fn lines(statuses: &[FeatureStatus], now: Timestamp) -> Vec<String> {
    let rows: Vec<[String; 7]> = statuses.iter().map(|status| row(status, now)).collect();
    table(["FEATURE", "MODULE", "KEPT FRESH", "STATE", "DATA", "SYNCED THROUGH", "NEXT SYNC"], &rows)
}

fn row(status: &FeatureStatus, now: Timestamp) -> [String; 7] {
    let fresh = status.freshness.as_ref();
    let [title, module, kept] = schedule(status.feature());
    [
        title,
        module,
        kept,
        word(status.state().as_str_name(), "FEATURE_STATE_"),
        completeness(fresh),
        time::relative(time::timestamp(fresh.and_then(|f| f.synced_through.as_ref())), now),
        next_sync(status, now),
    ]
}

/// A feature's title, module and schedule, from the catalog.
pub fn schedule(feature: Feature) -> [String; 3] {
    match catalog::feature(feature) {
        Some(row) => [
            row.policy.title.clone(),
            word(row.module().as_str_name(), "MODULE_"),
            word(row.kept_fresh().as_str_name(), "KEPT_FRESH_"),
        ],
        None => [word(feature.as_str_name(), "FEATURE_"), time::NONE.to_owned(), time::NONE.to_owned()],
    }
}

fn completeness(fresh: Option<&Freshness>) -> String {
    let Some(fresh) = fresh else { return time::NONE.to_owned() };
    let said = word(fresh.completeness().as_str_name(), "COMPLETENESS_");
    match fresh.completeness() {
        Completeness::Partial => format!("{said} {:.0} %", fresh.share_done * 100.0),
        _ => said,
    }
}

fn next_sync(status: &FeatureStatus, now: Timestamp) -> String {
    let at = time::timestamp(status.freshness.as_ref().and_then(|f| f.next_sync_at.as_ref()));
    match (at, catalog::feature(status.feature()).map(catalog::FeatureRow::kept_fresh)) {
        (None, Some(KeptFresh::RealTime)) => "as it changes".to_owned(),
        (None, Some(KeptFresh::OnOpen)) => "when opened".to_owned(),
        (at, _) => time::relative(at, now),
    }
}

/// Whether every feature is complete; held ones too.
pub fn all_fresh(statuses: &[FeatureStatus]) -> bool {
    let whole = |s: &FeatureStatus| s.freshness.as_ref().is_some_and(|f| f.completeness() == Completeness::Complete);
    !statuses.is_empty() && statuses.iter().all(whole)
}

/// Why features are not fresh or not complete, each reason once, with the features it holds for.
pub fn reasons(statuses: &[FeatureStatus]) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for status in statuses {
        let reason = status.freshness.as_ref().map(|f| printable(&f.reason)).unwrap_or_default();
        let [title, ..] = schedule(status.feature());
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            _ if reason.is_empty() => {}
            Some((_, titles)) => titles.push(title),
            None => reasons.push((reason, vec![title])),
        }
    }
    let said = |titles: Vec<String>| match titles.len() {
        1..=3 => titles.join(", "),
        n => format!("{n} features"),
    };
    reasons.into_iter().map(|(reason, titles)| format!("{}: {reason}", said(titles))).collect()
}

/// The features for programs.
pub fn json(statuses: &[FeatureStatus]) -> Value {
    let one = |status: &FeatureStatus| {
        let [title, module, kept_fresh] = schedule(status.feature());
        let fresh = status.freshness.clone().unwrap_or_default();
        json!({
            "feature": status.feature().as_str_name(),
            "title": title,
            "module": module,
            "kept_fresh": kept_fresh,
            "state": status.state().as_str_name(),
            "completeness": fresh.completeness().as_str_name(),
            "share_done": fresh.share_done,
            "synced_through": time::rfc3339(fresh.synced_through.as_ref()),
            "completed_at": time::rfc3339(fresh.completed_at.as_ref()),
            "next_sync_at": time::rfc3339(fresh.next_sync_at.as_ref()),
            "run": fresh.run,
            "reason": fresh.reason,
        })
    };
    Value::Array(statuses.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chairsync_proto::sync::FeatureState;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds: second, nanos: 0 })
    }

    fn statuses() -> Vec<FeatureStatus> {
        let status = |feature: Feature, state: FeatureState, freshness: Freshness| FeatureStatus {
            feature: feature.into(),
            state: state.into(),
            freshness: Some(freshness),
            datasets: Vec::new(),
        };
        let partial = Freshness {
            completeness: Completeness::Partial.into(),
            share_done: 0.42,
            reason: "the initial sync is not finished".to_owned(),
            ..Default::default()
        };
        let complete = Freshness {
            completeness: Completeness::Complete.into(),
            synced_through: at(NOW - 3),
            next_sync_at: at(NOW + 18_720),
            ..Default::default()
        };
        let live = Freshness { next_sync_at: None, ..complete.clone() };
        vec![
            status(Feature::MorningHuddle, FeatureState::Ready, complete),
            status(Feature::PatientCard, FeatureState::Ready, live.clone()),
            status(Feature::Payments, FeatureState::Held, live),
            status(Feature::OnlineSchedulingAppointments, FeatureState::InitialSync, partial),
        ]
    }

    #[test]
    fn the_table_says_how_fresh_each_feature_is() {
        let shown = lines(&statuses(), Timestamp::from_second(NOW).unwrap());
        let wanted = [
            "FEATURE                          MODULE      KEPT FRESH  STATE         DATA          SYNCED THROUGH  NEXT SYNC",
            "Morning Huddle                   analytics   nightly     ready         complete      3 s ago         in 5 h 12 min",
            "Patient Card                     engagement  on open     ready         complete      3 s ago         when opened",
            "Payments                         engagement  real time   held          complete      3 s ago         as it changes",
            "Online Scheduling: appointments  engagement  real time   initial sync  partial 42 %  -               as it changes",
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn a_reason_is_said_once() {
        let twice = [statuses(), statuses()].concat();
        let said = reasons(&twice);
        assert_eq!(said.len(), 1);
        assert!(said[0].ends_with("the initial sync is not finished"), "{said:?}");
    }

    #[test]
    fn json_has_the_enums_own_names() {
        let shown = json(&statuses());
        assert_eq!(shown[2]["state"], "FEATURE_STATE_HELD");
        assert_eq!(shown[0]["synced_through"], "2027-01-15T07:59:57Z");
        assert_eq!(shown[3]["synced_through"], Value::Null);
    }
}
