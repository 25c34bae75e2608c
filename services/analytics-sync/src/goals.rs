//! Goals and hours that people keep here, beside the PMS's: what they are and what they make of dates.
//!
//! Goals use scheduled hours, rates use actual ones (`features.md` §5). Scheduled minutes are those entered here, else
//! those that the PMS's schedule offers; for a provider whose hours are all kept by hand, a date without an entry has none.
//! Actual minutes are those entered, else the scheduled ones.

use std::collections::BTreeMap;

use chairsync_proto::{
    analytics::{ProviderGoal, ProviderHours},
    google_type,
    state::SavedThing,
};
use jiff::civil::Date;
use mesh::{
    Refusal, calendar,
    money::{Money, PARTS, divide_half_away},
};
use prost::Message;

use crate::hours::Offered;

pub mod providers;

/// The id under which the practice's own goal is kept.
pub const PRACTICE_GOAL: &str = "practice";
/// The most dates that hours of a provider are kept for: ten years.
pub const DATES_MAX: usize = 3_653;

/// An amount that holds from a date on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    /// The amount.
    pub amount: Money,
    /// From when on; always where it is not said.
    pub from: Option<Date>,
}

impl Dated {
    fn on(&self, date: Date) -> Option<Money> {
        self.from.is_none_or(|from| from <= date).then_some(self.amount)
    }
}

/// A provider's hours as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoursBook {
    /// Whether a date without an entry has no hours.
    pub kept_by_hand: bool,
    /// What was entered.
    pub dates: BTreeMap<Date, Entry>,
}

/// What was entered for a date, in minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry {
    /// Scheduled ones.
    pub scheduled: Option<i32>,
    /// Actual ones.
    pub actual: Option<i32>,
}

/// Hours as they are stored.
#[derive(Clone, PartialEq, Message)]
struct HoursDocument {
    #[prost(bool, tag = "1")]
    kept_by_hand: bool,
    #[prost(message, repeated, tag = "2")]
    hours: Vec<ProviderHours>,
}

/// What people keep of a practice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The practice's own goal of a month.
    pub monthly: Option<Dated>,
    /// Hourly goals by provider.
    pub hourly: BTreeMap<i64, Dated>,
    /// Hours by provider.
    pub hours: BTreeMap<i64, HoursBook>,
    /// Which edits these are: what is computed with other ones is not the same.
    pub edition: String,
}

/// The id under which a provider's goal is kept.
pub fn goal_id(provider: i64) -> String {
    format!("provider-{provider}")
}

/// The id under which a provider's hours are kept.
pub fn hours_id(provider: i64) -> String {
    provider.to_string()
}

fn damaged() -> Refusal {
    Refusal::internal("a kept goal or a provider's kept hours could not be read")
}

/// A goal as it is kept: what is set here of it.
///
/// # Errors
/// When it cannot be read.
pub fn goal_of(thing: &SavedThing) -> Result<ProviderGoal, Refusal> {
    ProviderGoal::decode(thing.body.clone()).map_err(|_| damaged())
}

/// The bytes that are kept of a goal.
pub fn goal_body(goal: &ProviderGoal) -> Vec<u8> {
    let kept = ProviderGoal {
        hourly_goal: goal.hourly_goal.clone(),
        monthly_goal: goal.monthly_goal.clone(),
        effective_date: goal.effective_date,
        ..Default::default()
    };
    kept.encode_to_vec()
}

