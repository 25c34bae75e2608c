//! The facts of a span of dates, and the figures that are worked out from them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::Hash,
};

use chairsync_proto::analytics::{Focus, MetricValue, TileSplit};
use futures::TryStreamExt as _;
use jiff::{ToSpan, civil::Date};

use super::{
    fact::{Fact, Text, Texts, append},
    family::{Family, Source},
    figure::Figure,
    hours,
    metric::{Filter, Formula, Measure, Metric, Part, Parts, Term, Time, Window},
    names::Names,
    range::Range,
    receivables,
    scope::Scope,
};
use crate::{
    books::{Books, BooksError, Given, preferences::Preferences},
    question::Question,
};

/// Facts by family, each family's by day and key.
pub struct Facts {
    pub(super) by_family: BTreeMap<Family, Vec<Fact>>,
    pub(super) texts: Texts,
    pub(super) broken_by_procedure: bool,
    names: Names,
    currency: String,
    practice: String,
    d: Date,
}

/// A member of a split: a row of a scorecard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// A provider; 0: unassigned.
    Provider(i64),
    /// A location; 0: unassigned.
    Clinic(i64),
    /// A procedure code; empty: none.
    Code(String),
}

/// A scope with its codes as facts hold them.
pub(super) struct Narrowed<'a> {
    scope: &'a Scope,
    codes: Option<HashSet<Text>>,
}

impl Narrowed<'_> {
    pub(super) fn takes(&self, fact: &Fact) -> bool {
        self.scope.providers.as_ref().is_none_or(|of| of.contains(&fact.provider))
            && self.scope.clinics.as_ref().is_none_or(|of| of.contains(&fact.clinic))
            && self.codes.as_ref().is_none_or(|of| of.contains(&fact.code))
    }
}

