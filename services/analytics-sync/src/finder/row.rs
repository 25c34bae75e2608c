//! One patient as the finder keeps one, in as few bytes as it takes: a practice's whole table stays in memory.

use std::{collections::HashMap, fmt, sync::Arc};

use jiff::civil::{Date, DateTime};

/// A text that many patients share, e.g. a billing type. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct Word(Arc<Spelled>);

#[derive(PartialEq, Eq)]
struct Spelled {
    shown: Box<str>,
    folded: Box<str>,
}

/// Patient data: redacted.
impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Word { redacted }")
    }
}

impl Word {
    fn new(text: &str) -> Self {
        Self(Arc::new(Spelled { shown: text.into(), folded: fold(text).into() }))
    }

    /// As the PMS has it.
    pub fn shown(&self) -> &str {
        &self.0.shown
    }

    /// In lower case, to compare by.
    pub fn folded(&self) -> &str {
        &self.0.folded
    }
}

/// A text in the case in which texts are compared.
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// Hands out each text once.
#[derive(Debug, Default)]
pub struct Words {
    known: HashMap<Box<str>, Word>,
    bytes: usize,
}

impl Words {
    /// The word for a text; none for an empty one.
    pub fn word(&mut self, text: &str) -> Option<Word> {
        if text.is_empty() {
            return None;
        }
        if let Some(word) = self.known.get(text) {
            return Some(word.clone());
        }
        let word = Word::new(text);
        self.bytes += 2 * text.len() + size_of::<Spelled>();
        self.known.insert(text.into(), word.clone());
        Some(word)
    }

    /// The memory that the words take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A provider or location: its number in the PMS and what it is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The PMS's number.
    pub number: i64,
    /// The abbreviation.
    pub abbr: Option<Word>,
}

/// Money in whole cents, as it is shown.
pub type Cents = i64;

/// One patient. What is `None` or empty has no value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// The PMS's number.
    pub number: i64,
    /// The number of the guarantor: the family.
    pub family: i64,
    /// The guarantor's display name.
    pub guarantor: Option<Word>,
    /// "Last, First" or "Last, Preferred".
    pub display_name: Box<str>,
    /// The same to compare by.
    pub folded_name: Box<str>,
    /// Last, first and preferred name to search in, with a space between words.
    pub name_words: Box<str>,
    /// The birthdate.
    pub birthdate: Option<Date>,
    /// The mobile number.
    pub mobile_phone: Box<str>,
    /// The home number.
    pub home_phone: Box<str>,
    /// The e-mail address.
    pub email: Box<str>,
    /// The same to compare by.
    pub folded_email: Box<str>,
    /// The PMS's status: 0 patient, 1 non-patient, 2 inactive, 3 archived, 5 deceased, 6 prospective.
    pub status: i32,
    /// The PMS's gender: 0 male, 1 female, 2 unknown, 3 other.
    pub gender: i32,
    /// The language.
    pub language: Option<Word>,
    /// The postal code.
    pub zip: Option<Word>,
    /// The location.
    pub clinic: Option<Place>,
    /// The primary provider.
    pub primary_provider: Option<Place>,
    /// The secondary provider.
    pub secondary_provider: Option<Place>,
    /// The billing type.
    pub billing_type: Option<Word>,
    /// Who referred the patient here.
    pub referral: Option<Word>,
    /// The PMS's consent to texts: 0 unknown, 1 yes, 2 no.
    pub text_consent: i32,
    /// Needs premedication.
    pub premedication: bool,
    /// The first visit.
    pub first_visit: Option<Date>,
    /// The last visit.
    pub last_visit: Option<Date>,
    /// The last hygiene visit.
    pub last_hygiene_visit: Option<Date>,
    /// The next live appointment.
    pub next_appointment: Option<DateTime>,
    /// The next live hygiene appointment.
    pub next_hygiene_appointment: Option<DateTime>,
    /// The next appointment is not confirmed.
    pub unconfirmed: Option<bool>,
    /// The days of broken appointments, over the longest time that can be asked for, in order.
    pub broken: Box<[Date]>,
    /// On the unscheduled list.
    pub unscheduled_list: bool,
    /// Another member of the family has no future appointment.
    pub family_unscheduled: bool,
    /// The first recall's due date.
    pub recall_due: Option<Date>,
    /// The types of the recalls, the first due one first.
    pub recall_types: Box<[Word]>,
    /// A recall is due and has no appointment.
    pub recall_not_scheduled: bool,
    /// The family's balance.
    pub family_balance: Option<Cents>,
    /// What of it is older than 30 days.
    pub past_due: Option<Cents>,
    /// The oldest bucket with something in it, 0 to 3.
    pub oldest_bucket: Option<usize>,
    /// The family's credit, above zero.
    pub credit: Option<Cents>,
    /// The family's last payment.
    pub last_payment: Option<Date>,
    /// Planned work without a live appointment.
    pub unscheduled_treatment: Option<Cents>,
    /// Its codes, in order.
    pub treatment_codes: Box<[Word]>,
    /// Its priorities, in the practice's order.
    pub treatment_priorities: Box<[Word]>,
    /// When treatment was last presented.
    pub treatment_presented: Option<Date>,
    /// When treatment was last done.
    pub treatment_done: Option<Date>,
    /// All codes ever done, in order.
    pub done_codes: Box<[Word]>,
    /// A form waits to be filled.
    pub form_outstanding: bool,
    /// A message is unread.
    pub unread_message: bool,
    /// The carriers of the insurances in force, the primary one's first.
    pub carriers: Box<[Word]>,
    /// Names and numbers of the groups of the insurances in force.
    pub groups: Box<[Word]>,
    /// An insurance is in force.
    pub has_insurance: bool,
    /// The primary insurance's carrier.
    pub carrier: Option<Word>,
    /// The primary insurance's group: its name, else its number.
    pub insurance_group: Option<Word>,
    /// Used of the primary insurance in its benefit year.
    pub insurance_used: Option<Cents>,
}

