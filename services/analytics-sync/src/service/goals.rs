//! Provider goals and provider hours: listed as they are in force, changed here and never in the PMS.

use std::{collections::BTreeSet, time::Duration};

use chairsync_proto::{
    analytics::{
        ListProviderGoalsRequest, ListProviderGoalsResponse, ListProviderHoursRequest, ListProviderHoursResponse,
        ProviderGoal, ProviderHours, UpdateProviderGoalRequest, UpdateProviderGoalResponse, UpdateProviderHoursRequest,
        UpdateProviderHoursResponse,
    },
    feature::Feature,
    google_type,
    state::{SavedKind, SavedThing},
};
use jiff::civil::Date;
use mesh::{ErrorReason, Refusal, calendar, error::reason_of, names};
use tonic::{Code, Status};

use super::{Analytics, refusal, snapshot::Snapshot};
use crate::{
    goals::{
        self, DATES_MAX, Entry, HoursBook, PRACTICE_GOAL, goal_body, goal_id, goal_of, hours_id,
        providers::{self, Provider},
    },
    hours::PracticeHours,
    metrics::range,
    refs,
    saved::NOTHING,
};

/// Dates that may be listed or entered at once.
const DATES_AT_ONCE: usize = 366;
const DAY_MINUTES: i32 = 1_440;
/// Tries at an edit that says no etag, while others edit too.
const EDIT_TRIES: u32 = 5;
/// When to try again while the providers are not synced yet.
const SYNC_RETRY: Duration = Duration::from_secs(60);

/// Whose goal a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Practice,
    Provider(i64),
}

impl Whose {
    fn id(self) -> String {
        match self {
            Self::Practice => PRACTICE_GOAL.to_owned(),
            Self::Provider(number) => goal_id(number),
        }
    }
}

impl Analytics {
    pub(super) async fn provider_goals(
        &self,
        request: ListProviderGoalsRequest,
    ) -> Result<ListProviderGoalsResponse, Status> {
        let practice = names::practice("practice", &request.practice)?;
        let snapshot = self.snapshot(practice, Feature::ProviderPulse).await?;
        let kept = self.saved.all(practice, SavedKind::Goal).await?;
        let providers = match snapshot.present.contains("provider") {
            true => self.providers(&snapshot).await?,
            false => Vec::new(),
        };
        let found = |whose: Whose| kept.iter().find(|thing| thing.id == whose.id());
        let mut goals = vec![shown(practice, &snapshot.currency, None, found(Whose::Practice))?];
        for provider in &providers {
            let thing = found(Whose::Provider(provider.number));
            goals.push(shown(practice, &snapshot.currency, Some(provider), thing)?);
        }
        Ok(ListProviderGoalsResponse { goals, freshness: Some(snapshot.freshness) })
    }

    pub(super) async fn provider_goal_updated(
        &self,
        request: UpdateProviderGoalRequest,
    ) -> Result<UpdateProviderGoalResponse, Status> {
        let (practice, whose) = whose_goal(&request.name)?;
        let mask = request.update_mask.unwrap_or_default().paths;
        if mask.is_empty() {
            return Err(Refusal::invalid("update_mask", "is missing: name the fields to change").into());
        }
        let snapshot = self.snapshot(practice, Feature::ProviderPulse).await?;
        let provider = match whose {
            Whose::Practice => None,
            Whose::Provider(number) => Some(self.known_provider(&snapshot, number).await?),
        };
        let new = request.goal.unwrap_or_default();
        let edit = |old: Option<&SavedThing>| {
            let old = old.map(goal_of).transpose()?.unwrap_or_default();
            Ok(goal_body(&merge(old, &new, &mask, whose, &snapshot.currency)?))
        };
        let thing = self.keep(practice, SavedKind::Goal, &whose.id(), &request.etag, edit).await?;
        let goal = shown(practice, &snapshot.currency, provider.as_ref(), Some(&thing))?;
        Ok(UpdateProviderGoalResponse { goal: Some(goal), freshness: Some(snapshot.freshness) })
    }

    pub(super) async fn provider_hours(
        &self,
        request: ListProviderHoursRequest,
    ) -> Result<ListProviderHoursResponse, Status> {
        let (practice, number) = provider_name(&request.name)?;
        let Some(asked) = &request.range else { return Err(Refusal::invalid("range", "is missing").into()) };
        let never = (Date::MIN, Date::MIN); // a range that is there is read, not defaulted
        let (from, to) = range::read("range", Some(asked), never)?;
        if goals::dates(from, to).take(DATES_AT_ONCE + 1).count() > DATES_AT_ONCE {
            return Err(Refusal::invalid("range", "is longer than 366 dates; ask for shorter ones in turn").into());
        }
        let snapshot = self.snapshot(practice, Feature::ProviderPulse).await?;
        self.known_provider(&snapshot, number).await?;
        let thing = self.saved.get(practice, SavedKind::Hours, &hours_id(number)).await?;
        let book = thing.as_ref().map(HoursBook::of).transpose()?.unwrap_or_default();
        let books = self.books(&snapshot).await.map_err(refusal)?;
        let hours = PracticeHours::read(&books, from).await.map_err(refusal)?;
        let offered = hours.offered(from, to);
        let day = |date: Date| {
            let offered = goals::minutes_on(&offered, number, date);
            let minutes = |minutes: i64| i32::try_from(minutes).unwrap_or(DAY_MINUTES);
            ProviderHours {
                date: Some(calendar::date_to_proto(date)),
                scheduled_minutes: book.scheduled(date, offered).map(minutes),
                actual_minutes: book.actual(date, offered).map(minutes),
                entered: book.dates.get(&date).is_some_and(|entry| entry.scheduled.is_some()),
            }
        };
        Ok(ListProviderHoursResponse {
            hours: goals::dates(from, to).map(day).collect(),
            kept_by_hand: book.kept_by_hand,
            freshness: Some(snapshot.freshness),
            etag: thing.map_or_else(|| NOTHING.to_owned(), |thing| thing.etag),
        })
    }

