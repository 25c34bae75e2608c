//! `GetGroupBoard`: a board across practices.

use std::collections::{BTreeMap, HashSet};

use chairsync_proto::{
    analytics::{
        AbsenceReason, Board, DateRange, GetGroupBoardRequest, GetGroupBoardResponse, GroupRow, GroupTotal, Scorecard,
    },
    feature::Feature,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mesh::{ErrorReason, Refusal, calendar, names};
use tonic::{Code, Status};

use super::{Analytics, TABLE_RETRY, snapshot::Snapshot};
use crate::{
    absent::absence,
    group::{self, Asked, Figures, PRACTICES_MAX},
    metrics::{Figure, range},
};

/// Practices that are worked on at the same time for one caller.
const AT_ONCE: usize = 4;

/// Figures as they are kept in memory: exact, in text.
#[derive(Clone, PartialEq, prost::Message)]
struct Kept {
    #[prost(message, repeated, tag = "1")]
    periods: Vec<DateRange>,
    #[prost(message, repeated, tag = "2")]
    figures: Vec<KeptFigure>,
}

/// A figure: none, a sum (above), a ratio or a rate.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptFigure {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    above: String,
    #[prost(string, tag = "3")]
    below: String,
    #[prost(bool, tag = "4")]
    positive: bool,
    #[prost(uint32, tag = "5")]
    per: u32,
}

/// A practice's part of the answer.
struct Part {
    row: GroupRow,
    figures: Option<Figures>,
}

impl Analytics {
    pub(super) async fn group_board(&self, request: GetGroupBoardRequest) -> Result<GetGroupBoardResponse, Status> {
        let asked = Asked::parse(&request)?;
        let ids = self.practices_of(&request)?;
        // What is asked of each is the same, whoever else is asked.
        let key = GetGroupBoardRequest {
            practices: Vec::new(),
            group: String::new(),
            scorecard: request.scorecard.as_ref().map(|card| Scorecard {
                metrics: card.metrics.clone(),
                period: card.period,
                comparison: card.comparison,
                ..Default::default()
            }),
            ..request
        };
        let feature = match key.board() {
            Board::Performance => Feature::PerformanceBoard,
            Board::Collections => Feature::CollectionsBoard,
            _ => Feature::Scorecards,
        };
        let parts = ids.into_iter().map(|id| {
            let (me, key, asked) = (self.clone(), key.clone(), asked.clone());
            async move { me.part(&id, feature, key, asked).await }
        });
        let parts: Vec<Part> = stream::iter(parts.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
        let totals = totals(&asked, &parts);
        Ok(GetGroupBoardResponse { rows: parts.into_iter().map(|part| part.row).collect(), totals })
    }

    /// The ids of the practices that a request means.
    fn practices_of(&self, request: &GetGroupBoardRequest) -> Result<Vec<String>, Refusal> {
        let ids = match (request.practices.is_empty(), request.group.as_str()) {
            (true, "") => return Err(Refusal::invalid("practices", "must name practices, or a group must be named")),
            (false, "") => {
                let name = |(place, name): (usize, &String)| {
                    names::practice(&format!("practices[{place}]"), name).map(str::to_owned)
                };
                request.practices.iter().take(PRACTICES_MAX + 1).enumerate().map(name).collect::<Result<Vec<_>, _>>()?
            }
            (true, group) => self.states.of_group(group).ok_or_else(|| {
                let message = "not all practices are known yet after the start; try again";
                Refusal::new(Code::Unavailable, ErrorReason::UpstreamUnavailable, message).retry_after(TABLE_RETRY)
            })?,
            (false, _) => return Err(Refusal::invalid("group", "must be left out where practices are named")),
        };
        let field = if request.group.is_empty() { "practices" } else { "group" };
        if ids.is_empty() {
            return Err(Refusal::invalid(field, "no practice names this group in its settings"));
        }
        if ids.len() > PRACTICES_MAX {
            return Err(Refusal::invalid(field, format!("must be at most {PRACTICES_MAX} practices; ask in parts")));
        }
        let mut seen = HashSet::new();
        match ids.iter().position(|id| !seen.insert(id)) {
            Some(place) => Err(Refusal::invalid(format!("practices[{place}]"), "is there twice; leave it out once")),
            None => Ok(ids),
        }
    }

    async fn part(&self, id: &str, feature: Feature, key: GetGroupBoardRequest, asked: Asked) -> Result<Part, Status> {
        let state = self.states.get(id).await?;
        let snapshot = Snapshot::of(id, &state, feature)?;
        let question = snapshot.question(None)?;
        let mut row = GroupRow {
            practice: format!("practices/{id}"),
            display_name: state.practice.as_ref().map(|settings| settings.display_name.clone()).unwrap_or_default(),
            freshness: Some(snapshot.freshness.clone()),
            date: question.as_ref().map(|question| calendar::date_to_proto(question.date)),
            currency_code: snapshot.currency.clone(),
            ..Default::default()
        };
        let needed = asked.datasets();
        let missing: Vec<String> = needed
            .iter()
            .filter(|name| !snapshot.versions.contains_key(**name))
            .map(|name| (*name).to_owned())
            .collect();
        let Some(question) = question.filter(|_| missing.is_empty()) else {
            row.absent_sections = vec![absence("cells", AbsenceReason::PartialData, missing)];
            return Ok(Part { row, figures: None });
        };
        let (metrics, currency) = (asked.metrics.clone(), snapshot.currency.clone());
        let kept: Kept = self
            .computed("GetGroupBoard", &key, snapshot, move |books| async move {
                group::work_out(&books, &question, &asked).await.map(|figures| Kept::of(&figures))
            })
            .await?;
        let figures = kept.figures(metrics.len()).ok_or_else(|| Refusal::internal("kept figures could not be read"))?;
        row.periods = kept.periods;
        row.cells = group::cells(&metrics, &figures, &currency);
        Ok(Part { row, figures: Some(figures) })
    }
}

/// The totals, by currency.
fn totals(asked: &Asked, parts: &[Part]) -> Vec<GroupTotal> {
    let mut by_currency: BTreeMap<&str, Vec<&Part>> = BTreeMap::new();
    for part in parts {
        by_currency.entry(&part.row.currency_code).or_default().push(part);
    }
    let total = |(currency, parts): (&str, Vec<&Part>)| {
        let (there, left_out): (Vec<&Part>, Vec<&Part>) = parts.into_iter().partition(|part| part.figures.is_some());
        let figures: Vec<&Figures> = there.iter().filter_map(|part| part.figures.as_ref()).collect();
        let named = |parts: &[&Part]| parts.iter().map(|part| part.row.practice.clone()).collect();
        GroupTotal {
            currency_code: currency.to_owned(),
            practices: named(&there),
            left_out: named(&left_out),
            cells: group::total(&asked.metrics, &figures, currency),
        }
    };
    by_currency.into_iter().map(total).collect()
}

impl Kept {
    fn of(figures: &Figures) -> Self {
        Self {
            periods: figures.periods.iter().map(|period| range::to_proto(*period)).collect(),
            figures: figures.rows.iter().flatten().map(|figure| KeptFigure::of(*figure)).collect(),
        }
    }