/// Patient data: redacted.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row { redacted }")
    }
}

/// The names of the statuses, by the PMS's number; a number that is not known is a non-patient's, who is in no list by
/// default.
pub fn status_name(status: i32) -> &'static str {
    match status {
        0 => "patient",
        2 => "inactive",
        3 => "archived",
        5 => "deceased",
        6 => "prospective",
        _ => "non_patient",
    }
}

/// The names of the genders; none for unknown.
pub fn gender_name(gender: i32) -> Option<&'static str> {
    match gender {
        0 => Some("male"),
        1 => Some("female"),
        3 => Some("other"),
        _ => None,
    }
}

/// The names of the consents to texts.
pub fn consent_name(consent: i32) -> &'static str {
    match consent {
        1 => "yes",
        2 => "no",
        _ => "unknown",
    }
}

/// The names of the buckets of age.
pub const BUCKETS: [&str; 4] = ["0-30", "31-60", "61-90", "over-90"];

impl Row {
    /// The age in whole years on a date.
    pub fn age(&self, on: Date) -> Option<i32> {
        let born = self.birthdate?;
        let before = (on.month(), on.day()) < (born.month(), born.day());
        Some(i32::from(on.year()) - i32::from(born.year()) - i32::from(before))
    }

    /// The next birthday, on the date itself at the earliest. Of those born on 29 February it is the 28th in years without
    /// that day.
    pub fn next_birthday(&self, on: Date) -> Option<Date> {
        let born = self.birthdate?;
        let in_year = |year: i16| {
            Date::new(year, born.month(), born.day()).or_else(|_| Date::new(year, born.month(), born.day() - 1)).ok()
        };
        in_year(on.year()).filter(|day| *day >= on).or_else(|| in_year(on.year().checked_add(1)?))
    }

    /// Active: of status patient, with a visit in the 18 months up to a date.
    pub fn active(&self, on: Date) -> bool {
        use jiff::ToSpan as _;
        self.status == 0 && self.last_visit.is_some_and(|visit| visit >= on.saturating_sub(18.months()))
    }

    /// Broken appointments since a date.
    pub fn broken_since(&self, from: Date) -> i32 {
        let older = self.broken.partition_point(|day| *day < from);
        i32::try_from(self.broken.len() - older).unwrap_or(i32::MAX)
    }

    /// The days since the first recall was due; below zero: it is not yet.
    pub fn days_overdue(&self, on: Date) -> Option<i32> {
        Some(mesh::calendar::to_days(on) - mesh::calendar::to_days(self.recall_due?))
    }

    /// The memory that the row takes, without what it shares.
    pub fn bytes(&self) -> usize {
        let texts = [
            &self.display_name,
            &self.folded_name,
            &self.name_words,
            &self.mobile_phone,
            &self.home_phone,
            &self.email,
            &self.folded_email,
        ];
        let lists = [
            &self.recall_types,
            &self.treatment_codes,
            &self.treatment_priorities,
            &self.done_codes,
            &self.carriers,
            &self.groups,
        ];
        size_of::<Self>()
            + texts.iter().map(|text| text.len()).sum::<usize>()
            + lists.iter().map(|list| list.len() * size_of::<Word>()).sum::<usize>()
            + self.broken.len() * size_of::<Date>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::date;

    use super::*;

    fn born(on: Date) -> Row {
        Row { birthdate: Some(on), ..Row::default() }
    }

    #[test]
    fn ages_and_birthdays_are_of_the_calendar() {
        let row = born(date(1980, 3, 31));
        assert_eq!((row.age(date(2026, 3, 30)), row.age(date(2026, 3, 31))), (Some(45), Some(46)));
        assert_eq!(row.next_birthday(date(2026, 3, 31)), Some(date(2026, 3, 31)));
        assert_eq!(row.next_birthday(date(2026, 4, 1)), Some(date(2027, 3, 31)));
        let leap = born(date(2000, 2, 29));
        assert_eq!(leap.next_birthday(date(2026, 1, 1)), Some(date(2026, 2, 28)));
        assert_eq!(leap.next_birthday(date(2027, 3, 1)), Some(date(2028, 2, 29)));
        assert_eq!(
            (Row::default().age(date(2026, 1, 1)), Row::default().next_birthday(date(2026, 1, 1))),
            (None, None)
        );
    }

    #[test]
    fn active_needs_the_status_and_a_visit_of_18_months() {
        let on = date(2026, 8, 31);
        let row = |status, visit| Row { status, last_visit: Some(visit), ..Row::default() };
        assert!(row(0, date(2025, 2, 28)).active(on), "February has no 31st: its last day counts");
        assert!(!row(0, date(2025, 2, 27)).active(on));
        assert!(!row(2, date(2026, 8, 1)).active(on));
        assert!(!Row::default().active(on));
    }

    #[test]
    fn words_are_shared() {
        let mut words = Words::default();
        let (a, b) = (words.word("Standard").unwrap(), words.word("Standard").unwrap());
        assert!(Arc::ptr_eq(&a.0, &b.0));
        assert_eq!((a.shown(), a.folded()), ("Standard", "standard"));
        assert_eq!(words.word(""), None);
    }
}