    pub(super) async fn provider_hours_updated(
        &self,
        request: UpdateProviderHoursRequest,
    ) -> Result<UpdateProviderHoursResponse, Status> {
        let (practice, number) = provider_name(&request.name)?;
        let entries = entries(&request.hours)?;
        if entries.is_empty() && request.kept_by_hand.is_none() {
            return Err(Refusal::invalid("hours", "is missing: enter a date, or set kept_by_hand").into());
        }
        let snapshot = self.snapshot(practice, Feature::ProviderPulse).await?;
        self.known_provider(&snapshot, number).await?;
        let edit = |old: Option<&SavedThing>| {
            let mut book = old.map(HoursBook::of).transpose()?.unwrap_or_default();
            book.kept_by_hand = request.kept_by_hand.unwrap_or(book.kept_by_hand);
            for (date, entry) in &entries {
                match *entry == Entry::default() {
                    true => drop(book.dates.remove(date)),
                    false => drop(book.dates.insert(*date, *entry)),
                }
            }
            if book.dates.len() > DATES_MAX {
                let fault = "would be entries for more than ten years of dates; take old ones away first";
                return Err(Refusal::invalid("hours", fault));
            }
            Ok(book.body())
        };
        let thing = self.keep(practice, SavedKind::Hours, &hours_id(number), &request.etag, edit).await?;
        let book = HoursBook::of(&thing)?;
        let entered = |(date, _): &(Date, Entry)| {
            let entry = book.dates.get(date).copied().unwrap_or_default();
            ProviderHours {
                date: Some(calendar::date_to_proto(*date)),
                scheduled_minutes: entry.scheduled,
                actual_minutes: entry.actual,
                entered: entry.scheduled.is_some(),
            }
        };
        Ok(UpdateProviderHoursResponse {
            hours: entries.iter().map(entered).collect(),
            kept_by_hand: book.kept_by_hand,
            etag: thing.etag,
            freshness: Some(snapshot.freshness),
        })
    }

    /// Saves an edit of what is kept, over the one with `etag`; over whatever is there where that is empty.
    async fn keep(
        &self,
        practice: &str,
        kind: SavedKind,
        id: &str,
        etag: &str,
        edit: impl Fn(Option<&SavedThing>) -> Result<Vec<u8>, Refusal>,
    ) -> Result<SavedThing, Status> {
        let mut tries = 0;
        loop {
            tries += 1;
            let old = self.saved.get(practice, kind, id).await?;
            let current = old.as_ref().map_or(NOTHING, |thing| thing.etag.as_str());
            let read = if etag.is_empty() { current } else { etag };
            let body = edit(old.as_ref())?;
            match self.saved.put(practice, kind, id, read, body).await {
                Ok(thing) => {
                    self.note_saved(practice, &thing);
                    return Ok(thing);
                }
                Err(status)
                    if etag.is_empty()
                        && tries < EDIT_TRIES
                        && reason_of(&status) == Some(ErrorReason::EtagMismatch) => {}
                Err(status) => return Err(status),
            }
        }
    }

    async fn providers(&self, snapshot: &Snapshot) -> Result<Vec<Provider>, Status> {
        let books = self.books(snapshot).await.map_err(refusal)?;
        providers::read(&books).await.map_err(refusal)
    }

    /// A provider of the practice.
    async fn known_provider(&self, snapshot: &Snapshot, number: i64) -> Result<Provider, Status> {
        if !snapshot.present.contains("provider") {
            let sentence =
                "the practice's providers are not synced yet; try again when the initial sync has got so far";
            let refused = Refusal::new(Code::FailedPrecondition, ErrorReason::InitialSyncIncomplete, sentence);
            return Err(refused.retry_after(SYNC_RETRY).into());
        }
        let found = self.providers(snapshot).await?.into_iter().find(|provider| provider.number == number);
        let sentence = "the practice has no provider of this number; `ListProviderGoals` lists those that it has";
        Ok(found
            .ok_or_else(|| Refusal::new(Code::NotFound, ErrorReason::ResourceNotFound, sentence).on_field("name"))?)
    }
}