    /// The figures again, of so many metrics.
    fn figures(&self, metrics: usize) -> Option<Figures> {
        let nothing = (jiff::civil::Date::MIN, jiff::civil::Date::MIN);
        let period = |period: &DateRange| range::read("period", Some(period), nothing).ok();
        let periods: Vec<_> = self.periods.iter().map(period).collect::<Option<_>>()?;
        let figures: Vec<Figure> = self.figures.iter().map(KeptFigure::figure).collect::<Option<_>>()?;
        if periods.is_empty() || figures.len() != metrics * periods.len() {
            return None;
        }
        Some(Figures { rows: figures.chunks(periods.len()).map(<[Figure]>::to_vec).collect(), periods })
    }
}

impl KeptFigure {
    fn of(figure: Figure) -> Self {
        let text = |number: i128| number.to_string();
        match figure {
            Figure::None => Self::default(),
            Figure::Sum(sum) => Self { kind: 1, above: text(sum), ..Self::default() },
            Figure::Ratio { above, below, positive } => {
                Self { kind: 2, above: text(above), below: text(below), positive, per: 0 }
            }
            Figure::Rate { above, below, per } => {
                Self { kind: 3, above: text(above), below: text(below), positive: false, per }
            }
        }
    }

    fn figure(&self) -> Option<Figure> {
        let number = |text: &str| text.parse::<i128>().ok();
        Some(match self.kind {
            0 => Figure::None,
            1 => Figure::Sum(number(&self.above)?),
            2 => Figure::Ratio { above: number(&self.above)?, below: number(&self.below)?, positive: self.positive },
            _ => Figure::Rate { above: number(&self.above)?, below: number(&self.below)?, per: self.per },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn figures_are_kept_exactly() {
        let day = jiff::civil::date(2026, 3, 1);
        let rows = vec![
            vec![Figure::Sum(i128::from(i64::MAX) * 4), Figure::None],
            vec![
                Figure::Ratio { above: -5, below: 7, positive: true },
                Figure::Rate { above: 12_345, below: 90, per: 60 },
            ],
        ];
        let figures = Figures { periods: vec![(day, day), (day, day.tomorrow().unwrap())], rows };
        assert_eq!(Kept::of(&figures).figures(2).unwrap(), figures);
        assert!(Kept::of(&figures).figures(3).is_none());
    }

    #[test]
    fn currencies_are_not_mixed_and_who_is_left_out_is_named() {
        let request = GetGroupBoardRequest {
            board: Board::Scorecard.into(),
            scorecard: Some(Scorecard { metrics: vec!["gross_production".into()], ..Default::default() }),
            ..Default::default()
        };
        let asked = Asked::parse(&request).unwrap();
        let day = jiff::civil::date(2026, 3, 1);
        let part = |id: &str, currency: &str, sum: Option<i128>| Part {
            row: GroupRow { practice: format!("practices/{id}"), currency_code: currency.into(), ..Default::default() },
            figures: sum.map(|sum| Figures { periods: vec![(day, day)], rows: vec![vec![Figure::Sum(sum)]] }),
        };
        let parts = [
            part("a", "USD", Some(50)),
            part("b", "CAD", Some(10_000)),
            part("c", "USD", Some(50)),
            part("d", "USD", None),
        ];
        let all = totals(&asked, &parts);
        let seen: Vec<_> = all
            .iter()
            .map(|total| (total.currency_code.as_str(), total.practices.len(), total.left_out.as_slice()))
            .collect();
        assert_eq!(seen, [("CAD", 1, [].as_slice()), ("USD", 2, ["practices/d".to_owned()].as_slice())]);
        let shown = all[1].cells[0].values[0].value.clone().unwrap();
        let chairsync_proto::analytics::metric_value::Value::Money(money) = shown else { panic!("no money") };
        assert_eq!((money.units, money.nanos), (0, 10_000_000), "half cents are added before they are rounded");
    }
}
