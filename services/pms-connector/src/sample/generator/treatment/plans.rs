//! Treatment plans, and what becomes of planned work that no visit has done.

use std::borrow::Cow;

use super::{
    Chart, Key, claims,
    codes::{self, CODES},
    def, names,
};
use crate::sample::{
    generator::World,
    tables::{Appointment, ProcTp, Procedure, TreatPlan, TreatPlanAttach},
    value::{Day, Moment},
};

impl Chart<'_, '_, '_> {
    /// A plan as it was presented, with copies of its procedures.
    pub(super) fn saved_plan(&mut self, day: Day, rows: &[Procedure]) {
        let plan = self.world.keys.next(Key::Plan);
        let signed = self.dice.chance(600);
        self.world.out.put(TreatPlan {
            TreatPlanNum: plan,
            PatNum: self.person.number,
            DateTP: day,
            Heading: Cow::Borrowed("Proposed Treatment"),
            TPStatus: 0,
            UserNumPresenter: self.dice.between(0, 3),
            TPType: 0,
            DateTSigned: if signed { day.at(12 * 60) } else { Moment::ZERO },
            DateTPracticeSigned: Moment::ZERO,
            SecDateTEdit: self.world.stamp(day.at(12 * 60)),
        });
        for (order, row) in (0..).zip(rows) {
            plan_line(self.world, plan, order, row, &CODES[codes::place_of(row.CodeNum)], day);
        }
    }

    /// What is still planned at the end: written with its status, planned appointments and the active plan.
    pub(super) fn leftovers(&mut self) {
        let mut open = Vec::new();
        let mut parked: Option<(i64, i64)> = None;
        for mut planned in std::mem::take(&mut self.planned) {
            match self.dice.between(0, 99) {
                0..=6 => planned.row.ProcStatus = 6,
                7..=12 => planned.row.ProcStatus = 8,
                13 => planned.row.ProcStatus = *self.dice.pick(&[3, 4, 5, 7]),
                _ => {}
            }
            if planned.row.ProcStatus == 1 {
                if planned.row.AptNum == 0 {
                    let known = parked.filter(|(set, _)| *set == planned.set).map(|(_, apt)| apt);
                    planned.row.PlannedAptNum = match known {
                        Some(apt) => apt,
                        None if self.dice.chance(350) => self.park(&planned.row),
                        None => 0,
                    };
                    parked = (planned.row.PlannedAptNum != 0).then_some((planned.set, planned.row.PlannedAptNum));
                }
                claims::estimate(self.world, self.dice, self.person, &planned.row);
                open.push((planned.row.ProcNum, planned.row.Priority));
            }
            self.put(planned.row);
        }
        if open.is_empty() && !self.dice.chance(30) {
            return;
        }
        let (plan, day) =
            (self.world.keys.next(Key::Plan), self.person.tenure.joined.max(self.world.config.first_day()));
        let day = day.min(self.world.as_of().plus(-1));
        self.world.out.put(TreatPlan {
            TreatPlanNum: plan,
            PatNum: self.person.number,
            DateTP: Day::ZERO,
            Heading: Cow::Borrowed("Active Treatment Plan"),
            TPStatus: if open.is_empty() { 2 } else { 1 },
            SecDateTEdit: self.world.stamp(day.at(12 * 60 + 2)),
            ..TreatPlan::default()
        });
        for (procedure, priority) in open {
            self.world.out.put(TreatPlanAttach {
                TreatPlanAttachNum: self.world.keys.next(Key::PlanLink),
                TreatPlanNum: plan,
                ProcNum: procedure,
                Priority: priority,
            });
        }
    }

    /// Puts planned work on a planned appointment, and sometimes that on the unscheduled list.
    fn park(&mut self, work: &Procedure) -> i64 {
        let planned = self.world.keys.next(Key::Appointment);
        let made = work.DateTP.at(14 * 60);
        let base = Appointment {
            PatNum: self.person.number,
            Pattern: Cow::Borrowed("/XXXXXXXXXX/"),
            Confirmed: def::CONFIRMED[0],
            ProvNum: work.ProvNum,
            ClinicNum: work.ClinicNum,
            SecDateTEntry: made,
            DateTStamp: self.world.stamp(made),
            ..Appointment::default()
        };
        let zero = self.dice.chance(500);
        self.world.out.put(Appointment {
            AptNum: planned,
            AptStatus: 6,
            AptDateTime: if zero { Moment::ZERO } else { made },
            ..base.clone()
        });
        if self.dice.chance(250) {
            self.world.out.put(Appointment {
                AptNum: self.world.keys.next(Key::Appointment),
                AptStatus: 3,
                AptDateTime: if self.dice.chance(300) { Moment::ZERO } else { work.DateTP.plus(14).at(10 * 60) },
                NextAptNum: planned,
                UnschedStatus: *self.dice.pick(&def::UNSCHEDULED),
                ..base.clone()
            });
        }
        if self.dice.chance(120) {
            let kind = *self.dice.pick(&[7, 8]);
            self.world.out.put(Appointment {
                AptNum: self.world.keys.next(Key::Appointment),
                AptStatus: kind,
                Pattern: Cow::Borrowed("/"),
                Op: self.world.staff.chairs[0].number,
                AptDateTime: work.DateTP.at(7 * 60 + 30),
                Note: Some(names::note(self.dice)),
                ..base
            });
        }
        planned
    }
}

fn plan_line(world: &mut World<'_>, plan: i64, order: i64, row: &Procedure, code: &codes::Code, day: Day) {
    let units = f64::from(u32::try_from(row.UnitQty + row.BaseUnits).unwrap_or(0));
    let fee = row.ProcFee * units;
    world.out.put(ProcTp {
        ProcTPNum: world.keys.next(Key::PlanLine),
        TreatPlanNum: plan,
        PatNum: row.PatNum,
        ProcNumOrig: row.ProcNum,
        ItemOrder: order,
        Priority: row.Priority,
        ToothNumTP: row.ToothNum.clone(),
        Surf: row.Surf.clone(),
        ProcCode: Cow::Borrowed(code.code),
        Descript: Cow::Borrowed(code.text),
        FeeAmt: fee,
        PriInsAmt: fee / 2.0,
        SecInsAmt: 0.0,
        PatAmt: fee - fee / 2.0,
        Discount: row.Discount,
        ProvNum: row.ProvNum,
        DateTP: day,
        ClinicNum: row.ClinicNum,
        SecDateTEdit: world.stamp(day.at(12 * 60 + 1)),
    });
}
