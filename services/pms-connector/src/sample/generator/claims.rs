//! Insurance: estimates, claims, what comes back, and the checks that bring it.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    Dice, Key, World, cents,
    codes::{CODES, place_of},
    def, dollars,
    family::{Coverage, Person, carrier_name},
    treatment::Done,
};
use crate::sample::{
    tables::{Claim, ClaimPayment, ClaimProc, Procedure},
    value::Day,
};

/// Checks under way: one for each carrier, week and location.
#[derive(Default)]
pub(super) struct Checks {
    open: BTreeMap<(usize, i32, i64), (i64, Day)>,
    /// What each pays, in cents.
    cents: BTreeMap<i64, i64>,
}

/// "Not set" in the estimate columns.
const UNSET: f64 = -1.0;

/// What a plan is expected to pay and to write off, in cents.
fn expected(cover: &Coverage, code: usize, amount: f64) -> (i64, i64) {
    let fee = cents(amount);
    if cover.capitation() {
        return (0, fee * 6 / 10);
    }
    let lowered = if cover.lowers_fees() { fee * 18 / 100 } else { 0 };
    let share = [100, 100, 80, 50, 80, 80, 50, 80, 0, 0][usize::try_from(CODES[code].group).unwrap_or(9)];
    if share == 0 { (0, 0) } else { ((fee - lowered) * share / 100, lowered) }
}

fn line(person: &Person, cover: &Coverage, procedure: i64, provider: i64, clinic: i64, day: Day) -> ClaimProc {
    ClaimProc {
        ProcNum: procedure,
        PatNum: person.number,
        ProvNum: provider,
        PlanNum: cover.plan_number(),
        ProcDate: day,
        InsEstTotalOverride: UNSET,
        WriteOffEst: UNSET,
        WriteOffEstOverride: UNSET,
        ClinicNum: clinic,
        InsSubNum: cover.subscription,
        ..ClaimProc::default()
    }
}

/// Estimates of planned work, now and then overridden, and now and then a preauthorization.
pub(super) fn estimate(world: &mut World<'_>, dice: &mut Dice, person: &Person, row: &Procedure) {
    let code = place_of(row.CodeNum);
    let units = f64::from(u32::try_from(row.UnitQty + row.BaseUnits).unwrap_or(0));
    let covers: Vec<Coverage> = person.insured(row.DateTP).cloned().collect();
    let stamp = world.stamp(row.DateTP.at(13 * 60));
    for cover in covers.iter().take(2) {
        let (pays, off) = expected(cover, code, row.ProcFee * units);
        let base = ClaimProc {
            ClaimProcNum: world.keys.scattered(Key::ClaimLine, dice),
            Status: if cover.capitation() { 8 } else { 6 },
            InsPayEst: dollars(pays),
            InsEstTotal: dollars(pays),
            InsEstTotalOverride: if dice.chance(50) { dollars(pays / 2) } else { UNSET },
            WriteOffEst: if cover.capitation() || cover.lowers_fees() { dollars(off) } else { UNSET },
            WriteOffEstOverride: if dice.chance(40) { dollars(off / 2) } else { UNSET },
            DateEntry: row.DateTP,
            SecDateTEdit: stamp,
            ..line(person, cover, row.ProcNum, row.ProvNum, row.ClinicNum, row.ProcDate)
        };
        world.out.put(base.clone());
        if dice.chance(60) && !cover.capitation() {
            let claim = world.keys.next(Key::Claim);
            let back = dice.chance(500);
            world.out.put(Claim {
                ClaimNum: claim,
                PatNum: person.number,
                DateService: row.DateTP,
                DateSent: row.DateTP,
                DateSentOrig: row.DateTP,
                ClaimStatus: Cow::Borrowed(if back { "R" } else { "S" }),
                DateReceived: if back { row.DateTP.plus(20).min(world.as_of().plus(-1)) } else { Day::ZERO },
                PlanNum: cover.plan_number(),
                ProvTreat: row.ProvNum,
                ProvBill: row.ProvNum,
                ClaimFee: row.ProcFee,
                InsPayEst: dollars(pays),
                ClaimType: Cow::Borrowed("PreAuth"),
                ClinicNum: row.ClinicNum,
                InsSubNum: cover.subscription,
                SecDateTEdit: stamp,
                ..Claim::default()
            });
            world.out.put(ClaimProc {
                ClaimProcNum: world.keys.next(Key::ClaimLine),
                ClaimNum: claim,
                Status: 2,
                FeeBilled: row.ProcFee,
                ..base
            });
        }
    }
}