impl HoursBook {
    /// As they are kept.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of(thing: &SavedThing) -> Result<Self, Refusal> {
        let document = HoursDocument::decode(thing.body.clone()).map_err(|_| damaged())?;
        let mut dates = BTreeMap::new();
        for hours in document.hours {
            let date = hours.date.as_ref().ok_or_else(damaged)?;
            let date = calendar::date_from_proto("date", date).map_err(|_| damaged())?;
            dates.insert(date, Entry { scheduled: hours.scheduled_minutes, actual: hours.actual_minutes });
        }
        Ok(Self { kept_by_hand: document.kept_by_hand, dates })
    }

    /// The bytes that are kept of them.
    pub fn body(&self) -> Vec<u8> {
        let hours = self.dates.iter().map(|(date, entry)| ProviderHours {
            date: Some(calendar::date_to_proto(*date)),
            scheduled_minutes: entry.scheduled,
            actual_minutes: entry.actual,
            entered: false,
        });
        HoursDocument { kept_by_hand: self.kept_by_hand, hours: hours.collect() }.encode_to_vec()
    }

    /// Scheduled minutes of a date on which the PMS's schedule offers so many; none for a blank date of hours that are kept
    /// by hand.
    pub fn scheduled(&self, date: Date, offered: i64) -> Option<i64> {
        match self.dates.get(&date).and_then(|entry| entry.scheduled) {
            Some(entered) => Some(entered.into()),
            None if self.kept_by_hand => None,
            None => Some(offered),
        }
    }

    /// Actual minutes of a date.
    pub fn actual(&self, date: Date, offered: i64) -> Option<i64> {
        let entered = self.dates.get(&date).and_then(|entry| entry.actual).map(i64::from);
        entered.or_else(|| self.scheduled(date, offered))
    }
}

/// Minutes of a provider over a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minutes {
    /// Scheduled ones.
    pub scheduled: i64,
    /// Actual ones.
    pub actual: i64,
}

