//! Reads a card's rows: from the live view, then, by what it guesses, from the PMS in one round trip where the guess was
//! right and a few where rows refer to others that were not known.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chairsync_proto::{pms::Selector, practice::Practice};
use jiff::Timestamp;
use mesh::{Refusal, datasets};
use tokio::time::Instant;

use super::{
    lists::{Lists, PREFERENCES},
    remembered,
    rows::{Gathered, Selections},
};
use crate::{
    live_datasets,
    live_view::{LiveView, ViewError},
    pms::Pms,
    row::Row,
};

/// Patient, family, splits, payments; subscriptions, plans, carriers: no chain of references is longer.
const ROUNDS_MAX: usize = 6;
/// Values of one selector, as the API allows.
const VALUES_MAX: usize = 10_000;
/// Definitions of a practice; a list beyond this is not one.
const DEFINITIONS_MAX: usize = 10_000;

/// What the live view holds of a patient.
#[derive(Debug, Default)]
pub struct Kept {
    /// The rows, those of the ledger as of the last opening.
    pub rows: Gathered,
    /// When the ledger rows were read from the PMS.
    pub ledger_at: Option<Timestamp>,
}

/// Reads cards' rows.
#[derive(Debug, Clone)]
pub struct Gatherer {
    /// The live view.
    pub view: Arc<dyn LiveView>,
    /// pms-connector.
    pub pms: Pms,
}

impl Gatherer {
    /// All that the live view holds for a patient's card.
    ///
    /// # Errors
    /// When its store does not answer.
    pub async fn kept(&self, practice: &str, patient: i64) -> Result<Kept, ViewError> {
        let card = self.view.card(practice, patient).await?;
        let ledger = card.and_then(|card| Some((card.fetched_at, remembered::unpack(&card.bytes)?)));
        let (ledger_at, ledger) = ledger.map_or((None, Vec::new()), |(at, rows)| (Some(at), rows));
        let mut rows = Gathered::of_rows(ledger);
        let mut asked = Selections::new();
        for _ in 0..ROUNDS_MAX {
            let fresh = beyond(rows.wanted(patient), &mut asked);
            if fresh.is_empty() {
                break;
            }
            for ((dataset, column), values) in fresh {
                rows.extend(self.followed(practice, (dataset, column), &values).await?);
            }
        }
        Ok(Kept { rows, ledger_at })
    }

    /// Rows of the live view by a column; none of datasets that it does not follow.
    async fn followed(
        &self,
        practice: &str,
        (dataset, column): (&str, &str),
        values: &BTreeSet<i64>,
    ) -> Result<Vec<Row>, ViewError> {
        let Some(dataset) = live_datasets::get(dataset) else { return Ok(Vec::new()) };
        if column == dataset.key {
            let keys: Vec<String> = values.iter().map(i64::to_string).collect();
            return self.view.get(practice, dataset, &keys).await;
        }
        let groups: Vec<i64> = values.iter().copied().collect();
        self.view.in_groups(practice, dataset, &groups).await
    }

    /// All rows of a patient's card, read from the PMS now; `guess` tells what will be needed, nothing else of it is used.
    ///
    /// # Errors
    /// As [`Pms::fetch`].
    pub async fn fetch(
        &self,
        practice: &Practice,
        patient: i64,
        guess: &Gathered,
        limit: Duration,
    ) -> Result<(Gathered, Timestamp), Refusal> {
        let until = Instant::now() + limit;
        let (mut rows, mut asked, mut at) = (Gathered::default(), Selections::new(), Timestamp::MAX);
        let mut wanted = guess.wanted(patient);
        for _ in 0..ROUNDS_MAX {
            let fresh = beyond(wanted, &mut asked);
            if fresh.is_empty() {
                break;
            }
            let left = until.saturating_duration_since(Instant::now());
            let fetched = self.pms.fetch(practice, selectors(&fresh), left).await?;
            rows.extend(fetched.rows);
            at = at.min(fetched.at);
            wanted = rows.wanted(patient);
        }
        // A wrong guess may have brought rows of others; they are of no family here and count nowhere.
        Ok((rows, at))
    }

    /// The lists that the rows refer to, from the live view; while that is not filled, from the PMS under `limit`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn lists(
        &self,
        practice: &Practice,
        rows: &Gathered,
        limit: Option<Duration>,
    ) -> Result<Lists, ViewError> {
        let id = crate::states::bare(&practice.name);
        let mut lists = Gathered::default();
        if let Some(definitions) = datasets::get("definition") {
            lists.extend(self.view.page(id, definitions, None, DEFINITIONS_MAX).await?.rows);
        }
        let mut missing = Selections::new();
        for ((list, key), mut values) in rows.wanted_lists() {
            values.retain(|value| lists.get(list, *value).is_none());
            if values.is_empty() {
                continue;
            }
            lists.extend(self.followed(id, (list, key), &values).await?);
            values.retain(|value| lists.get(list, *value).is_none());
            if !values.is_empty() {
                missing.insert((list, key), values);
            }
        }
        if let Some(limit) = limit.filter(|limit| !missing.is_empty() && !limit.is_zero())
            && let Ok(fetched) = self.pms.fetch(practice, selectors(&missing), limit).await
        {
            // Without them the card shows no name there; the amounts stand.
            lists.extend(fetched.rows);
        }
        let mut preferences = Vec::new();
        if let Some(dataset) = live_datasets::get("preference") {
            preferences = self.view.get(id, dataset, &PREFERENCES.map(str::to_owned)).await?;
        }
        Ok(Lists::new(id, lists, &preferences))
    }
}

/// What was not asked for before.
fn beyond(wanted: Selections, asked: &mut Selections) -> Selections {
    let mut fresh = Selections::new();
    for (selection, mut values) in wanted {
        let before = asked.entry(selection).or_default();
        values.retain(|value| before.insert(*value));
        if !values.is_empty() {
            fresh.insert(selection, values);
        }
    }
    fresh
}

fn selectors(of: &Selections) -> Vec<Selector> {
    let cut = |((dataset, column), values): (&(&'static str, &'static str), &BTreeSet<i64>)| {
        let values: Vec<i64> = values.iter().copied().collect();
        let (dataset, column) = ((*dataset).to_owned(), (*column).to_owned());
        let selector =
            |values: &[i64]| Selector { dataset: dataset.clone(), column: column.clone(), values: values.to_vec() };
        values.chunks(VALUES_MAX).map(selector).collect::<Vec<_>>()
    };
    of.iter().flat_map(cut).collect()
}
