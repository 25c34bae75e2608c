//! Person, contacts, family and alerts of a card.

use chairsync_proto::engagement::{
    CardAlert, CardAlertKind, FamilyMember, Gender, PatientContacts, PatientPerson, PatientStatus, TextConsent,
};
use mesh::calendar::date_to_proto;

use super::{Subject, care, clock::local};
use crate::row::Row;

/// Ways of contact as the PMS numbers them.
const CONTACT_METHODS: [&str; 9] =
    ["", "Do not call", "Home phone", "Work phone", "Wireless phone", "E-mail", "See notes", "Mail", "Text message"];

/// Who the patient is.
pub fn person(subject: &Subject<'_>, row: &Row) -> PatientPerson {
    let lists = subject.lists;
    let birthdate = row.date("birthdate");
    let age = birthdate.and_then(|born| {
        let today = subject.clock.today();
        let before_birthday = (today.month(), today.day()) < (born.month(), born.day());
        let years = i32::from(today.year()) - i32::from(born.year()) - i32::from(before_birthday);
        (years >= 0).then_some(years)
    });
    let (secondary, clinic) = (row.id("sec_prov"), row.id("clinic_num"));
    PatientPerson {
        last_name: row.text("l_name").to_owned(),
        first_name: row.text("f_name").to_owned(),
        middle_name: row.text("middle_i").to_owned(),
        preferred_name: row.text("preferred").to_owned(),
        birthdate: birthdate.map(date_to_proto),
        age,
        gender: match row.int("gender") {
            Some(0) => Gender::Male,
            Some(1) => Gender::Female,
            Some(3) => Gender::Other,
            _ => Gender::Unspecified,
        }
        .into(),
        status: status(row).into(),
        language: row.text("language").to_owned(),
        primary_provider: Some(lists.provider(row.id("pri_prov"))),
        secondary_provider: (secondary > 0).then(|| lists.provider(secondary)),
        clinic: if clinic > 0 { lists.name("clinics", clinic) } else { String::new() },
        billing_type: lists.definition(row.id("billing_type")),
        // The canonical rows carry neither a title nor a chart number.
        title: String::new(),
        chart_number: String::new(),
    }
}

/// The patient's status in the PMS.
pub fn status(row: &Row) -> PatientStatus {
    match row.int("pat_status") {
        Some(0) => PatientStatus::Patient,
        Some(1) => PatientStatus::NonPatient,
        Some(2) => PatientStatus::Inactive,
        Some(3) => PatientStatus::Archived,
        Some(4) => PatientStatus::Deleted,
        Some(5) => PatientStatus::Deceased,
        Some(6) => PatientStatus::Prospective,
        _ => PatientStatus::Unspecified,
    }
}

/// How to reach the patient.
pub fn contacts(row: &Row) -> PatientContacts {
    let text = |column: &str| row.text(column).to_owned();
    let method = |column: &str| {
        let number = usize::try_from(row.id(column)).unwrap_or_default();
        CONTACT_METHODS.get(number).copied().unwrap_or_default().to_owned()
    };
    let lines = ["address", "address2"].map(text);
    PatientContacts {
        address_lines: lines.into_iter().filter(|line| !line.is_empty()).collect(),
        city: text("city"),
        region: text("state"),
        postal_code: text("zip"),
        mobile_phone: text("wireless_phone"),
        home_phone: text("hm_phone"),
        work_phone: text("wk_phone"),
        email: text("email"),
        text_consent: match row.int("txt_msg_ok") {
            Some(1) => TextConsent::Yes,
            Some(2) => TextConsent::No,
            _ => TextConsent::Unspecified,
        }
        .into(),
        preferred_contact: method("prefer_contact_method"),
        preferred_confirmation: method("prefer_confirm_method"),
    }
}

/// The family, guarantor first, then by birthdate and number.
pub fn family(subject: &Subject<'_>) -> Vec<FamilyMember> {
    let guarantor = subject.rows.guarantor(subject.patient);
    let family = subject.rows.family(subject.patient);
    let mut members: Vec<&Row> = family.iter().filter_map(|number| subject.rows.get("patient", *number)).collect();
    members.sort_by_key(|row| (row.id("pat_num") != guarantor, row.date("birthdate"), row.id("pat_num")));
    let member = |row: &Row| {
        let number = row.id("pat_num");
        FamilyMember {
            patient: Some(subject.lists.patient(row)),
            guarantor: number == guarantor,
            status: status(row).into(),
            birthdate: row.date("birthdate").map(date_to_proto),
            last_visit: care::last_visit(subject, number).map(date_to_proto),
            next_visit: care::next(subject, number).and_then(|row| row.date_time("apt_date_time")).map(local),
        }
    };
    members.into_iter().map(member).collect()
}

/// What staff should know at once. The family's financial note stands on the guarantor.
pub fn alerts(subject: &Subject<'_>, row: &Row) -> Vec<CardAlert> {
    let note = |kind: CardAlertKind, text: &str| {
        let text = text.trim();
        (!text.is_empty()).then(|| CardAlert { kind: kind.into(), text: text.to_owned() })
    };
    let premedication = CardAlert { kind: CardAlertKind::Premedication.into(), text: String::new() };
    let guarantor = subject.rows.get("patient", subject.rows.guarantor(subject.patient)).unwrap_or(row);
    let medical = subject.rows.get("patient_note", subject.patient).map(|note| note.text("medical"));
    [
        note(CardAlertKind::MedicalUrgent, row.text("med_urg_note")),
        (row.id("premed") != 0).then_some(premedication),
        note(CardAlertKind::FamilyFinancial, guarantor.text("fam_fin_urg_note")),
        note(CardAlertKind::Appointment, row.text("appt_mod_note")),
        note(CardAlertKind::Medical, medical.unwrap_or_default()),
    ]
    .into_iter()
    .flatten()
    .collect()
}
