//! Families: people, their insurance, referrals and recalls.

use std::borrow::Cow;

use super::{
    Dice, Key, World,
    book::{self, Purpose, Tenure, Visit},
    codes::CODES,
    contact, def, finance, names, payments,
    staff::{CLINICS, REFERRALS},
    treatment,
};
use crate::sample::{
    tables::{Carrier, InsPlan, InsSub, PatPlan, Patient, PatientNote, ProcedureCode, Recall, RefAttach},
    value::{Day, Text},
};

/// The number of carriers; the last is a capitation carrier.
const CARRIERS: usize = 12;
/// Plans of each.
const PLANS_EACH: usize = 3;

/// Insurance that covers a person.
#[derive(Clone)]
pub(crate) struct Coverage {
    /// Its place among the plans.
    pub plan: usize,
    pub subscription: i64,
    pub from: Day,
    /// The last day; a zero date when it goes on.
    pub until: Day,
}

impl Coverage {
    /// Whether it covers a day.
    pub(crate) fn covers(&self, day: Day) -> bool {
        self.from <= day && (self.until.is_zero() || day <= self.until)
    }

    /// Whether the carrier pays by head rather than by procedure.
    pub(crate) fn capitation(&self) -> bool {
        self.carrier() == CARRIERS - 1
    }

    /// Whether the fee is lowered to the plan's.
    pub(crate) fn lowers_fees(&self) -> bool {
        !self.plan.is_multiple_of(PLANS_EACH)
    }

    /// The place of its carrier.
    pub(crate) fn carrier(&self) -> usize {
        self.plan / PLANS_EACH
    }

    /// The plan's number.
    pub(crate) fn plan_number(&self) -> i64 {
        plan_number(self.plan)
    }
}

/// A person, as far as later passes need to know.
pub(crate) struct Person {
    pub number: i64,
    pub guarantor: i64,
    pub birth: Day,
    pub tenure: Tenure,
    pub dentist: i64,
    pub clinic: i64,
    pub perio: bool,
    pub mobile: Text,
    /// The mobile number as the message gateway writes it.
    pub gateway: Text,
    pub texts: bool,
    pub coverage: Vec<Coverage>,
}

impl Person {
    /// The age on a day, in whole years, roughly.
    pub(crate) fn age(&self, day: Day) -> i32 {
        if self.birth.is_zero() { 40 } else { (day.0 - self.birth.0) / 365 }
    }

    /// The insurance in force on a day, primary first.
    pub(crate) fn insured(&self, day: Day) -> impl Iterator<Item = &Coverage> {
        self.coverage.iter().filter(move |c| c.covers(day))
    }
}

fn plan_number(plan: usize) -> i64 {
    600 + 11 * i64::try_from(plan).unwrap_or(0)
}

/// A carrier's name.
pub(crate) fn carrier_name(carrier: usize) -> Text {
    Cow::Owned(format!(
        "{} Dental",
        ["Acme", "Border", "Cedar", "Delta-ish", "Echo & Sons", "Fjord"][carrier % 6].to_owned()
            + if carrier < 6 { "" } else { " West" }
    ))
}

/// Writes carriers, plans and procedure codes.
pub(crate) fn write_fixed(world: &mut World<'_>) {
    let old = world.stamp(world.config.first_day().at(9 * 60));
    let mut dice = Dice::new(world.config.seed, "carriers", 0);
    for carrier in 0..CARRIERS {
        let number = 40 + 5 * i64::try_from(carrier).unwrap_or(0);
        world.out.put(Carrier {
            CarrierNum: number,
            CarrierName: carrier_name(carrier),
            Phone: names::phone(&mut dice),
            ElectID: Cow::Owned(format!("{:05}", dice.between(0, 99_999))),
            IsHidden: i64::from(carrier == 7),
            SecDateTEdit: old,
        });
        for plan in 0..PLANS_EACH {
            let kind = if carrier == CARRIERS - 1 { "c" } else { ["", "p", "p"][plan] };
            world.out.put(InsPlan {
                PlanNum: plan_number(carrier * PLANS_EACH + plan),
                GroupName: Cow::Owned(format!("Group {}", dice.between(100, 999))),
                GroupNum: Cow::Owned(format!("{:06}", dice.between(0, 999_999))),
                PlanType: Cow::Borrowed(kind),
                CarrierNum: number,
                MonthRenew: if plan == 2 { 7 } else { 0 },
                IsMedical: 0,
                IsHidden: i64::from(carrier == 7),
                SecDateTEdit: old,
            });
        }
    }
    for (place, code) in CODES.iter().enumerate() {
        world.out.put(ProcedureCode {
            CodeNum: super::codes::number(place),
            ProcCode: Cow::Borrowed(code.code),
            Descript: Cow::Borrowed(code.text),
            AbbrDesc: Cow::Borrowed(code.text.get(..4).unwrap_or(code.text)),
            ProcCat: def::CODE_CATEGORY + code.group,
            TreatArea: code.area as i64,
            IsHygiene: i64::from(code.group == 1),
            IsProsth: i64::from(code.group == 6),
            LaymanTerm: Cow::Borrowed(if code.group == 1 { "cleaning" } else { "" }),
            DateTStamp: old,
        });
    }
}

