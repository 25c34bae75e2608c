//! The columns that patients can be sorted by, and a row's key under one.
//!
//! Rows without a value come last in either direction; rows alike come by number, rising.

use std::{cmp::Ordering, fmt};

use jiff::Timestamp;
use mesh::{Refusal, calendar};

use super::{
    field::AsOf,
    page::beginning,
    row::{self, Row},
};

/// A column and a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub column: Column,
    /// Falling.
    pub falling: bool,
}

macro_rules! columns {
    ($($column:ident $name:literal),+ $(,)?) => {
        /// A column of `PatientRow` with one value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Column {
            $(#[doc = concat!("`", $name, "`")] $column),+
        }

        impl Column {
            /// All of them.
            pub const ALL: &[(&str, Column)] = &[$(($name, Column::$column)),+];
        }
    };
}

columns! {
    Name "name",
    DisplayName "display_name",
    Birthdate "birthdate",
    Guarantor "guarantor",
    MobilePhone "mobile_phone",
    HomePhone "home_phone",
    Email "email",
    Status "status",
    Active "active",
    Age "age",
    Gender "gender",
    Language "language",
    Zip "zip",
    Clinic "clinic",
    PrimaryProvider "primary_provider",
    SecondaryProvider "secondary_provider",
    BillingType "billing_type",
    Referral "referral",
    TextConsent "text_consent",
    Premedication "premedication",
    FirstVisit "first_visit",
    LastVisit "last_visit",
    LastHygieneVisit "last_hygiene_visit",
    NextAppointment "next_appointment",
    NextHygieneAppointment "next_hygiene_appointment",
    Unconfirmed "unconfirmed",
    BrokenCount "broken_count",
    UnscheduledList "unscheduled_list",
    FamilyUnscheduled "family_unscheduled",
    RecallDue "recall_due",
    RecallDaysOverdue "recall_days_overdue",
    RecallNotScheduled "recall_not_scheduled",
    FamilyBalance "family_balance",
    PastDue "past_due",
    OldestBucket "oldest_bucket",
    Credit "credit",
    LastPayment "last_payment",
    UnscheduledTreatment "unscheduled_treatment",
    TreatmentPresented "treatment_presented",
    TreatmentDone "treatment_done",
    FormOutstanding "form_outstanding",
    UnreadMessage "unread_message",
    HasInsurance "has_insurance",
    Carrier "carrier",
    InsuranceGroup "insurance_group",
    InsuranceUsed "insurance_used",
    InsuranceRemaining "insurance_remaining",
    SyncedAt "synced_at",
}

/// What rows are sorted by. The first bytes of a text stand beside it: most comparisons end there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key<'a> {
    /// A number, an amount, a date, a moment, yes or no.
    Number(i64),
    /// A text in lower case, after its first eight bytes.
    Text(u64, &'a str),
}

/// Patient data: redacted.
impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key { redacted }")
    }
}

impl<'a> Key<'a> {
    /// The key of a text; none for an empty one. Of very long ones the beginning counts.
    pub fn text(text: &'a str) -> Option<Self> {
        let text = beginning(text);
        let mut head = [0; 8];
        head.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
        (!text.is_empty()).then(|| Self::Text(u64::from_be_bytes(head), text))
    }
}

/// A place in an order: the key of a row, if it has one, and its number.
pub type Spot<'a> = (Option<Key<'a>>, i64);