/// What came back for a claim.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Unsent,
    Waiting,
    Paid,
    Short,
    Rejected,
    /// Received, but no check is entered yet.
    NoCheck,
    /// Entered ahead, dated after the current date.
    Ahead,
}

/// Claims for a visit's completed work; sets what each procedure's insurance is expected to bring.
pub(super) fn write(world: &mut World<'_>, dice: &mut Dice, person: &Person, done: &mut [Done]) {
    let Some(day) = done.first().map(|d| d.day) else { return };
    let covers: Vec<Coverage> = person.insured(day).take(2).cloned().collect();
    for (ordinal, cover) in covers.iter().enumerate() {
        if cover.capitation() {
            for work in done.iter_mut() {
                let (_, off) = expected(cover, work.code, work.amount);
                work.insured += off;
                let entered = world.entered(dice, day);
                world.out.put(ClaimProc {
                    ClaimProcNum: world.keys.next(Key::ClaimLine),
                    Status: 7,
                    WriteOff: dollars(off),
                    DateCP: day,
                    DateEntry: entered,
                    SecDateTEdit: world.stamp(entered.at(15 * 60)),
                    ..line(person, cover, work.procedure, work.provider, work.clinic, day)
                });
            }
            if dice.chance(50) {
                claim(world, dice, person, cover, done, ordinal, true);
            }
            continue;
        }
        claim(world, dice, person, cover, done, ordinal, false);
    }
}

fn answer(dice: &mut Dice, age: i32, ordinal: usize) -> Answer {
    let roll = dice.between(0, 999);
    match (age, ordinal) {
        (..=3, _) if roll < 800 => Answer::Unsent,
        (..=20, _) if roll < 780 => Answer::Waiting,
        (_, 1) if roll < 150 => Answer::Unsent,
        _ => match roll {
            780..=829 => Answer::Waiting,
            830..=839 => Answer::Unsent,
            840..=909 => Answer::Short,
            910..=939 => Answer::Rejected,
            940..=969 => Answer::NoCheck,
            970..=974 if age < 90 => Answer::Ahead,
            _ => Answer::Paid,
        },
    }
}