impl Kept {
    /// What is kept, as sync-state has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(goals: &[SavedThing], hours: &[SavedThing]) -> Result<Self, Refusal> {
        let mut kept = Self::default();
        for thing in goals {
            let goal = goal_of(thing)?;
            let from = goal.effective_date.as_ref().map(|date| calendar::date_from_proto("effective_date", date));
            let from = from.transpose().map_err(|_| damaged())?;
            let dated = |amount: Option<google_type::Money>| -> Result<Option<Dated>, Refusal> {
                let amount = amount.map(|amount| amount_of("amount", &amount)).transpose().map_err(|_| damaged())?;
                Ok(amount.map(|amount| Dated { amount, from }))
            };
            match thing.id.strip_prefix("provider-").and_then(|number| number.parse().ok()) {
                Some(provider) => {
                    if let Some(goal) = dated(goal.hourly_goal)? {
                        kept.hourly.insert(provider, goal);
                    }
                }
                None => kept.monthly = dated(goal.monthly_goal)?,
            }
        }
        for thing in hours {
            if let Ok(provider) = thing.id.parse() {
                kept.hours.insert(provider, HoursBook::of(thing)?);
            }
        }
        for (kind, things) in [("goals", goals), ("hours", hours)] {
            things.iter().for_each(|thing| kept.edition.push_str(&format!("{kind}/{}@{}\n", thing.id, thing.etag)));
        }
        Ok(kept)
    }

    /// A provider's hourly goal on a date: the one set here, else the PMS's. None where that is 0.
    pub fn hourly(&self, provider: i64, date: Date, pms: Money) -> Option<Money> {
        let set = self.hourly.get(&provider).and_then(|goal| goal.on(date));
        Some(set.unwrap_or(pms)).filter(|goal| goal.0 != 0)
    }

    /// A provider's minutes of dates, given what the PMS's schedule offers on each.
    pub fn minutes(&self, provider: i64, offered: impl IntoIterator<Item = (Date, i64)>) -> Minutes {
        let blank = HoursBook::default();
        let book = self.hours.get(&provider).unwrap_or(&blank);
        offered.into_iter().fold(Minutes::default(), |sum, (date, offered)| Minutes {
            scheduled: sum.scheduled + book.scheduled(date, offered).unwrap_or_default(),
            actual: sum.actual + book.actual(date, offered).unwrap_or_default(),
        })
    }

    /// A provider's goal of dates: Σ scheduled hours × the hourly goal; none where no date has both.
    pub fn goal(&self, provider: i64, pms: Money, offered: impl IntoIterator<Item = (Date, i64)>) -> Option<Sixtieths> {
        let blank = HoursBook::default();
        let book = self.hours.get(&provider).unwrap_or(&blank);
        let of_date =
            |(date, offered)| Some(i128::from(book.scheduled(date, offered)?) * self.hourly(provider, date, pms)?.0);
        offered.into_iter().filter_map(of_date).reduce(|a, b| a + b).map(Sixtieths)
    }

    /// The practice's goal of a range: its own where one is set, else the sum of the providers' (number and the PMS's hourly
    /// goal). A month's own goal falls to its dates by their share of the month's scheduled minutes, or evenly in a month
    /// without any; `offered` covers whole months.
    pub fn practice_goal(
        &self,
        offered: &Offered,
        providers: impl IntoIterator<Item = (i64, Money)>,
        from: Date,
        to: Date,
    ) -> Option<Money> {
        let mut sum: Option<i128> = None;
        let mut add = |part: Sixtieths| sum = Some(sum.unwrap_or_default() + part.0);
        for (provider, pms) in providers {
            let summed = dates(from, to).filter(|date| self.monthly_on(*date).is_none());
            let of_provider = summed.map(|date| (date, minutes_on(offered, provider, date)));
            if let Some(goal) = self.goal(provider, pms, of_provider) {
                add(goal);
            }
        }
        let mut month = from.first_of_month();
        while month <= to {
            let last = month.last_of_month();
            let own = |date: &Date| self.monthly_on(*date).is_some();
            let within: Vec<Date> = dates(month.max(from), last.min(to)).filter(own).collect();
            if let Some(goal) = within.first().and_then(|date| self.monthly_on(*date)) {
                let all: i128 = dates(month, last).map(|date| self.scheduled_of_all(offered, date)).sum();
                let (part, whole) = match all {
                    0 => (within.len() as i128, i128::from(month.days_in_month())),
                    _ => (within.iter().map(|date| self.scheduled_of_all(offered, *date)).sum(), all),
                };
                // Exact to a sixtieth of 1/10,000.
                add(Sixtieths(divide_half_away(goal.0 * 60 * part, whole)));
            }
            match last.tomorrow() {
                Ok(next) => month = next,
                Err(_) => break,
            }
        }
        sum.map(|sum| Sixtieths(sum).money())
    }

    fn monthly_on(&self, date: Date) -> Option<Money> {
        self.monthly.as_ref().and_then(|goal| goal.on(date))
    }

    fn scheduled_of_all(&self, offered: &Offered, date: Date) -> i128 {
        let on_date = offered.get(&date);
        let others = self.hours.keys().filter(|provider| on_date.is_none_or(|all| !all.contains_key(provider)));
        let offered = on_date.into_iter().flatten().map(|(provider, minutes)| (*provider, *minutes));
        let all = offered.chain(others.map(|provider| (*provider, 0)));
        all.map(|(provider, offered)| i128::from(self.minutes(provider, [(date, offered)]).scheduled)).sum()
    }
}

/// What the PMS's schedule offers of a provider on a date, in minutes.
pub fn minutes_on(offered: &Offered, provider: i64, date: Date) -> i64 {
    offered.get(&date).and_then(|all| all.get(&provider)).copied().unwrap_or_default()
}

/// Minutes × an hourly amount: sixtieths of 1/10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sixtieths(pub i128);

impl std::ops::Add for Sixtieths {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sixtieths {
    /// As money, rounded once, to the cent.
    pub fn money(self) -> Money {
        Money::cents(divide_half_away(self.0, 60 * 100))
    }
}

/// The dates of a closed range.
pub fn dates(from: Date, to: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(from), |date| date.tomorrow().ok()).take_while(move |date| *date <= to)
}

