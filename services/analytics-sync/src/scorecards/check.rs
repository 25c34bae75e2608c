//! What a scorecard may say, and what it means where it says nothing.

use std::collections::BTreeSet;

use chairsync_proto::analytics::{ComparisonKind, Focus, PeriodKind, Scorecard, ScorecardComparison, ScorecardPeriod};
use mesh::Refusal;

use super::periods::{Comparison, Period};
use crate::metrics::{self, Member, Metric, Scope};

/// The characters of a scorecard's name.
pub const DISPLAY_NAME_MAX: usize = 200;
const METRICS_MAX: usize = 20;
const MEMBERS_MAX: usize = 300;

/// A scorecard that was checked: what of it can be worked out.
#[derive(Clone)]
pub struct Checked {
    /// What the rows are.
    pub focus: Focus,
    /// Its metrics, in order.
    pub metrics: Vec<&'static Metric>,
    /// Its rows, in order; none: all that have data.
    pub members: Vec<Member>,
    /// Its period.
    pub period: Period,
    /// What that is compared with.
    pub comparison: Comparison,
}

impl Checked {
    /// Reads what is to be worked out.
    ///
    /// # Errors
    /// `INVALID_FIELD` under `scorecard`, naming the metric or member at fault.
    pub fn of(practice: &str, scorecard: &Scorecard) -> Result<Self, Refusal> {
        let focus = match Focus::try_from(scorecard.focus) {
            Ok(Focus::Unspecified) => Focus::Provider,
            Ok(focus) => focus,
            Err(_) => return Err(Refusal::invalid("scorecard.focus", "must be one of the API's")),
        };
        Ok(Self {
            focus,
            metrics: metrics_of(scorecard, Some(focus))?,
            members: members_of(practice, scorecard, focus)?,
            period: Period::of(scorecard)?,
            comparison: Comparison::of(scorecard)?,
        })
    }
}

/// The metrics of a scorecard whose rows are practices: any, in order.
///
/// # Errors
/// `INVALID_FIELD` under `scorecard`.
pub fn metrics_of_practices(scorecard: &Scorecard) -> Result<Vec<&'static Metric>, Refusal> {
    metrics_of(scorecard, None)
}

fn metrics_of(scorecard: &Scorecard, focus: Option<Focus>) -> Result<Vec<&'static Metric>, Refusal> {
    if !(1..=METRICS_MAX).contains(&scorecard.metrics.len()) {
        return Err(Refusal::invalid("scorecard.metrics", "must be 1 to 20 metrics; `ListMetrics` lists them"));
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(scorecard.metrics.len());
    for (place, id) in scorecard.metrics.iter().enumerate() {
        let field = format!("scorecard.metrics[{place}]");
        let metric = metrics::find(&field, id)?;
        if let Some(focus) = focus.filter(|focus| !metric.splits_by(*focus)) {
            let fault = match focus {
                Focus::Provider => "cannot be split by provider; leave it out, or choose another focus",
                Focus::Location => "cannot be split by location; leave it out, or choose another focus",
                _ => "cannot be split by procedure code; leave it out, or choose another focus",
            };
            return Err(Refusal::invalid(field, fault));
        }
        if !seen.insert(metric.id) {
            return Err(Refusal::invalid(field, "is there twice; leave it out once"));
        }
        found.push(metric);
    }
    Ok(found)
}

fn members_of(practice: &str, scorecard: &Scorecard, focus: Focus) -> Result<Vec<Member>, Refusal> {
    if scorecard.members.len() > MEMBERS_MAX {
        return Err(Refusal::invalid("scorecard.members", "must be at most 300; leave it empty for all"));
    }
    let mut found: Vec<Member> = Vec::with_capacity(scorecard.members.len());
    for (place, name) in scorecard.members.iter().enumerate() {
        let field = format!("scorecard.members[{place}]");
        let name = std::slice::from_ref(name);
        let scope = match focus {
            Focus::Location => Scope::parse(practice, &[], name, &[]),
            Focus::ProcedureCode => Scope::parse(practice, &[], &[], name),
            _ => Scope::parse(practice, name, &[], &[]),
        };
        let scope = scope.map_err(|refusal| {
            let fault = refusal.field.as_ref().map_or(refusal.message.clone(), |(_, fault)| fault.clone());
            Refusal::invalid(&field, fault)
        })?;
        let provider = scope.providers.into_iter().flatten().map(Member::Provider);
        let clinic = scope.clinics.into_iter().flatten().map(Member::Clinic);
        let code = scope.codes.into_iter().flatten().map(Member::Code);
        for member in provider.chain(clinic).chain(code) {
            if found.contains(&member) {
                return Err(Refusal::invalid(field, "is there twice; leave it out once"));
            }
            found.push(member);
        }
    }
    Ok(found)
}

/// A scorecard as it is kept: checked, with what it leaves unsaid filled in, and nothing that is set here.
///
/// # Errors
/// `INVALID_FIELD` under `scorecard`.
pub fn kept(practice: &str, scorecard: &Scorecard) -> Result<Scorecard, Refusal> {
    let checked = Checked::of(practice, scorecard)?;
    let display_name = display_name("scorecard.display_name", &scorecard.display_name)?;
    Ok(Scorecard { display_name, ..asked(&checked, scorecard) })
}

/// What of a scorecard shapes its result.
pub fn asked(checked: &Checked, scorecard: &Scorecard) -> Scorecard {
    let (comparison, periods) = match checked.comparison {
        Comparison::Trailing(periods) => (ComparisonKind::Trailing, periods),
        Comparison::YearOverYear => (ComparisonKind::YearOverYear, 0),
        Comparison::None => (ComparisonKind::None, 0),
    };
    let mut period = scorecard.period.unwrap_or_default();
    if period.kind == PeriodKind::Unspecified as i32 {
        period = ScorecardPeriod { kind: PeriodKind::LastWeek.into(), custom: None };
    }
    Scorecard {
        focus: checked.focus.into(),
        members: scorecard.members.clone(),
        metrics: scorecard.metrics.clone(),
        period: Some(period),
        comparison: Some(ScorecardComparison { kind: comparison.into(), periods }),
        ..Default::default()
    }
}

/// What people call it.
///
/// # Errors
/// `INVALID_FIELD` on `field`.
pub fn display_name(field: &str, name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > DISPLAY_NAME_MAX || name.chars().any(char::is_control) {
        return Err(Refusal::invalid(field, "must be 1 to 200 characters on one line"));
    }
    Ok(name.to_owned())
}