fn provider_name(name: &str) -> Result<(&str, i64), Refusal> {
    let (practice, id) = names::under("name", name, "providers")?;
    let number = id.parse::<i64>().ok().filter(|number| *number > 0);
    Ok((practice, number.ok_or_else(|| Refusal::invalid("name", "the id must be the PMS's number, above 0"))?))
}

fn whose_goal(name: &str) -> Result<(&str, Whose), Refusal> {
    let form = || {
        let fault = "must be practices/{practice}/providers/{ProvNum}/goal or practices/{practice}/goal";
        Refusal::invalid("name", fault)
    };
    let of = name.strip_suffix("/goal").ok_or_else(form)?;
    if let Ok(practice) = names::practice("name", of) {
        return Ok((practice, Whose::Practice));
    }
    let (practice, number) = provider_name(of).map_err(|_| form())?;
    Ok((practice, Whose::Provider(number)))
}

/// A goal as it is shown: what is kept of it, beside the PMS's.
fn shown(
    practice: &str,
    currency: &str,
    provider: Option<&Provider>,
    thing: Option<&SavedThing>,
) -> Result<ProviderGoal, Refusal> {
    let kept = thing.map(goal_of).transpose()?.unwrap_or_default();
    let name = match provider {
        Some(provider) => format!("practices/{practice}/providers/{}/goal", provider.number),
        None => format!("practices/{practice}/goal"),
    };
    let pms = provider.map(|provider| provider.hourly_goal).filter(|goal| goal.0 != 0);
    Ok(ProviderGoal {
        name,
        provider: provider.map(|provider| refs::provider(practice, provider.number, Some(&provider.abbr))),
        pms_hourly_goal: pms.map(|goal| goal.to_proto(currency)),
        etag: thing.map_or_else(|| NOTHING.to_owned(), |thing| thing.etag.clone()),
        ..kept
    })
}

/// `old` with the fields of the mask taken from `new`.
fn merge(
    mut old: ProviderGoal,
    new: &ProviderGoal,
    mask: &[String],
    whose: Whose,
    currency: &str,
) -> Result<ProviderGoal, Refusal> {
    for path in mask {
        match (path.as_str(), whose) {
            ("hourly_goal", Whose::Provider(_)) => {
                old.hourly_goal = amount("goal.hourly_goal", &new.hourly_goal, currency)?
            }
            ("monthly_goal", Whose::Practice) => {
                old.monthly_goal = amount("goal.monthly_goal", &new.monthly_goal, currency)?;
            }
            ("effective_date", _) => {
                let field = "goal.effective_date";
                new.effective_date.as_ref().map(|date| calendar::date_from_proto(field, date)).transpose()?;
                old.effective_date = new.effective_date;
            }
            ("hourly_goal", Whose::Practice) => {
                return Err(Refusal::invalid(
                    "update_mask",
                    "the practice's own goal is a monthly one: set monthly_goal",
                ));
            }
            ("monthly_goal", Whose::Provider(_)) => {
                return Err(Refusal::invalid("update_mask", "a provider's goal is an hourly one: set hourly_goal"));
            }
            _ => {
                let fault = "names a field that cannot be changed; see UpdateProviderGoalRequest for those that can";
                return Err(Refusal::invalid("update_mask", fault));
            }
        }
    }
    Ok(old)
}

/// An amount in the practice's currency; absent: none.
fn amount(
    field: &str,
    given: &Option<google_type::Money>,
    currency: &str,
) -> Result<Option<google_type::Money>, Refusal> {
    let Some(given) = given else { return Ok(None) };
    if !given.currency_code.is_empty() && given.currency_code != currency {
        return Err(Refusal::invalid(field, "must be in the practice's own currency"));
    }
    goals::amount_of(field, given)?;
    Ok(Some(google_type::Money { currency_code: currency.to_owned(), ..given.clone() }))
}

/// The dates that are entered, each once.
fn entries(hours: &[ProviderHours]) -> Result<Vec<(Date, Entry)>, Refusal> {
    if hours.len() > DATES_AT_ONCE {
        return Err(Refusal::invalid("hours", "must be at most 366 dates"));
    }
    let mut seen = BTreeSet::new();
    let mut entries = Vec::with_capacity(hours.len());
    for (place, hours) in hours.iter().enumerate() {
        let field = |part: &str| format!("hours[{place}].{part}");
        let date = hours.date.as_ref().ok_or_else(|| Refusal::invalid(field("date"), "is missing"))?;
        let date = calendar::date_from_proto(&field("date"), date)?;
        if !seen.insert(date) {
            return Err(Refusal::invalid(field("date"), "is there twice; leave it out once"));
        }
        let minutes = |part: &str, minutes: Option<i32>| match minutes {
            Some(minutes) if !(0..=DAY_MINUTES).contains(&minutes) => {
                Err(Refusal::invalid(field(part), "must be 0 to 1440 minutes"))
            }
            minutes => Ok(minutes),
        };
        let scheduled = minutes("scheduled_minutes", hours.scheduled_minutes)?;
        let actual = minutes("actual_minutes", hours.actual_minutes)?;
        entries.push((date, Entry { scheduled, actual }));
    }
    Ok(entries)
}
