//! What is asked for: writes of every kind for many patients, from a seed.

use chairsync_proto::{
    pms::{
        AppointmentWrite, CommlogWrite, DocumentWrite, FieldChange, PatientChangeWrite, PatientField, PaymentWrite,
        SheetWrite, WriteContent, write_content::Kind,
    },
    sync::WriteKind,
};
use rand::{Rng as _, rngs::StdRng};

/// One write that is asked for.
#[derive(Clone)]
pub struct Asked {
    pub key: String,
    pub patient: i64,
    pub kind: WriteKind,
    pub content: WriteContent,
    /// The PMS would never take it.
    pub bad: bool,
}

/// A practice's chairs and a patient who is not there.
pub struct World {
    pub patients: Vec<i64>,
    pub chairs: Vec<i64>,
}

const NOBODY: i64 = 999_999_999;

/// So many writes, in the order in which each patient's are asked for.
pub fn plan(random: &mut StdRng, world: &World, writes: usize) -> Vec<Asked> {
    let mut phones: std::collections::HashMap<i64, u64> = std::collections::HashMap::new();
    let mut slots = 0u32;
    let mut asked = Vec::with_capacity(writes);
    for number in 0..writes {
        let patient = world.patients[random.random_range(0..world.patients.len())];
        let mut bad = false;
        let (kind, content) = match random.random_range(0..100) {
            0..=44 => {
                bad = random.random_ratio(1, 20);
                let payment = PaymentWrite {
                    patient: if bad { NOBODY } else { patient },
                    cents: random.random_range(1..200_000),
                    pay_date: "2026-11-20".to_owned(),
                    note: "Online payment".to_owned(),
                    prepayment: random.random_ratio(1, 5),
                    patient_preferred: random.random_ratio(1, 5),
                    ..Default::default()
                };
                (WriteKind::Payment, Kind::Payment(payment))
            }
            45..=69 => {
                let commlog = CommlogWrite {
                    patient,
                    time: "2026-11-20 10:30:00".to_owned(),
                    note: format!("Message {number}"),
                    received: random.random_bool(0.5),
                    ..Default::default()
                };
                (WriteKind::Commlog, Kind::Commlog(commlog))
            }
            70..=79 => {
                slots += 1;
                let appointment = AppointmentWrite {
                    patient,
                    operatory: world.chairs[slots as usize % world.chairs.len()],
                    start: slot(slots / world.chairs.len() as u32),
                    pattern: "/XXXX/".to_owned(),
                    ..Default::default()
                };
                (WriteKind::Appointment, Kind::Appointment(appointment))
            }
            80..=89 => {
                // Each one starts from what the one before it made.
                let before = phones.get(&patient).map(phone).unwrap_or_default();
                let turn = phones.entry(patient).or_insert(0);
                *turn += 1;
                let change = FieldChange { field: PatientField::WorkPhone.into(), from: before, to: phone(turn) };
                let change = PatientChangeWrite { patient, changes: vec![change] };
                (WriteKind::PatientChange, Kind::PatientChange(change))
            }
            90..=95 => {
                let document = DocumentWrite {
                    patient,
                    content: format!("%PDF document {number}").into_bytes().into(),
                    extension: ".pdf".to_owned(),
                    description: "Consent".to_owned(),
                    created: "2026-11-20 10:30:00".to_owned(),
                    ..Default::default()
                };
                (WriteKind::Document, Kind::Document(document))
            }
            _ => (WriteKind::Sheet, Kind::Sheet(SheetWrite { template: 9001, patient, note: "Online".to_owned() })),
        };
        let key = format!("w{number:05}-{:08x}", random.random::<u32>());
        asked.push(Asked { key, patient, kind, content: WriteContent { kind: Some(content) }, bad });
    }
    asked
}

fn phone(turn: &u64) -> String {
    format!("555-{turn:07}")
}

/// A time that nobody has: far ahead, half an hour apart.
fn slot(number: u32) -> String {
    let (day, half_hour) = (number / 16, number % 16);
    let date = jiff::civil::date(2031, 1, 1).saturating_add(jiff::Span::new().days(i64::from(day)));
    format!("{date} {:02}:{:02}:00", 8 + half_hour / 2, 30 * (half_hour % 2))
}