fn claim(
    world: &mut World<'_>,
    dice: &mut Dice,
    person: &Person,
    cover: &Coverage,
    done: &mut [Done],
    ordinal: usize,
    by_head: bool,
) {
    let as_of = world.as_of();
    let billed: Vec<usize> =
        (0..done.len()).filter(|&d| CODES[done[d].code].group < 9 && done[d].amount > 0.0).collect();
    let Some(first) = billed.first().map(|&d| done[d].clone()) else { return };
    let day = first.day;
    let age = as_of.0 - day.0;
    let answer = if by_head { Answer::Paid } else { answer(dice, age, ordinal) };
    let number = world.keys.next(Key::Claim);
    let sent = day.plus(dice.days(0, 3)).min(as_of.plus(-1));
    let back = match answer {
        Answer::Ahead => as_of.plus(dice.days(2, 12)),
        _ => sent.plus(dice.days(9, 45)).min(as_of.plus(-1)),
    };
    let received = !matches!(answer, Answer::Unsent | Answer::Waiting);
    let check = (received && !by_head && answer != Answer::NoCheck && answer != Answer::Rejected)
        .then(|| check(world, dice, cover, first.clinic, back));
    let stamp = world.stamp(if received { back } else { sent }.at(15 * 60 + 7));
    let (mut fee, mut estimate, mut paid, mut lowered) = (0.0, 0, 0, 0);
    for &place in &billed {
        let work = done[place].clone();
        let (mut pays, mut off) = expected(cover, work.code, work.amount);
        if ordinal == 1 {
            // The second insurance pays part of the rest and lowers nothing.
            pays = (cents(work.amount) - work.insured).max(0) / 2;
            off = 0;
        }
        // A tenth of what was asked is left out of a short payment.
        let comes = match answer {
            Answer::Short => pays * dice.between(30, 85) / 100,
            Answer::Paid | Answer::NoCheck | Answer::Ahead if !by_head => pays,
            _ => 0,
        };
        let off_now = if answer == Answer::Rejected { 0 } else { off };
        // By head, the capitation lines carry the write-off already.
        let off_now = if by_head { 0 } else { off_now };
        let entered = if received { back.min(as_of.plus(-1)) } else { sent };
        let row = ClaimProc {
            ClaimProcNum: world.keys.scattered(Key::ClaimLine, dice),
            ClaimNum: number,
            FeeBilled: work.amount,
            InsPayEst: dollars(pays),
            Status: if by_head { 5 } else { i64::from(received) },
            InsPayAmt: if received { dollars(comes) } else { 0.0 },
            Remarks: Cow::Borrowed(match answer {
                Answer::Short => "over the allowance",
                Answer::Rejected => "not covered",
                _ => "",
            }),
            ClaimPaymentNum: if received { check.unwrap_or(0) } else { 0 },
            DateCP: if received { back } else { day },
            WriteOff: dollars(off_now),
            DateEntry: entered,
            InsEstTotal: dollars(pays),
            WriteOffEst: if cover.lowers_fees() { dollars(off) } else { UNSET },
            SecDateTEdit: stamp,
            ..line(person, cover, work.procedure, work.provider, work.clinic, day)
        };
        if let Some(check) = check.filter(|_| received) {
            pay_by(world, check, comes);
        }
        if received && !by_head {
            paid += comes;
            supplement(world, dice, &row, as_of);
        }
        world.out.put(row);
        done[place].insured += if received { comes + off_now } else { pays + off };
        fee += work.amount;
        estimate += pays;
        lowered += off_now;
    }
    // A payment by total: a line of no procedure.
    if answer == Answer::Paid && !by_head && dice.chance(15) {
        let row = line(person, cover, 0, first.provider, first.clinic, day);
        world.out.put(ClaimProc {
            ClaimProcNum: world.keys.next(Key::ClaimLine),
            ClaimNum: number,
            Status: 1,
            InsPayAmt: 12.34,
            ClaimPaymentNum: check.unwrap_or(0),
            DateCP: back,
            DateEntry: back,
            SecDateTEdit: stamp,
            ..row
        });
        paid += 1_234;
        if let Some(check) = check {
            pay_by(world, check, 1_234);
        }
    }
    oddities(world, dice, person, cover, &first);
    let waiting = *dice.pick(&["U", "W", "W", "H"]);
    world.out.put(Claim {
        ClaimNum: number,
        PatNum: person.number,
        DateService: day,
        DateSent: if answer == Answer::Unsent || dice.chance(30) { Day::ZERO } else { sent },
        ClaimStatus: Cow::Borrowed(match (answer, ordinal) {
            (Answer::Unsent, 1) => "H",
            (Answer::Unsent, _) => waiting,
            (Answer::Waiting, _) => "S",
            _ => "R",
        }),
        DateReceived: if received { back } else { Day::ZERO },
        PlanNum: cover.plan_number(),
        ProvTreat: first.provider,
        ClaimFee: fee,
        InsPayEst: dollars(estimate),
        InsPayAmt: dollars(paid),
        DedApplied: 0.0,
        ReasonUnderPaid: Cow::Borrowed(if answer == Answer::Short { "Short" } else { "" }),
        ClaimType: Cow::Borrowed(if by_head { "Cap" } else { ["P", "S"][ordinal.min(1)] }),
        ProvBill: world.staff.dentists[0],
        WriteOff: dollars(lowered),
        ClinicNum: first.clinic,
        InsSubNum: cover.subscription,
        DateSentOrig: if answer == Answer::Unsent { Day::ZERO } else { sent },
        DateResent: if answer == Answer::Waiting && dice.chance(200) {
            sent.plus(1).min(as_of.plus(-1))
        } else {
            Day::ZERO
        },
        SecDateTEdit: stamp,
    });
}

