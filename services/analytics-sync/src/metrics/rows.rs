//! The rows behind a figure: their parts sum to it.

use std::collections::HashMap;

use chairsync_proto::analytics::{BoardRow, MetricUnit, PatientRef, RowPart, row_part};
use jiff::civil::Date;
use mesh::{Refusal, calendar, money::Money};

use super::{
    fact::{Fact, Text},
    facts::{Facts, Seen},
    family::Family,
    metric::{Filter, Formula, Measure, Metric, Parts, Term},
    range::Range,
    scope::Scope,
};

/// A row behind a figure.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What the row is: "procedure", "visit", …
    pub dataset: &'static str,
    /// Its key; for what is put together the patient's.
    pub key: i64,
    /// The date by which it falls into the range.
    pub day: Date,
    /// The patient; 0 for none.
    pub patient: i64,
    /// The provider; `None` where it concerns none, 0: unassigned.
    pub provider: Option<i64>,
    /// The location, likewise.
    pub clinic: Option<i64>,
    code: Text,
    label: Text,
    /// What it adds above the line, exact.
    pub above: i128,
    /// What it adds below the line, exact.
    pub below: i128,
}

/// The filter of a metric's part; empty: all of it.
///
/// # Errors
/// `INVALID_FIELD` on `split` for one that the metric does not have.
pub fn part(metric: &Metric, split: &str) -> Result<Filter, Refusal> {
    let unknown = |have: String| Err(Refusal::invalid("split", format!("{} has no such part; {have}", metric.id)));
    if split.is_empty() {
        return Ok(Filter::ALL);
    }
    match metric.parts {
        Parts::Whole => unknown("it has none: leave it empty".to_owned()),
        Parts::Fixed(parts) => match parts.iter().find(|part| part.id == split) {
            Some(part) => Ok(part.filter),
            None => unknown(format!("it has {}", parts.iter().map(|part| part.id).collect::<Vec<_>>().join(", "))),
        },
        Parts::Kinds => match split.parse() {
            Ok(kind) => Ok(Filter { kind: Some(kind), ..Filter::ALL }),
            Err(_) => unknown("its parts are numbers, as `TileSplit.id` has them".to_owned()),
        },
    }
}

impl Facts {
    /// The rows behind a figure, by date, then dataset and key.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `split`.
    pub fn rows(&self, metric: &Metric, range: Range, scope: &Scope, split: &str) -> Result<Vec<Row>, Refusal> {
        let filter = part(metric, split)?;
        if !scope.covers(metric) {
            return Ok(Vec::new());
        }
        let (above, below): (&[Term], &[Term]) = match metric.figure {
            Formula::Sum(terms) => (terms, &[]),
            Formula::Ratio { above, below, .. } | Formula::Rate { above, below, .. } => (above, below),
        };
        let range = self.range_of(metric, range);
        let mut rows = Rows::default();
        for (terms, is_below) in [(above, false), (below, true)] {
            for term in terms {
                self.rows_of(term, range, scope, filter, is_below, &mut rows);
            }
        }
        let mut rows: Vec<Row> = rows.0.into_values().collect();
        rows.sort_unstable_by_key(|row| (row.day, row.dataset, row.key, row.patient));
        Ok(rows)
    }

