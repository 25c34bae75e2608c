//! Performance Board: `features.md` §3 — tiles with trends, and the ticker. All of it is worked out from the metrics' facts.

mod ticker;

use std::collections::BTreeSet;

use chairsync_proto::analytics::{AbsentSection, GetPerformanceBoardResponse};
use jiff::{ToSpan, civil::Date};
use mesh::calendar::date_to_proto;

use crate::{
    absent,
    books::{Books, BooksError, Given, preferences::Preferences},
    hours::PracticeHours,
    metrics::{
        Facts, Metric, Names, Range, Scope, range,
        tile::{self, TileSpec},
    },
    question::Question,
};

/// The board's tiles, in order.
pub const TILES: [TileSpec; 10] = [
    TileSpec {
        id: "appointments",
        display_name: "Appointments",
        metric: "appointments",
        figures: &["completed_appointments", "incomplete_appointments"],
    },
    TileSpec {
        id: "production",
        display_name: "Production by category",
        metric: "gross_production",
        figures: &["on_schedule_production", "incomplete_production"],
    },
    TileSpec {
        id: "new_patients",
        display_name: "New patients",
        metric: "new_patients",
        figures: &["new_patient_reappointment_pct", "new_patient_acceptance_pct"],
    },
    TileSpec {
        id: "reappointment",
        display_name: "Hygiene reappointment",
        metric: "hygiene_reappointment_pct",
        figures: &["hygiene_visits"],
    },
    TileSpec {
        id: "restorative_case",
        display_name: "Restorative case",
        metric: "restorative_case_acceptance_pct",
        figures: &["restorative_case_patients_pct", "diagnostic_pct", "dollars_per_exam"],
    },
    TileSpec {
        id: "hygiene_case",
        display_name: "Hygiene case",
        metric: "hygiene_case_acceptance_pct",
        figures: &["hygiene_case_patients_pct"],
    },
    TileSpec {
        id: "cancellations",
        display_name: "Cancellations",
        metric: "cancelled_pct",
        figures: &["broken_pct", "broken_appointments"],
    },
    TileSpec { id: "no_shows", display_name: "No-shows", metric: "no_show_pct", figures: &["broken_pct"] },
    TileSpec {
        id: "unscheduled",
        display_name: "Unscheduled patients",
        metric: "unscheduled_patients",
        figures: &["unscheduled_active", "unscheduled_treatment"],
    },
    TileSpec {
        id: "active",
        display_name: "Active patients",
        metric: "active_patients",
        figures: &["active_hygiene", "pre_appointment_pct"],
    },
];

/// The name of the section that the ticker is.
const TICKER: &str = "ticker";
/// What names the people and places of every row.
const NAMES: [&str; 2] = ["provider", "clinic"];

/// What is asked of the board.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The range of the tiles.
    pub range: Range,
    /// Whose and where.
    pub scope: Scope,
}

/// The range unless one is asked for: the month of D so far.
pub fn default_range(d: Date) -> Range {
    (d.first_of_month(), d)
}

/// The tiles and the ticker that cannot be computed from the datasets that are there.
pub fn missing(present: &BTreeSet<String>) -> Vec<AbsentSection> {
    let needs: Vec<(&str, Vec<&str>)> =
        needs().into_iter().map(|(id, needed)| (id, needed.into_iter().collect())).collect();
    let needs: Vec<(&str, &[&str])> = needs.iter().map(|(id, needed)| (*id, needed.as_slice())).collect();
    absent::missing(&needs, present)
}

/// What each tile, by id, and the ticker is computed from.
fn needs() -> Vec<(&'static str, BTreeSet<&'static str>)> {
    let of = |metrics: &mut dyn Iterator<Item = &'static Metric>| -> BTreeSet<&'static str> {
        metrics.flat_map(Metric::datasets).chain(NAMES).collect()
    };
    let tiles = TILES.iter().map(|spec| (spec.id, of(&mut spec.metrics())));
    let mut ticker = of(&mut ticker::metrics());
    ticker.extend(ticker::HOURS);
    tiles.chain([(TICKER, ticker)]).collect()
}

/// Computes the board, without its freshness. `present` are the datasets that `books` really has.
///
/// # Errors
/// See [`BooksError`]; refused where a provider or location is named that the practice does not have.
pub async fn compute(
    books: &Books,
    question: &Question,
    asked: &Asked,
    present: &BTreeSet<String>,
) -> Result<GetPerformanceBoardResponse, BooksError> {
    let d = question.date;
    let absent = missing(present);
    let mut answer = GetPerformanceBoardResponse {
        date: Some(date_to_proto(d)),
        range: Some(range::to_proto(asked.range)),
        absent_sections: absent.clone(),
        ..Default::default()
    };
    if absent.len() == TILES.len() + 1 {
        return Ok(answer);
    }
    asked.scope.check(&Names::read(books).await?)?;
    let preferences = Preferences::read(books).await?;
    answer.preferences = preferences.in_force();

    let has = |section: &str| !absent.iter().any(|a| a.section == section);
    let tiles: Vec<&TileSpec> = TILES.iter().filter(|spec| has(spec.id)).collect();
    let mut metrics: Vec<&Metric> = tiles.iter().flat_map(|spec| spec.metrics()).collect();
    let mut span = tile::span(asked.range, d);
    let mut days = ticker::Days::default();
    if has(TICKER) {
        days = ticker::Days::read(books, d).await?;
        metrics.extend(ticker::metrics());
        let known = [days.yesterday, days.tomorrow, Some(d.saturating_sub(ticker::DAYS_BEFORE.days()))];
        for day in known.into_iter().flatten() {
            span = (span.0.min(day), span.1.max(day));
        }
    }
    let facts = Facts::read(books, question, &preferences, &metrics, span).await?;
    answer.tiles = tiles.iter().filter_map(|spec| tile::tile(&facts, spec, asked.range, &asked.scope)).collect();
    if has(TICKER) {
        answer.ticker = Some(ticker::ticker(&facts, &days, &asked.scope));
    }
    Ok(answer)
}

/// The last date before D with a visit or an appointment, and the next after it with hours or appointments.
async fn neighbours(books: &Books, d: Date) -> Result<(Option<Date>, Option<Date>), BooksError> {
    let dates = books.ask(include_str!("huddle/sql/dates.sql"), &[("d", Given::Date(d))]).await?;
    let hours = PracticeHours::read(books, d).await?;
    let next = [dates.date(0, "next_booked")?, hours.next_with_hours(d)].into_iter().flatten().min();
    Ok((dates.date(0, "last_worked")?, next))
}

#[cfg(test)]
mod tests;