impl Facts {
    /// Reads what these metrics need for ranges within `span`.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub async fn read(
        books: &Books,
        question: &Question,
        preferences: &Preferences,
        metrics: &[&Metric],
        span: Range,
    ) -> Result<Self, BooksError> {
        let mut starts: BTreeMap<Family, Date> = BTreeMap::new();
        for term in metrics.iter().flat_map(|metric| metric.terms()) {
            let start = match term.window {
                Window::Months(months) => span.0.min(question.date).saturating_sub(months.months()),
                Window::Range | Window::AsOf => span.0,
            };
            starts.entry(term.family).and_modify(|first| *first = start.min(*first)).or_insert(start);
        }
        let mut facts = Self {
            by_family: BTreeMap::new(),
            texts: Texts::default(),
            broken_by_procedure: preferences.broken_by_procedure(),
            names: Names::read(books).await?,
            currency: question.currency.clone(),
            practice: question.practice.clone(),
            d: question.date,
        };
        for (family, from) in starts {
            let mut found = match family.source() {
                Source::Sql(sql) => {
                    let given = [
                        ("from", Given::Date(from)),
                        ("to", Given::Date(span.1)),
                        ("d", Given::Date(question.date)),
                        ("now", Given::Time(question.now)),
                        ("basis", preferences.write_off_basis()),
                        ("by_procedure", Given::Number(i32::from(facts.broken_by_procedure))),
                        ("subtract_estimates", preferences.subtract_estimates()),
                    ];
                    facts.ask(books, sql, &given).await?
                }
                Source::Hours => hours::facts(books, &facts.names, (from, span.1)).await?,
                Source::Accounts => receivables::accounts(books, question, preferences, &mut facts.texts).await?,
                Source::Claims => receivables::claims(books, question, &facts.names, &mut facts.texts).await?,
                Source::Nights => receivables::nights(books, question, preferences).await?,
            };
            found.sort_unstable_by_key(|fact| (fact.day, fact.key));
            facts.by_family.insert(family, found);
        }
        Ok(facts)
    }

    async fn ask(&mut self, books: &Books, sql: &str, given: &[(&str, Given)]) -> Result<Vec<Fact>, BooksError> {
        let mut stream = books.stream(sql, given).await?;
        let mut found = Vec::new();
        while let Some(batch) = stream.try_next().await? {
            append(&batch, &mut self.texts, &self.names, &mut found)?;
        }
        Ok(found)
    }

    /// The figure of a metric over a range, for a scope. Of a state the range counts by its end, or not at all.
    pub fn figure(&self, metric: &Metric, range: Range, scope: &Scope) -> Figure {
        if !scope.covers(metric) {
            return Figure::None;
        }
        self.figure_of(metric, range, scope, Filter::ALL)
    }

    /// The same on the wire.
    pub fn value(&self, metric: &Metric, range: Range, scope: &Scope) -> MetricValue {
        self.shown(metric, self.figure(metric, range, scope))
    }

    /// A figure of a metric on the wire.
    pub fn shown(&self, metric: &Metric, figure: Figure) -> MetricValue {
        figure.to_value(metric.unit, &self.currency)
    }

    /// The figures by member; only members that have facts. Nothing where the metric cannot be split so.
    pub fn by(&self, metric: &Metric, range: Range, scope: &Scope, focus: Focus) -> BTreeMap<Member, Figure> {
        if !scope.covers(metric) || !metric.splits_by(focus) {
            return BTreeMap::new();
        }
        let key = |fact: &Fact| match focus {
            Focus::Provider => fact.provider,
            Focus::Location => fact.clinic,
            Focus::ProcedureCode => i64::from(fact.code.0),
            Focus::Unspecified => 0,
        };
        let member = |key: i64| match focus {
            Focus::Provider | Focus::Unspecified => Member::Provider(key),
            Focus::Location => Member::Clinic(key),
            Focus::ProcedureCode => {
                Member::Code(u32::try_from(key).map_or("", |place| self.texts.get(Text(place))).to_owned())
            }
        };
        let figures = self.figures(metric, range, scope, Filter::ALL, key);
        figures.into_iter().map(|(key, figure)| (member(key), figure)).collect()
    }

    /// The parts of a value, e.g. by category.
    pub fn parts(&self, metric: &Metric, range: Range, scope: &Scope) -> Vec<TileSplit> {
        if !scope.covers(metric) {
            return Vec::new();
        }
        let part = |id: String, display_name: String, filter| TileSplit {
            id,
            display_name,
            value: Some(self.shown(metric, self.figure_of(metric, range, scope, filter))),
        };
        match metric.parts {
            Parts::Whole => Vec::new(),
            Parts::Fixed(parts) => {
                parts.iter().map(|p: &Part| part(p.id.to_owned(), p.display_name.to_owned(), p.filter)).collect()
            }
            Parts::Kinds => {
                let kinds = self.kinds(metric, range, scope);
                let filter = |kind| Filter { kind: Some(kind), ..Filter::ALL };
                kinds.into_iter().map(|(kind, label)| part(kind.to_string(), label, filter(kind))).collect()
            }
        }
    }

    /// The kinds of a metric's facts, with their labels.
    fn kinds(&self, metric: &Metric, range: Range, scope: &Scope) -> BTreeMap<i64, String> {
        let scope = self.narrowed(scope);
        let facts = metric.terms().flat_map(|term| self.slice(term, self.range_of(metric, range)));
        let within = facts.filter(|fact| scope.takes(fact));
        within.map(|fact| (fact.kind, self.texts.get(fact.label).to_owned())).collect()
    }

    /// The providers and locations.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The practice's id.
    pub fn practice(&self) -> &str {
        &self.practice
    }

    /// The code of the practice's currency.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// D.
    pub fn d(&self) -> Date {
        self.d
    }

    /// The label of a member, as people call it.
    pub fn label(&self, member: &Member) -> String {
        match member {
            Member::Provider(number) => self.names.provider_ref(&self.practice, *number).display_name,
            Member::Clinic(number) => self.names.clinic_ref(&self.practice, *number).display_name,
            Member::Code(code) => code.clone(),
        }
    }

    /// The range that a metric takes for one that is asked for.
    pub(super) fn range_of(&self, metric: &Metric, range: Range) -> Range {
        match metric.time {
            Time::Range => range,
            Time::RangeEnd => (range.1.min(self.d), range.1.min(self.d)),
            Time::Snapshot => (self.d, self.d),
        }
    }

    pub(super) fn figure_of(&self, metric: &Metric, range: Range, scope: &Scope, filter: Filter) -> Figure {
        let figures = self.figures(metric, range, scope, filter, |_| 0);
        figures.get(&0).copied().unwrap_or_else(|| figure(metric, 0, 0))
    }

    fn figures(
        &self,
        metric: &Metric,
        range: Range,
        scope: &Scope,
        filter: Filter,
        key: impl Fn(&Fact) -> i64 + Copy,
    ) -> BTreeMap<i64, Figure> {
        let range = self.range_of(metric, range);
        let scope = self.narrowed(scope);
        let fold = |terms: &[Term]| {
            let mut sums: BTreeMap<i64, i128> = BTreeMap::new();
            for term in terms {
                for (member, value) in self.fold(term, range, &scope, filter, key) {
                    *sums.entry(member).or_default() += i128::from(term.sign) * value;
                }
            }
            sums
        };
        let (above, below) = match metric.figure {
            Formula::Sum(terms) => (fold(terms), BTreeMap::new()),
            Formula::Ratio { above, below, .. } | Formula::Rate { above, below, .. } => (fold(above), fold(below)),
        };
        let members: BTreeSet<i64> = above.keys().chain(below.keys()).copied().collect();
        let of = |sums: &BTreeMap<i64, i128>, member| sums.get(&member).copied().unwrap_or_default();
        members.into_iter().map(|member| (member, figure(metric, of(&above, member), of(&below, member)))).collect()
    }

    /// One term's sum or count by member.
    fn fold(
        &self,
        term: &Term,
        range: Range,
        scope: &Narrowed<'_>,
        filter: Filter,
        key: impl Fn(&Fact) -> i64,
    ) -> HashMap<i64, i128> {
        let Some(filter) = term.filter.and(filter) else { return HashMap::new() };
        let of_kind = |fact: &&Fact| filter.kind.is_none_or(|kind| fact.kind == kind);
        let facts = self.slice(term, range).iter().filter(|fact| scope.takes(fact)).filter(of_kind);
        let mut folded: HashMap<i64, i128> = HashMap::new();
        match term.measure {
            Measure::Amount | Measure::Rows => {
                for fact in facts.filter(|fact| filter.takes(fact.flags)) {
                    *folded.entry(key(fact)).or_default() +=
                        if term.measure == Measure::Rows { 1 } else { fact.amount.0 };
                }
            }
            Measure::Patients => distinct(facts, filter, key, |fact| fact.patient, &mut folded),
            Measure::Visits => distinct(facts, filter, key, |fact| (fact.patient, fact.day), &mut folded),
            Measure::Days => distinct(facts, filter, key, |fact| fact.day, &mut folded),
        }
        folded
    }

    /// The facts that a term takes of a range, before scope and filter.
    pub(super) fn slice(&self, term: &Term, range: Range) -> &[Fact] {
        let Some(facts) = self.by_family.get(&term.family) else { return &[] };
        let from = match term.window {
            Window::AsOf => return facts,
            Window::Range => range.0,
            Window::Months(months) => range.1.saturating_sub(months.months()),
        };
        let start = facts.partition_point(|fact| fact.day < from);
        let end = facts.partition_point(|fact| fact.day <= range.1);
        facts.get(start..end).unwrap_or_default()
    }

    pub(super) fn narrowed<'a>(&self, scope: &'a Scope) -> Narrowed<'a> {
        let codes = scope.codes.as_ref().map(|codes| codes.iter().filter_map(|code| self.texts.find(code)).collect());
        Narrowed { scope, codes }
    }
}

