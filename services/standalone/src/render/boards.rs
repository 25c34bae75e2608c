//! The analytics features as a person reads them in a terminal, a file each.

pub mod collections;
pub mod huddle;
pub mod patients;
pub mod performance;
pub mod pulse;
pub mod schedule;
pub mod scorecard;

use chairsync_proto::{
    analytics::{AbsenceReason, AbsentSection, PreferenceInForce, PreferenceOrigin},
    sync::{Completeness, Freshness},
};
use jiff::Timestamp;

use super::{printable, time, word};

/// A board's head: what it is, of which dates, and how fresh.
fn head(title: &str, dates: &str, freshness: Option<&Freshness>, now: Timestamp) -> Vec<String> {
    let fresh = freshness.cloned().unwrap_or_default();
    let data = match fresh.completeness() {
        Completeness::Complete => String::new(),
        Completeness::Partial => format!(", partial: {:.0} % done", fresh.share_done * 100.0),
        other => format!(", {}", word(other.as_str_name(), "COMPLETENESS_")),
    };
    let through = time::relative(time::timestamp(fresh.synced_through.as_ref()), now);
    let mut lines = vec![format!("{title}  {dates}"), format!("synced through {through}{data}")];
    if !fresh.reason.is_empty() {
        lines.push(printable(&fresh.reason));
    }
    lines
}

/// A part of a board under its own title.
fn part(lines: &mut Vec<String>, title: &str, body: Vec<String>) {
    if !body.is_empty() {
        lines.extend([String::new(), title.to_uppercase()]);
        lines.extend(body);
    }
}

/// What is left out, and the preferences that are not the defaults.
fn foot(lines: &mut Vec<String>, absent: &[AbsentSection], preferences: &[PreferenceInForce]) {
    let said = |absent: &AbsentSection| match absent.reason() {
        AbsenceReason::PartialData => {
            format!("{}: waits for {}", absent.section, absent.missing_datasets.join(", "))
        }
        AbsenceReason::NothingThere => format!("{}: nothing there", absent.section),
        AbsenceReason::NotSplit => format!("{}: not of some providers or clinics only", absent.section),
        AbsenceReason::NotRead => format!("{}: needs data of the PMS that is not read", absent.section),
        AbsenceReason::Unspecified => absent.section.clone(),
    };
    part(lines, "left out", absent.iter().map(said).collect());
    let set = preferences.iter().filter(|p| p.origin() != PreferenceOrigin::Default);
    part(lines, "as set", set.map(|p| printable(&format!("{} = {}", p.key, p.value))).collect());
}

/// Names and values in two columns.
fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Vec<String> {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    pairs.into_iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect()
}
