//! What patients pay: at the visit, later, ahead, back, and between providers. Every payment is the sum of its splits.

use std::borrow::Cow;

use super::{
    Dice, Key, World, cents, def, dollars,
    family::Person,
    names,
    treatment::{Done, Story},
};
use crate::sample::{
    tables::{PaySplit, Payment},
    value::Day,
};

/// A share of a payment.
pub(super) struct Share {
    pub cents: i64,
    pub patient: i64,
    pub procedure: i64,
    pub proc_date: Day,
    pub provider: i64,
    pub clinic: i64,
    pub unearned: i64,
    pub plan: i64,
    pub plan_charge: i64,
    /// The split that this one takes from.
    pub from: i64,
}

impl Share {
    /// A share for a procedure.
    fn of(person: &Person, work: &Done, cents: i64) -> Self {
        Share {
            cents,
            patient: person.number,
            procedure: work.procedure,
            proc_date: work.day,
            provider: work.provider,
            clinic: work.clinic,
            unearned: 0,
            plan: 0,
            plan_charge: 0,
            from: 0,
        }
    }

    /// The same without a procedure.
    fn loose(self) -> Self {
        Share { procedure: 0, proc_date: Day::ZERO, ..self }
    }
}

/// Writes a payment and its splits; tells the first split's key.
pub(super) fn pay(world: &mut World<'_>, dice: &mut Dice, payer: i64, kind: i64, day: Day, shares: &[Share]) -> i64 {
    let number = world.keys.next(Key::Payment);
    let entered = world.entered(dice, day);
    let stamp = world.stamp(entered.at(16 * 60 + 40));
    let online = kind == def::PAY[2] && dice.chance(120);
    let total: i64 = shares.iter().map(|s| s.cents).sum();
    let mut first = 0;
    for share in shares {
        let split = world.keys.scattered(Key::Split, dice);
        first = if first == 0 { split } else { first };
        world.out.put(PaySplit {
            SplitNum: split,
            SplitAmt: dollars(share.cents),
            PatNum: share.patient,
            ProcDate: share.proc_date,
            PayNum: number,
            ProvNum: if dice.chance(4) { 0 } else { share.provider },
            PayPlanNum: share.plan,
            // The split's own date may differ from its payment's.
            DatePay: if dice.chance(20) { day.plus(-dice.days(1, 40)) } else { day },
            ProcNum: share.procedure,
            DateEntry: entered,
            UnearnedType: share.unearned,
            ClinicNum: share.clinic,
            FSplitNum: share.from,
            AdjNum: 0,
            PayPlanChargeNum: share.plan_charge,
            SecDateTEdit: stamp,
        });
    }
    world.out.put(Payment {
        PayNum: number,
        PayType: kind,
        PayDate: day,
        PayAmt: dollars(total),
        CheckNum: if kind == def::PAY[0] {
            Cow::Owned(dice.between(100, 9_999).to_string())
        } else {
            Cow::Borrowed("")
        },
        PayNote: dice.chance(80).then(|| names::note(dice)),
        PatNum: payer,
        ClinicNum: shares.first().map_or(0, |s| s.clinic),
        DateEntry: entered,
        PaymentSource: if online { 13 } else { 0 },
        ProcessStatus: i64::from(online),
        ExternalId: if online { Cow::Owned(format!("cs-{:08x}", dice.bits())) } else { Cow::Borrowed("") },
        SecDateTEdit: stamp,
    });
    first
}

/// Writes what one patient's visits brought.
pub(super) fn write(world: &mut World<'_>, dice: &mut Dice, person: &Person, story: &Story) {
    let last = world.as_of().plus(-1);
    for visit in &story.visits {
        let Some(work) = visit.first() else { continue };
        let owed: Vec<(&Done, i64)> =
            visit.iter().map(|d| (d, (cents(d.amount) - d.insured).max(0))).filter(|(_, owed)| *owed > 0).collect();
        let roll = dice.between(0, 999);
        let (percent, wait) = match roll {
            0..=629 => (100, 0),
            630..=719 => (dice.between(20, 80), 0),
            720..=899 => (100, dice.days(18, 80)),
            _ => (0, 0),
        };
        let day = work.day.plus(wait);
        if percent > 0 && !owed.is_empty() && day <= last {
            let payer = if dice.chance(600) { person.guarantor } else { person.number };
            let loose = dice.chance(80);
            let shares: Vec<Share> = owed
                .iter()
                .map(|(d, owed)| Share::of(person, d, (owed * percent / 100).max(1)))
                .map(|s| if loose { s.loose() } else { s })
                .collect();
            let kind = *dice.pick(&def::PAY);
            pay(world, dice, payer, kind, day, &shares);
        }
        extras(world, dice, person, work, last);
    }
}

/// Prepayments and their later use, refunds, transfers between providers.
fn extras(world: &mut World<'_>, dice: &mut Dice, person: &Person, work: &Done, last: Day) {
    let later = work.day.plus(dice.days(1, 40));
    match dice.between(0, 199) {
        0..=4 => {
            let deposit = dice.between(20, 400) * 100;
            let ahead = Share { unearned: def::PREPAYMENT, ..Share::of(person, work, deposit).loose() };
            let split = pay(world, dice, person.number, def::PAY[1], work.day, &[ahead]);
            if later <= last && dice.chance(500) {
                let used = deposit / 2;
                let out = Share { unearned: def::PREPAYMENT, from: split, ..Share::of(person, work, -used).loose() };
                let in_ = Share { from: split, ..Share::of(person, work, used) };
                pay(world, dice, person.number, def::TRANSFER, later, &[out, in_]);
            }
        }
        5..=6 => {
            let deposit = Share { unearned: def::PREPAYMENT_HIDDEN, ..Share::of(person, work, 15_000).loose() };
            pay(world, dice, person.number, def::PAY[2], work.day, &[deposit]);
        }
        7..=8 if later <= last => {
            let back = Share::of(person, work, -dice.between(500, 9_000)).loose();
            pay(world, dice, person.number, def::REFUND, later, &[back]);
        }
        9..=11 if later <= last => {
            let moved = dice.between(1_000, 20_000);
            let out = Share::of(person, work, -moved);
            let in_ = Share { provider: person.dentist, ..Share::of(person, work, moved) };
            pay(world, dice, person.guarantor, def::TRANSFER, later, &[out, in_]);
        }
        _ => {}
    }
}
