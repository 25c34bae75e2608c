//! A row as the API shows it.

use chairsync_proto::{
    analytics::{ClinicRef, PatientRef, PatientRow, ProviderRef},
    google_type,
};
use jiff::civil::Date;
use mesh::{calendar, calendar::date_to_proto, money::Money};

use super::{
    field::AsOf,
    row::{self, Cents, Place, Word},
    view::Seen,
};
use crate::refs;

/// A row of a practice in its currency.
pub fn shown(practice: &str, currency: &str, seen: Seen<'_>, as_of: AsOf) -> PatientRow {
    let row = seen.row;
    let money = |cents: Option<Cents>| -> Option<google_type::Money> {
        cents.map(|cents| Money::cents(cents.into()).to_proto(currency))
    };
    let date = |date: Option<Date>| date.map(date_to_proto);
    PatientRow {
        name: refs::patient_name(practice, row.number),
        display_name: row.display_name.to_string(),
        birthdate: date(row.birthdate),
        guarantor: Some(PatientRef {
            name: refs::patient_name(practice, row.family),
            display_name: text(&row.guarantor),
        }),
        mobile_phone: row.mobile_phone.to_string(),
        home_phone: row.home_phone.to_string(),
        email: row.email.to_string(),
        status: row::status_name(row.status).to_owned(),
        active: row.active(as_of.date),
        age: row.age(as_of.date),
        gender: row::gender_name(row.gender).unwrap_or_default().to_owned(),
        language: text(&row.language),
        zip: text(&row.zip),
        clinic: Some(clinic(practice, &row.clinic)),
        primary_provider: Some(provider(practice, &row.primary_provider)),
        secondary_provider: row.secondary_provider.is_some().then(|| provider(practice, &row.secondary_provider)),
        billing_type: text(&row.billing_type),
        referral: text(&row.referral),
        text_consent: row::consent_name(row.text_consent).to_owned(),
        premedication: row.premedication,
        first_visit: date(row.first_visit),
        last_visit: date(row.last_visit),
        last_hygiene_visit: date(row.last_hygiene_visit),
        next_appointment: row.next_appointment.map(refs::local),
        next_hygiene_appointment: row.next_hygiene_appointment.map(refs::local),
        unconfirmed: row.unconfirmed,
        broken_count: row.broken_since(as_of.broken_from),
        unscheduled_list: row.unscheduled_list,
        family_unscheduled: row.family_unscheduled,
        recall_due: date(row.recall_due),
        recall_days_overdue: row.days_overdue(as_of.date),
        recall_types: texts(&row.recall_types),
        recall_not_scheduled: row.recall_not_scheduled,
        family_balance: money(row.family_balance),
        past_due: money(row.past_due),
        oldest_bucket: row.oldest_bucket.and_then(|b| row::BUCKETS.get(b)).copied().unwrap_or_default().to_owned(),
        credit: money(row.credit),
        last_payment: date(row.last_payment),
        unscheduled_treatment: money(row.unscheduled_treatment),
        treatment_codes: texts(&row.treatment_codes),
        treatment_priorities: texts(&row.treatment_priorities),
        treatment_presented: date(row.treatment_presented),
        treatment_done: date(row.treatment_done),
        form_outstanding: row.form_outstanding,
        unread_message: row.unread_message,
        has_insurance: row.has_insurance,
        carrier: text(&row.carrier),
        insurance_group: text(&row.insurance_group),
        insurance_used: money(row.insurance_used),
        insurance_remaining: None,
        synced_at: seen.synced_at.map(calendar::to_proto),
    }
}

fn text(word: &Option<Word>) -> String {
    word.as_ref().map(|word| word.shown().to_owned()).unwrap_or_default()
}

fn texts(words: &[Word]) -> Vec<String> {
    words.iter().map(|word| word.shown().to_owned()).collect()
}

fn provider(practice: &str, place: &Option<Place>) -> ProviderRef {
    let abbr = place.as_ref().map(|place| place.abbr.as_ref().map(Word::shown).unwrap_or_default());
    refs::provider(practice, place.as_ref().map_or(0, |place| place.number), abbr)
}

fn clinic(practice: &str, place: &Option<Place>) -> ClinicRef {
    let abbr = place.as_ref().map(|place| place.abbr.as_ref().map(Word::shown).unwrap_or_default());
    refs::clinic(practice, place.as_ref().map_or(0, |place| place.number), abbr)
}