/// A second, later answer on a line, sometimes taking money back.
fn supplement(world: &mut World<'_>, dice: &mut Dice, row: &ClaimProc, as_of: Day) {
    if row.ClaimPaymentNum == 0 || !dice.chance(25) {
        return;
    }
    let amount = if dice.chance(250) { -250 } else { 845 };
    pay_by(world, row.ClaimPaymentNum, amount);
    world.out.put(ClaimProc {
        ClaimProcNum: world.keys.next(Key::ClaimLine),
        Status: 4,
        InsPayEst: 0.0,
        InsPayAmt: dollars(amount),
        WriteOff: if dice.chance(300) { 3.335 } else { 0.0 },
        InsEstTotal: 0.0,
        WriteOffEst: UNSET,
        DateCP: row.DateCP.plus(10).min(as_of.plus(-1)).max(row.DateCP),
        ..row.clone()
    });
}

/// Lines that are on no claim: what was used of a benefit elsewhere, and history from another office.
fn oddities(world: &mut World<'_>, dice: &mut Dice, person: &Person, cover: &Coverage, work: &Done) {
    let kind = match dice.between(0, 299) {
        0 => 3,
        1 => 9,
        2 => 6,
        _ => return,
    };
    let procedure = if kind == 3 { 0 } else { work.procedure };
    world.out.put(ClaimProc {
        ClaimProcNum: world.keys.next(Key::ClaimLine),
        Status: kind,
        InsPayAmt: if kind == 3 { 150.0 } else { 0.0 },
        InsEstTotal: if kind == 6 { 40.0 } else { 0.0 },
        InsPayEst: if kind == 6 { 40.0 } else { 0.0 },
        DateEntry: work.day,
        SecDateTEdit: world.stamp(work.day.at(15 * 60 + 30)),
        ..line(person, cover, procedure, work.provider, work.clinic, work.day)
    });
}

/// The check that pays a carrier's claims of a week and location.
fn check(world: &mut World<'_>, dice: &mut Dice, cover: &Coverage, clinic: i64, date: Day) -> i64 {
    // Dates ahead stand alone, so that no check mixes past and future.
    let ahead = date > world.as_of();
    let week = if ahead { date.0 } else { date.0.div_euclid(7) };
    let key = (cover.carrier() + if ahead { 100 } else { 0 }, week, clinic);
    let next = 900 + i64::try_from(world.checks.open.len()).unwrap_or(0);
    // The check is dated some days after the first line that it pays, seldom before.
    let shift = if ahead { 0 } else { dice.days(-1, 4) };
    let dated = if ahead { date } else { date.plus(shift).min(world.as_of().plus(-1)) };
    world.checks.open.entry(key).or_insert((next, dated)).0
}

fn pay_by(world: &mut World<'_>, number: i64, cents: i64) {
    *world.checks.cents.entry(number).or_default() += cents;
}

/// Writes the checks, when all that they pay is known.
pub(super) fn write_checks(world: &mut World<'_>) {
    let mut dice = Dice::new(world.config.seed, "checks", 0);
    let checks = std::mem::take(&mut world.checks);
    for ((carrier, _, clinic), (number, date)) in checks.open {
        world.out.put(ClaimPayment {
            ClaimPaymentNum: number,
            CheckDate: date,
            CheckAmt: dollars(checks.cents.get(&number).copied().unwrap_or(0)),
            CheckNum: Cow::Owned(format!("{:08}", dice.bits() % 100_000_000)),
            ClinicNum: clinic,
            CarrierName: carrier_name(carrier % 100),
            DateIssued: if dice.chance(500) { Day::ZERO } else { date.plus(-2) },
            IsPartial: i64::from(dice.chance(30)),
            PayType: *dice.pick(&def::INSURANCE_PAY),
            SecDateTEdit: world.stamp(date.at(14 * 60)),
        });
    }
}