/// Writes one family: patients `first` to `first + members - 1` and all that is theirs.
pub(crate) fn write(world: &mut World<'_>, dice: &mut Dice, first: u32, members: u32, visits: &[Visit]) {
    let number = |member: u32| 1_000 + 2 * i64::from(first + member) + i64::from((first + member) % 7 == 3);
    let surname = names::last(dice);
    let home = Home {
        street: names::street(dice),
        town: names::TOWNS[dice.index(names::TOWNS.len())],
        phone: if dice.chance(600) { names::phone(dice) } else { Cow::Borrowed("") },
        clinic: if dice.chance(800) { CLINICS[0] } else { CLINICS[1] },
        guarantor: number(0),
    };
    let coverage = insurance(world, dice, home.guarantor);
    let mut people = Vec::new();
    let mut rest = visits;
    for member in 0..members {
        let end = rest.partition_point(|v| v.patient <= first + member);
        let (theirs, others) = rest.split_at(end);
        rest = others;
        let mut person = person(world, dice, &home, &surname, first + member, number(member), member, theirs);
        cover(world, dice, &mut person, &coverage, member);
        refer(world, dice, &person);
        let story = treatment::write(world, dice, &person, theirs);
        recall(world, dice, &person, theirs);
        contact::write(world, dice, &person, theirs);
        payments::write(world, dice, &person, &story);
        people.push((person, story));
    }
    finance::write(world, dice, &people);
}

struct Home {
    street: Text,
    town: &'static str,
    phone: Text,
    clinic: i64,
    guarantor: i64,
}

/// The family's subscriptions: none, one, or one each of two earners.
fn insurance(world: &mut World<'_>, dice: &mut Dice, subscriber: i64) -> Vec<Coverage> {
    let count = [0, 0, 1, 1, 1, 1, 1, 2][dice.index(8)];
    let (first, last) = (world.config.first_day(), world.as_of());
    let mut all = Vec::new();
    for _ in 0..count {
        let from = if dice.chance(100) { Day::ZERO } else { first.plus(dice.days(-900, 100)) };
        let until = if dice.chance(100) { last.plus(-dice.days(10, 500)) } else { Day::ZERO };
        let coverage = Coverage {
            plan: dice.index(CARRIERS * PLANS_EACH),
            subscription: world.keys.next(Key::InsSub),
            from,
            until,
        };
        world.out.put(InsSub {
            InsSubNum: coverage.subscription,
            PlanNum: coverage.plan_number(),
            Subscriber: subscriber,
            DateEffective: from,
            DateTerm: until,
            SubscriberID: Cow::Owned(format!("ZX{:09}", dice.bits())),
            SecDateTEdit: world.stamp(first.max(from).at(11 * 60)),
        });
        all.push(coverage);
    }
    all
}

/// Says which of the family's subscriptions cover a member, in which order.
fn cover(world: &mut World<'_>, dice: &mut Dice, person: &mut Person, coverage: &[Coverage], member: u32) {
    let mut ordinal = 0;
    for cover in coverage {
        if dice.chance(80) {
            continue;
        }
        ordinal += 1;
        world.out.put(PatPlan {
            PatPlanNum: world.keys.next(Key::PatPlan),
            PatNum: person.number,
            Ordinal: ordinal,
            IsPending: i64::from(dice.chance(20)),
            Relationship: [0, 1, 2][member.min(2) as usize],
            InsSubNum: cover.subscription,
            SecDateTEdit: world.stamp(cover.from.max(world.config.first_day()).at(11 * 60 + 5)),
        });
        person.coverage.push(cover.clone());
    }
}