/// Counts units by member: see [`Filter`].
fn distinct<'a, U: Hash + Eq>(
    facts: impl Iterator<Item = &'a Fact>,
    filter: Filter,
    key: impl Fn(&Fact) -> i64,
    unit: impl Fn(&Fact) -> U,
    to: &mut HashMap<i64, i128>,
) {
    let mut units: HashMap<(i64, U), Seen> = HashMap::new();
    for fact in facts {
        units.entry((key(fact), unit(fact))).or_default().look(filter, fact.flags);
    }
    for ((member, _), seen) in units {
        if seen.counts() {
            *to.entry(member).or_default() += 1;
        }
    }
}

/// What was seen of a unit's facts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    hit: bool,
    barred: bool,
}

impl Seen {
    /// Looks at one more fact; whether it is one that makes the unit count.
    pub(super) fn look(&mut self, filter: Filter, flags: u32) -> bool {
        let hit = flags & filter.all == filter.all;
        self.hit |= hit;
        self.barred |= flags & filter.none != 0;
        hit
    }

    /// Whether the unit counts.
    pub(super) const fn counts(self) -> bool {
        self.hit && !self.barred
    }
}

fn figure(metric: &Metric, above: i128, below: i128) -> Figure {
    match metric.figure {
        Formula::Sum(_) => Figure::Sum(above),
        Formula::Ratio { positive, .. } => Figure::Ratio { above, below, positive },
        Formula::Rate { per, .. } => Figure::Rate { above, below, per },
    }
}

impl Member {
    /// As `Scorecard.members` names it; empty for unassigned.
    pub fn name(&self, practice: &str) -> String {
        match self {
            Self::Provider(0) | Self::Clinic(0) => String::new(),
            Self::Provider(number) => format!("practices/{practice}/providers/{number}"),
            Self::Clinic(number) => format!("practices/{practice}/clinics/{number}"),
            Self::Code(code) => code.clone(),
        }
    }
}