impl Order {
    /// Reads `order_by`; empty: by display name.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `order_by`.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let mut words = text.split_whitespace();
        let (name, direction, more) = (words.next().unwrap_or("display_name"), words.next(), words.next());
        let column = Column::ALL.iter().find(|(known, _)| *known == name).map(|(_, column)| *column);
        let falling = match direction {
            None | Some("asc") => Some(false),
            Some("desc") => Some(true),
            Some(_) => None,
        };
        match (column, falling, more) {
            (Some(column), Some(falling), None) => Ok(Self { column, falling }),
            _ => {
                let fault = "must be a column of PatientRow with one value, with desc after it for falling order, e.g. \
                    \"past_due desc\"";
                Err(Refusal::invalid("order_by", fault))
            }
        }
    }

    /// Compares two places.
    pub fn compare(self, one: &Spot<'_>, other: &Spot<'_>) -> Ordering {
        let by_key = match (one.0, other.0) {
            (Some(one), Some(other)) if self.falling => other.cmp(&one),
            (Some(one), Some(other)) => one.cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        by_key.then(one.1.cmp(&other.1))
    }

    /// A row's place.
    pub fn spot<'a>(self, row: &'a Row, synced_at: Option<Timestamp>, as_of: AsOf) -> Spot<'a> {
        (self.key(row, synced_at, as_of), row.number)
    }

    fn key<'a>(self, row: &'a Row, synced_at: Option<Timestamp>, as_of: AsOf) -> Option<Key<'a>> {
        fn number(value: impl Into<i64>) -> Option<Key<'static>> {
            Some(Key::Number(value.into()))
        }
        fn word(word: &Option<row::Word>) -> Option<Key<'_>> {
            word.as_ref().and_then(|word| Key::text(word.folded()))
        }
        fn place(place: &Option<row::Place>) -> Option<Key<'_>> {
            place.as_ref().and_then(|place| place.abbr.as_ref()).and_then(|abbr| Key::text(abbr.folded()))
        }
        let day = |date: Option<jiff::civil::Date>| date.map(|date| Key::Number(calendar::to_days(date).into()));
        let time = |at: Option<jiff::civil::DateTime>| at.map(|at| Key::Number(calendar::to_micros(at)));
        let cents = |cents: Option<row::Cents>| cents.map(Key::Number);
        match self.column {
            Column::Name => number(row.number),
            Column::DisplayName => Key::text(&row.folded_name),
            Column::Birthdate => day(row.birthdate),
            Column::Guarantor => word(&row.guarantor),
            Column::MobilePhone => Key::text(&row.mobile_phone),
            Column::HomePhone => Key::text(&row.home_phone),
            Column::Email => Key::text(&row.folded_email),
            Column::Status => Key::text(row::status_name(row.status)),
            Column::Active => number(row.active(as_of.date)),
            Column::Age => row.age(as_of.date).and_then(number),
            Column::Gender => row::gender_name(row.gender).and_then(Key::text),
            Column::Language => word(&row.language),
            Column::Zip => word(&row.zip),
            Column::Clinic => place(&row.clinic),
            Column::PrimaryProvider => place(&row.primary_provider),
            Column::SecondaryProvider => place(&row.secondary_provider),
            Column::BillingType => word(&row.billing_type),
            Column::Referral => word(&row.referral),
            Column::TextConsent => Key::text(row::consent_name(row.text_consent)),
            Column::Premedication => number(row.premedication),
            Column::FirstVisit => day(row.first_visit),
            Column::LastVisit => day(row.last_visit),
            Column::LastHygieneVisit => day(row.last_hygiene_visit),
            Column::NextAppointment => time(row.next_appointment),
            Column::NextHygieneAppointment => time(row.next_hygiene_appointment),
            Column::Unconfirmed => row.unconfirmed.and_then(number),
            Column::BrokenCount => number(row.broken_since(as_of.broken_from)),
            Column::UnscheduledList => number(row.unscheduled_list),
            Column::FamilyUnscheduled => number(row.family_unscheduled),
            Column::RecallDue => day(row.recall_due),
            Column::RecallDaysOverdue => row.days_overdue(as_of.date).and_then(number),
            Column::RecallNotScheduled => number(row.recall_not_scheduled),
            Column::FamilyBalance => cents(row.family_balance),
            Column::PastDue => cents(row.past_due),
            Column::OldestBucket => row.oldest_bucket.and_then(|bucket| i64::try_from(bucket).ok()).map(Key::Number),
            Column::Credit => cents(row.credit),
            Column::LastPayment => day(row.last_payment),
            Column::UnscheduledTreatment => cents(row.unscheduled_treatment),
            Column::TreatmentPresented => day(row.treatment_presented),
            Column::TreatmentDone => day(row.treatment_done),
            Column::FormOutstanding => number(row.form_outstanding),
            Column::UnreadMessage => number(row.unread_message),
            Column::HasInsurance => number(row.has_insurance),
            Column::Carrier => word(&row.carrier),
            Column::InsuranceGroup => word(&row.insurance_group),
            Column::InsuranceUsed => cents(row.insurance_used),
            Column::InsuranceRemaining => None,
            Column::SyncedAt => synced_at.map(|at| Key::Number(at.as_microsecond())),
        }
    }
}