#[allow(clippy::too_many_arguments)] // one call
fn person(
    world: &mut World<'_>,
    dice: &mut Dice,
    home: &Home,
    surname: &Text,
    index: u32,
    number: i64,
    member: u32,
    visits: &[Visit],
) -> Person {
    let tenure = book::tenure(world.config, index);
    let as_of = world.as_of();
    let age = if member < 2 { dice.days(20, 88) } else { dice.days(1, 19) };
    let birth = if dice.chance(15) {
        if dice.chance(500) { Day::ZERO } else { Day::NOUGHT }
    } else {
        as_of.plus(-age * 365 - dice.days(0, 364))
    };
    let first_name = names::first(dice);
    let mobile = if dice.chance(880) && member < 3 { names::phone(dice) } else { Cow::Borrowed("") };
    let dentist = *dice.pick(&world.staff.dentists);
    let came = visits.iter().find(|v| v.fate == book::Fate::Complete).map_or(Day::ZERO, |v| v.day);
    let first_visit = if tenure.joined < world.config.first_day() && !came.is_zero() { tenure.joined } else { came };
    let person = Person {
        number,
        guarantor: home.guarantor,
        birth,
        tenure,
        dentist,
        clinic: home.clinic,
        perio: member < 2 && dice.chance(130),
        gateway: names::mobile(dice),
        texts: dice.chance(700) && !mobile.is_empty(),
        mobile,
        coverage: Vec::new(),
    };
    // The cached balances are of the last aging, and wrong now.
    let cached = if member == 0 { super::dollars(dice.between(-2_000, 60_000)) } else { 0.0 };
    let alert = dice.chance(80);
    let joined_or_first = tenure.joined.min(as_of.plus(-1));
    let touched = visits.iter().rfind(|v| v.day < as_of).map_or(joined_or_first, |v| v.day);
    world.out.put(Patient {
        PatNum: number,
        LName: if member > 0 && dice.chance(70) { names::last(dice) } else { surname.clone() },
        FName: first_name.clone(),
        MiddleI: Cow::Borrowed(if dice.chance(200) { "Q" } else { "" }),
        Preferred: if dice.chance(120) { names::first(dice) } else { Cow::Borrowed("") },
        PatStatus: tenure.status,
        Gender: dice.between(0, 2).min(1) + i64::from(dice.chance(10)),
        Position: i64::from(member < 2) + 2 * i64::from(member >= 2),
        Birthdate: birth,
        Address: home.street.clone(),
        Address2: Cow::Borrowed(""),
        City: Cow::Borrowed(home.town),
        State: Cow::Borrowed("OR"),
        Zip: Cow::Owned(format!("{:05}", 97_000 + (index % 900))),
        HmPhone: home.phone.clone(),
        WkPhone: if dice.chance(150) { names::phone(dice) } else { Cow::Borrowed("") },
        WirelessPhone: person.mobile.clone(),
        Guarantor: home.guarantor,
        Email: if dice.chance(700) { names::email(&first_name, number) } else { Cow::Borrowed("") },
        PriProv: if dice.chance(10) { 0 } else { dentist },
        SecProv: if dice.chance(500) { *dice.pick(&world.staff.hygienists) } else { 0 },
        BillingType: *dice.pick(&def::BILLING),
        FamFinUrgNote: if member == 0 && dice.chance(90) {
            Some(names::note(dice))
        } else {
            dice.chance(500).then_some(Cow::Borrowed(""))
        },
        MedUrgNote: if alert { names::note(dice) } else { Cow::Borrowed("") },
        ApptModNote: if dice.chance(60) { names::note(dice) } else { Cow::Borrowed("") },
        Bal_0_30: cached,
        Bal_31_60: 0.0,
        Bal_61_90: 0.0,
        BalOver90: 0.0,
        InsEst: 0.0,
        BalTotal: cached,
        DateFirstVisit: first_visit,
        ClinicNum: if dice.chance(15) { 0 } else { home.clinic },
        HasIns: Cow::Borrowed(""),
        Premed: i64::from(alert && dice.chance(300)),
        PreferConfirmMethod: if person.texts { 8 } else { dice.between(0, 7) },
        PreferContactMethod: dice.between(0, 8),
        PreferRecallMethod: dice.between(0, 8),
        Language: Cow::Borrowed(*dice.pick(&["", "", "", "eng", "spa", "fra"])),
        AskToArriveEarly: if dice.chance(50) { 15 } else { 0 },
        TxtMsgOk: if person.texts { 1 } else { dice.between(0, 1) * 2 },
        SecDateEntry: joined_or_first,
        DateTStamp: world.stamp(touched.at(17 * 60 + dice.days(0, 59))),
    });
    if dice.chance(850) {
        world.out.put(PatientNote {
            PatNum: number,
            FamFinancial: dice.chance(60).then(|| names::note(dice)),
            Medical: alert.then(|| names::note(dice)),
            Service: dice.chance(100).then(|| names::note(dice)),
            MedicalComp: None,
            Treatment: dice.chance(100).then(|| names::note(dice)),
            ICEName: if dice.chance(300) { names::first(dice) } else { Cow::Borrowed("") },
            ICEPhone: if dice.chance(300) { names::phone(dice) } else { Cow::Borrowed("") },
            SecDateTEdit: world.stamp(joined_or_first.at(12 * 60)),
        });
    }
    person
}