    fn rows_of(&self, term: &Term, range: Range, scope: &Scope, filter: Filter, is_below: bool, rows: &mut Rows) {
        let Some(filter) = term.filter.and(filter) else { return };
        let scope = self.narrowed(scope);
        let of_kind = |fact: &&Fact| filter.kind.is_none_or(|kind| fact.kind == kind);
        let facts = || self.slice(term, range).iter().filter(|fact| scope.takes(fact)).filter(of_kind);
        let sign = i128::from(term.sign);
        match term.measure {
            Measure::Amount | Measure::Rows => {
                let dataset = self.dataset(term.family);
                for fact in facts().filter(|fact| filter.takes(fact.flags)) {
                    let identity = Identity(dataset, fact.key, Some(fact.day));
                    let adds = if term.measure == Measure::Rows { 1 } else { fact.amount.0 };
                    rows.add(identity, self.row(fact, dataset, fact.key), sign * adds, is_below);
                }
            }
            Measure::Patients | Measure::Visits | Measure::Days => {
                let identity = |fact: &Fact| match term.measure {
                    Measure::Patients => Identity("patient", fact.patient, None),
                    Measure::Visits => Identity("visit", fact.patient, Some(fact.day)),
                    _ => Identity("date", 0, Some(fact.day)),
                };
                let mut units: HashMap<Identity, (Seen, Option<&Fact>)> = HashMap::new();
                for fact in facts() {
                    let (seen, first) = units.entry(identity(fact)).or_default();
                    if seen.look(filter, fact.flags) {
                        first.get_or_insert(fact);
                    }
                }
                for (identity, (seen, first)) in units {
                    if let Some(first) = first.filter(|_| seen.counts()) {
                        let mut row = self.row(first, identity.0, identity.1);
                        if term.measure == Measure::Days {
                            row = Row { patient: 0, provider: None, clinic: None, code: Text::default(), ..row };
                        }
                        rows.add(identity, row, sign, is_below);
                    }
                }
            }
        }
    }

    fn dataset(&self, family: Family) -> &'static str {
        if family == Family::Broken && self.broken_by_procedure { "procedure" } else { family.dataset() }
    }

    fn row(&self, fact: &Fact, dataset: &'static str, key: i64) -> Row {
        // Facts of several providers come together in a patient: no one is credited with it.
        let one = !matches!(dataset, "patient" | "family" | "date");
        Row {
            dataset,
            key,
            day: fact.day,
            patient: fact.patient,
            provider: one.then_some(fact.provider),
            clinic: (one && dataset != "schedule").then_some(fact.clinic),
            code: fact.code,
            label: fact.label,
            above: 0,
            below: 0,
        }
    }

    /// A row as it travels. `patient` is who it is of.
    pub fn row_to_proto(&self, metric: &Metric, row: &Row, patient: Option<PatientRef>) -> BoardRow {
        let (above_money, below_money) = match metric.figure {
            Formula::Sum(_) => (metric.unit == MetricUnit::Money, None),
            Formula::Ratio { .. } => {
                let money = metric.unit == MetricUnit::MoneyRatio;
                (money, Some(money))
            }
            Formula::Rate { .. } => (true, Some(metric.unit == MetricUnit::Days)),
        };
        let part = |value: i128, money: bool| RowPart {
            part: Some(if money {
                row_part::Part::Money(Money(value).to_proto(self.currency()))
            } else {
                row_part::Part::Count(i64::try_from(value).unwrap_or(i64::MAX))
            }),
        };
        BoardRow {
            dataset: row.dataset.to_owned(),
            key: match row.dataset {
                "visit" => format!("{}/{}", row.patient, row.day),
                "schedule" => format!("{}/{}", row.key, row.day),
                "date" => row.day.to_string(),
                _ => row.key.to_string(),
            },
            date: Some(calendar::date_to_proto(row.day)),
            patient,
            provider: row.provider.map(|number| self.names().provider_ref(self.practice(), number)),
            clinic: row.clinic.map(|number| self.names().clinic_ref(self.practice(), number)),
            procedure_code: self.texts.get(row.code).to_owned(),
            description: self.texts.get(row.label).to_owned(),
            part: Some(part(row.above, above_money)),
            denominator_part: below_money.map(|money| part(row.below, money)),
        }
    }
}

/// What makes rows of two terms the same: dataset, key and date; a patient is one whatever the date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity(&'static str, i64, Option<Date>);

#[derive(Default)]
struct Rows(HashMap<Identity, Row>);

impl Rows {
    fn add(&mut self, identity: Identity, row: Row, adds: i128, is_below: bool) {
        let kept = self.0.entry(identity).or_insert(row);
        kept.day = kept.day.min(row.day);
        if is_below {
            kept.below += adds;
        } else {
            kept.above += adds;
        }
    }
}