/// An amount from the wire, of at most four places and not below zero.
///
/// # Errors
/// `INVALID_FIELD` on `field`.
pub fn amount_of(field: &str, amount: &google_type::Money) -> Result<Money, Refusal> {
    const UNITS_MAX: i64 = 1_000_000_000;
    const NANOS_OF_PART: i32 = 100_000;
    if !(0..=UNITS_MAX).contains(&amount.units) || !(0..1_000_000_000).contains(&amount.nanos) {
        return Err(Refusal::invalid(field, "must be an amount of 0 to 1,000,000,000"));
    }
    if amount.nanos % NANOS_OF_PART != 0 {
        return Err(Refusal::invalid(field, "must have at most four places"));
    }
    Ok(Money(i128::from(amount.units) * PARTS + i128::from(amount.nanos / NANOS_OF_PART)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::date;
    use serde_json::json;

    use super::*;
    use crate::{hours::PracticeHours, testing::Practice};

    fn kept(provider: i64, book: HoursBook) -> Kept {
        Kept { hours: BTreeMap::from([(provider, book)]), ..Kept::default() }
    }

    fn entry(scheduled: Option<i32>, actual: Option<i32>) -> Entry {
        Entry { scheduled, actual }
    }

    const MONDAY: Date = date(2026, 3, 30);
    const TUESDAY: Date = date(2026, 3, 31);

    #[test]
    fn entered_hours_win_and_a_blank_day_by_hand_has_none() {
        let dates = BTreeMap::from([(MONDAY, entry(Some(300), None)), (TUESDAY, entry(None, Some(500)))]);
        let offered = || [(MONDAY, 480), (TUESDAY, 480), (date(2026, 4, 1), 480)];
        let beside = kept(1, HoursBook { kept_by_hand: false, dates: dates.clone() });
        assert_eq!(beside.minutes(1, offered()), Minutes { scheduled: 300 + 480 + 480, actual: 300 + 500 + 480 });
        let by_hand = kept(1, HoursBook { kept_by_hand: true, dates });
        assert_eq!(by_hand.minutes(1, offered()), Minutes { scheduled: 300, actual: 300 + 500 });
        assert_eq!(
            by_hand.minutes(2, offered()),
            Minutes { scheduled: 1_440, actual: 1_440 },
            "another's are the PMS's"
        );

        let hourly = Money::cents(60_000);
        assert_eq!(beside.goal(1, hourly, offered()).unwrap().money(), Money::cents(1_260_000));
        assert_eq!(by_hand.goal(1, hourly, offered()).unwrap().money(), Money::cents(300_000));
        assert_eq!(by_hand.goal(1, hourly, [(TUESDAY, 480)]), None, "a blank day has no goal");
        assert_eq!(by_hand.goal(1, Money(0), offered()), None);
    }

    #[test]
    fn a_goal_holds_from_its_date_on() {
        let goal = |amount, from| Dated { amount: Money::cents(amount), from };
        let set = Kept { hourly: BTreeMap::from([(1, goal(30_000, Some(TUESDAY)))]), ..Kept::default() };
        let pms = Money::cents(20_000);
        let offered = [(MONDAY, 60), (TUESDAY, 120)];
        assert_eq!(set.goal(1, pms, offered).unwrap().money(), Money::cents(20_000 + 60_000));
        assert_eq!(set.goal(1, Money(0), offered).unwrap().money(), Money::cents(60_000));
        let none = Kept { hourly: BTreeMap::from([(1, goal(0, None))]), ..Kept::default() };
        assert_eq!(none.goal(1, pms, offered), None, "a goal of 0 set here is none, whatever the PMS says");
    }

    #[tokio::test]
    async fn the_practices_own_goal_falls_to_its_hours() {
        let hours = |number: i64, day: &str, provider: i64, until: &str| {
            json!({"schedule_num": number, "sched_date": day, "start_time": "08:00", "stop_time": until, "sched_type": 1,
                "prov_num": provider})
        };
        let practice = Practice::new()
            .all("provider", [json!({"prov_num": 1, "hourly_prod_goal_amt": "100"}), json!({"prov_num": 2})])
            .all(
                "schedule",
                [
                    hours(1, "2026-03-30", 1, "12:00"),
                    hours(2, "2026-03-31", 1, "16:00"),
                    hours(3, "2026-03-31", 2, "12:00"),
                    hours(4, "2026-04-01", 1, "12:00"),
                ],
            );
        let hours = PracticeHours::read(&practice.books().await, date(2026, 3, 1)).await.unwrap();
        let offered = hours.offered(date(2026, 3, 1), date(2026, 5, 31));
        let goal =
            |kept: &Kept, from, to| kept.practice_goal(&offered, [(1, Money::cents(10_000)), (2, Money(0))], from, to);
        assert_eq!(goal(&Kept::default(), MONDAY, date(2026, 4, 1)), Some(Money::cents(160_000)));
        let own = |from| Kept { monthly: Some(Dated { amount: Money::cents(1_600_000), from }), ..Kept::default() };
        // March has 16 scheduled hours, 4 and 12; April has 4.
        assert_eq!(goal(&own(None), MONDAY, MONDAY), Some(Money::cents(400_000)));
        assert_eq!(goal(&own(None), MONDAY, date(2026, 4, 1)), Some(Money::cents(3_200_000)));
        assert_eq!(goal(&own(None), date(2026, 5, 1), date(2026, 5, 10)), Some(Money::cents(516_129)));
        let from_tuesday = own(Some(TUESDAY));
        assert_eq!(goal(&from_tuesday, MONDAY, TUESDAY), Some(Money::cents(40_000 + 1_200_000)));
        assert_eq!(goal(&Kept::default(), date(2026, 5, 1), date(2026, 5, 2)), Some(Money(0)));
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let book = HoursBook {
            kept_by_hand: true,
            dates: BTreeMap::from([(MONDAY, entry(Some(0), None)), (TUESDAY, entry(None, Some(1_440)))]),
        };
        let thing = |id: &str, body: Vec<u8>| SavedThing {
            id: id.to_owned(),
            body: body.into(),
            etag: "7".to_owned(),
            ..Default::default()
        };
        let usd = |units, nanos| google_type::Money { currency_code: "USD".to_owned(), units, nanos };
        let hourly = ProviderGoal {
            hourly_goal: Some(usd(350, 250_000_000)),
            effective_date: Some(calendar::date_to_proto(MONDAY)),
            etag: "old".to_owned(),
            ..Default::default()
        };
        let own = ProviderGoal { monthly_goal: Some(usd(90_000, 0)), ..Default::default() };
        let gone = ProviderGoal::default();
        let goals = [
            thing(&goal_id(3), goal_body(&hourly)),
            thing(&goal_id(4), goal_body(&gone)),
            thing(PRACTICE_GOAL, goal_body(&own)),
        ];
        let kept = Kept::of(&goals, &[thing(&hours_id(5), book.body())]).unwrap();
        assert_eq!(kept.hourly, BTreeMap::from([(3, Dated { amount: Money::cents(35_025), from: Some(MONDAY) })]));
        assert_eq!(kept.monthly, Some(Dated { amount: Money::cents(9_000_000), from: None }));
        assert_eq!(kept.hours, BTreeMap::from([(5, book)]));
        assert!(Kept::of(&[thing("practice", vec![255])], &[]).is_err());
    }

    /// Ten years of entries fit into what may be kept.
    #[test]
    fn a_long_book_fits() {
        let dates = dates(date(2026, 1, 1), date(2036, 12, 31)).take(DATES_MAX);
        let dates = dates.map(|date| (date, entry(Some(1_440), Some(1_440)))).collect();
        assert!(HoursBook { kept_by_hand: true, dates }.body().len() <= 64 << 10);
    }

    #[test]
    fn amounts_are_read_or_refused_by_field() {
        let amount = |units, nanos| {
            amount_of("goal.hourly_goal", &google_type::Money { currency_code: String::new(), units, nanos })
        };
        assert_eq!(amount(12, 345_600_000).unwrap(), Money(123_456));
        for (units, nanos) in [(-1, 0), (0, -1), (1, 1), (1, 50_000), (1_000_000_001, 0), (i64::MIN, i32::MAX)] {
            assert_eq!(amount(units, nanos).unwrap_err().field.unwrap().0, "goal.hourly_goal");
        }
    }
}
