//! Computes the card, part by part, and says of each where it comes from and how old it is.

use chairsync_proto::engagement::{CardPart, CardPartKind, CardPartSource, CardPartState, PatientCard};
use jiff::Timestamp;
use mesh::calendar::to_proto;

use super::{Subject, account, care, messages, person};

/// Where a card's rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The PMS, just now.
    Pms {
        /// Its time.
        at: Timestamp,
    },
    /// The live view, and the ledger rows of the last opening.
    LiveView {
        /// The PMS's time up to which the live view is true.
        through: Option<Timestamp>,
        /// When the ledger rows were read; `None`: there are none.
        ledger: Option<Timestamp>,
        /// Why the PMS did not give them, in a sentence without patient data.
        reason: String,
    },
}

/// All parts, in the order of the enum.
const PARTS: [CardPartKind; 14] = [
    CardPartKind::Person,
    CardPartKind::Contacts,
    CardPartKind::Family,
    CardPartKind::Account,
    CardPartKind::Insurances,
    CardPartKind::Appointments,
    CardPartKind::Recalls,
    CardPartKind::PlannedTreatment,
    CardPartKind::SignedTreatmentPlans,
    CardPartKind::Alerts,
    CardPartKind::Messages,
    CardPartKind::Forms,
    CardPartKind::PaymentRequests,
    CardPartKind::PendingWrites,
];

/// How a part depends on the rows of the ledger (procedures, claim lines, adjustments, payment plans).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ledger {
    /// Not at all.
    Unused,
    /// What is there without them is still worth showing.
    Helps,
    /// Nothing can be said without them.
    Needed,
}

fn ledger(part: CardPartKind) -> Ledger {
    match part {
        CardPartKind::Account | CardPartKind::PlannedTreatment => Ledger::Needed,
        CardPartKind::Family | CardPartKind::Insurances | CardPartKind::Appointments => Ledger::Helps,
        _ => Ledger::Unused,
    }
}

/// The card of a patient whose row is in `subject`; `wanted`: its parts, all when empty.
pub fn build(subject: &Subject<'_>, origin: &Origin, wanted: &[CardPartKind]) -> PatientCard {
    let mut card = PatientCard { name: subject.lists.name("patients", subject.patient), ..PatientCard::default() };
    for part in PARTS.into_iter().filter(|part| wanted.is_empty() || wanted.contains(part)) {
        let told = tell(part, origin);
        if told.state() != CardPartState::Missing {
            fill(&mut card, subject, origin, part);
        }
        card.parts.push(told);
    }
    card
}

fn fill(card: &mut PatientCard, subject: &Subject<'_>, origin: &Origin, part: CardPartKind) {
    let Some(row) = subject.rows.get("patient", subject.patient) else { return };
    let has_ledger = !matches!(origin, Origin::LiveView { ledger: None, .. });
    match part {
        CardPartKind::Person => card.person = Some(person::person(subject, row)),
        CardPartKind::Contacts => card.contacts = Some(person::contacts(row)),
        CardPartKind::Family => card.family = person::family(subject),
        CardPartKind::Account => card.account = Some(account::account(subject)),
        CardPartKind::Insurances => card.insurances = account::insurances(subject, has_ledger),
        CardPartKind::Appointments => {
            card.last_appointment = care::last(subject).map(|row| care::appointment(subject, row));
            card.next_appointment = care::next(subject, subject.patient).map(|row| care::appointment(subject, row));
            card.live_appointments = care::live(subject).iter().map(|row| care::appointment(subject, row)).collect();
        }
        CardPartKind::Recalls => card.recalls = care::recalls(subject),
        CardPartKind::PlannedTreatment => card.planned_treatment = care::planned(subject),
        CardPartKind::SignedTreatmentPlans => card.signed_treatment_plans = care::signed_plans(subject),
        CardPartKind::Alerts => card.alerts = person::alerts(subject, row),
        CardPartKind::Messages => card.messages = messages::messages(subject),
        CardPartKind::Forms => card.forms = messages::forms(subject),
        // Never asked for: `tell` calls them missing.
        CardPartKind::PaymentRequests | CardPartKind::PendingWrites | CardPartKind::Unspecified => {}
    }
}

/// Why a part that would be kept here cannot be told yet; `None`: it is built.
fn not_built(part: CardPartKind) -> Option<&'static str> {
    match part {
        CardPartKind::PaymentRequests => Some("payment requests are not built yet: none can be made or shown"),
        CardPartKind::PendingWrites => Some("writing to the PMS is not built yet: nothing waits to be written"),
        _ => None,
    }
}

/// Where a part comes from and how old it is.
fn tell(part: CardPartKind, origin: &Origin) -> CardPart {
    if let Some(reason) = not_built(part) {
        let (state, source) = (CardPartState::Missing, CardPartSource::Chairsync);
        return CardPart {
            part: part.into(),
            state: state.into(),
            source: source.into(),
            as_of: None,
            reason: reason.to_owned(),
        };
    }
    let (state, source, as_of, reason) = match origin {
        Origin::Pms { at } => (CardPartState::Fresh, CardPartSource::Pms, Some(*at), String::new()),
        Origin::LiveView { through, ledger: rows, reason } => {
            let (stale, view) = (CardPartState::Stale, CardPartSource::LiveView);
            match (ledger(part), rows) {
                (Ledger::Unused, _) => (stale, view, *through, reason.clone()),
                (_, Some(read)) => (stale, view, Some(through.map_or(*read, |at| at.min(*read))), reason.clone()),
                (Ledger::Helps, None) => {
                    let note = "; what is counted from procedures and claims is left out: they were never read before";
                    (stale, view, *through, format!("{reason}{note}"))
                }
                (Ledger::Needed, None) => {
                    let note = "; it is computed from procedures and claims, which were never read before";
                    (CardPartState::Missing, view, None, format!("{reason}{note}"))
                }
            }
        }
    };
    CardPart { part: part.into(), state: state.into(), source: source.into(), as_of: as_of.map(to_proto), reason }
}
