//! The fields that patients are filtered by: their names, what conditions they take, and their value in a row.

use std::sync::LazyLock;

use chairsync_proto::analytics::PatientField as Field;
use jiff::civil::Date;
use mesh::calendar::to_days;

use super::row::{self, Row, Word, Words};

/// What a field holds, and so which conditions it takes beside `is_empty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One or several texts.
    Text,
    /// One or several texts, compared by their beginnings where a condition ends in `*`.
    Code,
    /// One of a few names.
    OneOf(&'static [&'static str]),
    /// The name of a resource in this collection.
    Resource(&'static str),
    /// Yes or no.
    Flag,
    /// A whole number.
    Number,
    /// An amount.
    Money,
    /// A date.
    Day,
    /// Nothing, ever.
    Never,
}

const STATUSES: &[&str] = &["patient", "non_patient", "inactive", "archived", "deceased", "prospective"];

/// What a field holds.
pub fn kind(field: Field) -> Kind {
    match field {
        Field::Status => Kind::OneOf(STATUSES),
        Field::Gender => Kind::OneOf(&["male", "female", "other"]),
        Field::TextConsent => Kind::OneOf(&["yes", "no", "unknown"]),
        Field::ReachableBy => Kind::OneOf(&["mobile", "email"]),
        Field::OldestBucket => Kind::OneOf(&row::BUCKETS),
        Field::Clinic => Kind::Resource("clinics"),
        Field::PrimaryProvider | Field::SecondaryProvider => Kind::Resource("providers"),
        Field::Zip | Field::TreatmentCode | Field::TreatmentDone => Kind::Code,
        Field::Language
        | Field::BillingType
        | Field::Referral
        | Field::RecallType
        | Field::TreatmentPriority
        | Field::Carrier
        | Field::InsuranceGroup => Kind::Text,
        Field::Active
        | Field::Premedication
        | Field::NoNextAppointment
        | Field::Unconfirmed
        | Field::UnscheduledList
        | Field::FamilyUnscheduled
        | Field::RecallNotScheduled
        | Field::FormOutstanding
        | Field::UnreadMessage
        | Field::HasInsurance => Kind::Flag,
        Field::Age | Field::BrokenCount | Field::RecallDaysOverdue => Kind::Number,
        Field::FamilyBalance | Field::PastDue | Field::Credit | Field::UnscheduledTreatment | Field::InsuranceUsed => {
            Kind::Money
        }
        Field::Birthday
        | Field::FirstVisit
        | Field::LastVisit
        | Field::LastHygieneVisit
        | Field::NextAppointment
        | Field::NextHygieneAppointment
        | Field::RecallDue
        | Field::LastPayment
        | Field::TreatmentPresented => Kind::Day,
        Field::InsuranceRemaining | Field::Unspecified => Kind::Never,
    }
}

/// The fields by name, in the order of the API.
static NAMES: LazyLock<Vec<(String, Field)>> = LazyLock::new(|| {
    let fields = (1..).map_while(|number| Field::try_from(number).ok());
    let name = |field: &Field| field.as_str_name().trim_start_matches("PATIENT_FIELD_").to_lowercase();
    fields.map(|field| (name(&field), field)).collect()
});

/// Every field.
pub fn all() -> impl Iterator<Item = Field> {
    NAMES.iter().map(|(_, field)| *field)
}

/// A field's name in expressions, e.g. `last_visit`.
pub fn name(field: Field) -> &'static str {
    NAMES.iter().find(|(_, known)| *known == field).map_or("", |(name, _)| name.as_str())
}

/// The field of a name in expressions.
pub fn named(name: &str) -> Option<Field> {
    NAMES.iter().find(|(known, _)| known == name).map(|(_, field)| *field)
}

/// As of when values are, and how far back broken appointments count.
#[derive(Debug, Clone, Copy)]
pub struct AsOf {
    /// D.
    pub date: Date,
    /// The first date whose broken appointments count.
    pub broken_from: Date,
}