fn refer(world: &mut World<'_>, dice: &mut Dice, person: &Person) {
    let count = [0, 1, 1, 1, 2][dice.index(5)];
    for order in 1..=count {
        let day = person.tenure.joined.min(world.as_of().plus(-1));
        world.out.put(RefAttach {
            RefAttachNum: world.keys.next(Key::RefAttach),
            ReferralNum: dice.between(1, REFERRALS),
            PatNum: person.number,
            ItemOrder: order,
            RefDate: if dice.chance(50) { Day::ZERO } else { day },
            // The first is often, but not always, the one who sent the patient.
            RefType: if order == 1 { i64::from(dice.chance(850)) } else { dice.between(0, 2) },
            RefToStatus: 0,
            DateTStamp: world.stamp(day.at(9 * 60 + 1)),
        });
    }
}

/// What each patient who has had a cleaning is due for.
fn recall(world: &mut World<'_>, dice: &mut Dice, person: &Person, visits: &[Visit]) {
    let cleaning = |v: &&Visit| matches!(v.purpose, Purpose::Hygiene | Purpose::NewPatient);
    let done = visits.iter().filter(cleaning).rfind(|v| v.fate == book::Fate::Complete);
    let Some(done) = done else { return };
    let as_of = world.as_of();
    let ahead = visits.iter().filter(cleaning).find(|v| v.day >= as_of && v.fate == book::Fate::Scheduled);
    let (kind, interval, days) = match (person.perio, person.age(as_of) < 14) {
        (true, _) => (3, 0x0003_0000, 91),
        (_, true) => (2, 0x0006_0001, 183),
        _ => (1, 0x0006_0001, 183),
    };
    let due = done.day.plus(days);
    let sick = dice.chance(40);
    let kinds = if dice.chance(300) { 2 } else { 1 };
    for also in 0..kinds {
        world.out.put(Recall {
            RecallNum: world.keys.scattered(Key::Recall, dice),
            PatNum: person.number,
            DateDueCalc: due,
            DateDue: if dice.chance(20) { Day::ZERO } else { due.plus(if dice.chance(50) { 30 } else { 0 }) },
            DatePrevious: done.day,
            RecallInterval: if also == 1 { 0x0100_0001 } else { interval },
            RecallStatus: if dice.chance(150) { *dice.pick(&def::UNSCHEDULED) } else { 0 },
            Note: if dice.chance(60) { Some(names::note(dice)) } else { None },
            IsDisabled: i64::from(sick || person.tenure.status != 0),
            RecallTypeNum: if also == 1 { 4 } else { kind },
            DisableUntilBalance: if dice.chance(15) { 100.005 } else { 0.0 },
            DisableUntilDate: if dice.chance(20) { as_of.plus(dice.days(-30, 60)) } else { Day::ZERO },
            DateScheduled: ahead.filter(|_| also == 0).map_or(Day::ZERO, |v| v.day),
            Priority: i64::from(dice.chance(20)),
            DateTStamp: world.stamp(done.day.at(17 * 60 + 30)),
        });
    }
}
