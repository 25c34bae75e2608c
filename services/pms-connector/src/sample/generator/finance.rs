//! What concerns a family's account as a whole: payment plans and statements.

use super::{
    Dice, Key, World, cents, def, dollars,
    family::Person,
    payments::{Share, pay},
    treatment::{Done, Story},
};
use crate::sample::{
    tables::{PayPlan, PayPlanCharge, Statement},
    value::Day,
};

/// Writes a family's payment plans and statements.
pub(super) fn write(world: &mut World<'_>, dice: &mut Dice, people: &[(Person, Story)]) {
    for (person, story) in people {
        let large = story.visits.iter().flatten().find(|d| d.amount > 600.0);
        if let Some(work) = large.filter(|_| dice.chance(140)) {
            plan(world, dice, person, work);
        }
    }
    let last = world.as_of().plus(-1);
    let visits = people.iter().flat_map(|(_, s)| &s.visits).filter_map(|v| v.first());
    for work in visits {
        if !dice.chance(150) {
            continue;
        }
        let sent = work.day.plus(30);
        let guarantor = people.first().map_or(0, |(p, _)| p.number);
        if sent <= last {
            world.out.put(Statement {
                StatementNum: world.keys.next(Key::Statement),
                PatNum: guarantor,
                DateSent: if dice.chance(20) { Day::ZERO } else { sent },
                Mode_: dice.between(0, 3),
                IsSent: i64::from(dice.chance(960)),
                IsReceipt: i64::from(dice.chance(100)),
                IsInvoice: 0,
                BalTotal: work.amount,
                InsEst: dollars(work.insured),
                DateTStamp: world.stamp(sent.at(11 * 60)),
            });
        }
    }
}

/// A plan for one procedure: a credit for the work, a debit each month, payments for most debits of the past. One in
/// eight is the insurer's, one in twelve is dynamic (its debits are computed elsewhere).
fn plan(world: &mut World<'_>, dice: &mut Dice, person: &Person, work: &Done) {
    let number = world.keys.next(Key::PayPlan);
    let insurer = person.coverage.first().filter(|_| dice.chance(125));
    let dynamic = insurer.is_none() && dice.chance(80);
    let owed = (cents(work.amount) - work.insured).max(12_000);
    let months = i64::from(dice.days(3, 18));
    let start = work.day.plus(dice.days(0, 14)).min(world.as_of().plus(-1));
    let over = start.plus(i32::try_from(months).unwrap_or(0) * 30) < world.as_of();
    world.out.put(PayPlan {
        PayPlanNum: number,
        PatNum: person.number,
        Guarantor: person.guarantor,
        PayPlanDate: start,
        PlanNum: insurer.map_or(0, |c| c.plan_number()),
        IsClosed: i64::from(over && dice.chance(700)),
        IsDynamic: i64::from(dynamic),
        PlanCategory: def::PLAN,
        CompletedAmt: dollars(owed),
    });
    let stamp = world.stamp(start.at(14 * 60 + 10));
    let charge = |world: &mut World<'_>, day: Day, cents: i64, interest: f64, kind: i64, procedure: i64| {
        let number_of_charge = world.keys.next(Key::PayPlanCharge);
        world.out.put(PayPlanCharge {
            PayPlanChargeNum: number_of_charge,
            PayPlanNum: number,
            Guarantor: person.guarantor,
            PatNum: person.number,
            ChargeDate: day,
            Principal: dollars(cents),
            Interest: interest,
            ProvNum: work.provider,
            ClinicNum: work.clinic,
            ChargeType: kind,
            ProcNum: procedure,
            SecDateTEdit: stamp,
        });
        number_of_charge
    };
    // The credit stands for the procedure, or for the account as a whole.
    let attached = if dice.chance(700) { work.procedure } else { 0 };
    charge(world, start, owed, 0.0, 1, attached);
    if dynamic {
        return;
    }
    let each = owed / months;
    for month in 0..months {
        let day = start.plus(30 * i32::try_from(month).unwrap_or(0));
        let part = if month + 1 == months { owed - each * (months - 1) } else { each };
        let interest = if insurer.is_none() && dice.chance(300) { 1.255 } else { 0.0 };
        let due = charge(world, day, part, interest, 0, 0);
        if insurer.is_none() && day < world.as_of() && dice.chance(850) {
            let share = Share {
                cents: part,
                patient: person.number,
                procedure: attached,
                proc_date: work.day,
                provider: work.provider,
                clinic: work.clinic,
                unearned: 0,
                plan: number,
                plan_charge: due,
                from: 0,
            };
            pay(world, dice, person.guarantor, def::PAY[2], day, &[share]);
        }
    }
}