/// A field's value in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// Yes or no.
    Flag(bool),
    /// A number, an amount in cents, a date in days, the number of a resource.
    Number(i64),
    /// A name that is compared as it is.
    Name(&'static str),
    /// A text.
    Text(&'a Word),
    /// Several texts, at least one.
    Texts(&'a [Word]),
}

/// How patients can be reached: by nothing, mobile, e-mail, both.
static REACHES: LazyLock<[Vec<Word>; 4]> = LazyLock::new(|| {
    let mut words = Words::default();
    let mut list = |names: &[&str]| names.iter().filter_map(|name| words.word(name)).collect();
    [list(&[]), list(&["mobile"]), list(&["email"]), list(&["mobile", "email"])]
});

/// A field's value in a row.
pub fn value(field: Field, row: &Row, as_of: AsOf) -> Value<'_> {
    fn number(value: Option<impl Into<i64>>) -> Value<'static> {
        value.map_or(Value::Null, |number| Value::Number(number.into()))
    }
    fn day(value: Option<Date>) -> Value<'static> {
        number(value.map(to_days))
    }
    fn text(value: &Option<Word>) -> Value<'_> {
        value.as_ref().map_or(Value::Null, Value::Text)
    }
    fn texts(value: &[Word]) -> Value<'_> {
        if value.is_empty() { Value::Null } else { Value::Texts(value) }
    }
    let place = |place: &Option<row::Place>| number(place.as_ref().map(|place| place.number));
    match field {
        Field::Status => Value::Name(row::status_name(row.status)),
        Field::Active => Value::Flag(row.active(as_of.date)),
        Field::Age => number(row.age(as_of.date)),
        Field::Birthday => day(row.next_birthday(as_of.date)),
        Field::Gender => row::gender_name(row.gender).map_or(Value::Null, Value::Name),
        Field::Language => text(&row.language),
        Field::Zip => text(&row.zip),
        Field::Clinic => place(&row.clinic),
        Field::PrimaryProvider => place(&row.primary_provider),
        Field::SecondaryProvider => place(&row.secondary_provider),
        Field::BillingType => text(&row.billing_type),
        Field::Referral => text(&row.referral),
        Field::TextConsent => Value::Name(row::consent_name(row.text_consent)),
        Field::ReachableBy => {
            let reach = usize::from(!row.mobile_phone.is_empty()) + 2 * usize::from(!row.email.is_empty());
            texts(&REACHES[reach])
        }
        Field::Premedication => Value::Flag(row.premedication),
        Field::FirstVisit => day(row.first_visit),
        Field::LastVisit => day(row.last_visit),
        Field::LastHygieneVisit => day(row.last_hygiene_visit),
        Field::NextAppointment => day(row.next_appointment.map(|at| at.date())),
        Field::NoNextAppointment => Value::Flag(row.next_appointment.is_none()),
        Field::NextHygieneAppointment => day(row.next_hygiene_appointment.map(|at| at.date())),
        Field::Unconfirmed => row.unconfirmed.map_or(Value::Null, Value::Flag),
        Field::BrokenCount => Value::Number(row.broken_since(as_of.broken_from).into()),
        Field::UnscheduledList => Value::Flag(row.unscheduled_list),
        Field::FamilyUnscheduled => Value::Flag(row.family_unscheduled),
        Field::RecallDue => day(row.recall_due),
        Field::RecallDaysOverdue => number(row.days_overdue(as_of.date)),
        Field::RecallType => texts(&row.recall_types),
        Field::RecallNotScheduled => Value::Flag(row.recall_not_scheduled),
        Field::FamilyBalance => number(row.family_balance),
        Field::PastDue => number(row.past_due),
        Field::OldestBucket => {
            row.oldest_bucket.and_then(|bucket| row::BUCKETS.get(bucket)).map_or(Value::Null, |name| Value::Name(name))
        }
        Field::Credit => number(row.credit),
        Field::LastPayment => day(row.last_payment),
        Field::UnscheduledTreatment => number(row.unscheduled_treatment),
        Field::TreatmentCode => texts(&row.treatment_codes),
        Field::TreatmentPriority => texts(&row.treatment_priorities),
        Field::TreatmentPresented => day(row.treatment_presented),
        Field::TreatmentDone => texts(&row.done_codes),
        Field::FormOutstanding => Value::Flag(row.form_outstanding),
        Field::UnreadMessage => Value::Flag(row.unread_message),
        Field::HasInsurance => Value::Flag(row.has_insurance),
        Field::Carrier => texts(&row.carriers),
        Field::InsuranceGroup => texts(&row.groups),
        Field::InsuranceUsed => number(row.insurance_used),
        Field::InsuranceRemaining | Field::Unspecified => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_name_of_its_own() {
        assert_eq!(all().count(), 46);
        for field in all() {
            assert!(named(name(field)) == Some(field), "{}", name(field));
        }
        assert_eq!(name(Field::LastHygieneVisit), "last_hygiene_visit");
        assert!([named("unspecified"), named("Age"), named("")].iter().all(Option::is_none));
    }
}
