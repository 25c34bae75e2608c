//! Visits as the chart shows them: appointments, their history, the work done and planned, treatment plans.

mod plans;

use std::borrow::Cow;

use super::{
    Dice, Key, World,
    book::{Fate, Purpose, Visit},
    claims,
    codes::{self, Area, CODES},
    def,
    family::Person,
    names,
    staff::LOST_PROVIDER,
};
use crate::sample::{
    tables::{Adjustment, Appointment, HistAppointment, Procedure, SecurityLog},
    value::{Day, Moment, Text},
};

/// Completed work, as claims and payments see it.
#[derive(Clone)]
pub(crate) struct Done {
    pub procedure: i64,
    /// Its place among the codes.
    pub code: usize,
    /// The fee times the units, in dollars; may have parts of a cent.
    pub amount: f64,
    pub provider: i64,
    pub clinic: i64,
    pub day: Day,
    /// What insurance is expected to pay and to write off, in cents.
    pub insured: i64,
}

/// One patient's completed work, visit by visit.
pub(crate) struct Story {
    pub visits: Vec<Vec<Done>>,
}

/// Work found and not done yet.
struct Planned {
    row: Procedure,
    set: i64,
}

struct Chart<'a, 'b, 'w> {
    world: &'a mut World<'w>,
    dice: &'a mut Dice,
    person: &'b Person,
    planned: Vec<Planned>,
    sets: i64,
    visits: Vec<Vec<Done>>,
    images: Day,
    seen: bool,
}

/// Writes one patient's chart.
pub(crate) fn write(world: &mut World<'_>, dice: &mut Dice, person: &Person, visits: &[Visit]) -> Story {
    let seen = person.tenure.joined < world.config.first_day();
    let mut chart =
        Chart { world, dice, person, planned: Vec::new(), sets: 0, visits: Vec::new(), images: Day::ZERO, seen };
    for visit in visits {
        chart.visit(visit);
    }
    chart.leftovers();
    Story { visits: chart.visits }
}

impl Chart<'_, '_, '_> {
    fn visit(&mut self, visit: &Visit) {
        let chair = &self.world.staff.chairs[usize::from(visit.chair)];
        let dentist = self.world.staff.dentist(usize::from(visit.chair), visit.day);
        let dentist = if self.dice.chance(4) { self.world.staff.hidden } else { dentist };
        let (number, clinic, hygienist) = (chair.number, chair.clinic, chair.hygienist);
        let hygiene = matches!(visit.purpose, Purpose::Hygiene | Purpose::NewPatient);
        let at = visit.day.at(i32::from(visit.start));
        let as_of = self.world.as_of();
        let booked = Moment((at.0 - i64::from(self.dice.days(0, 180)) * 86_400).min(as_of.plus(-1).at(9 * 60).0));
        let done = visit.fate == Fate::Complete;
        let asap = visit.fate == Fate::Scheduled && self.dice.chance(40);
        let status = match visit.fate {
            Fate::Complete => 2,
            Fate::Missed | Fate::Cancelled => 5,
            _ if asap => 4,
            _ => 1,
        };
        let touched = if done { Moment(at.0 + i64::from(visit.units) * 300) } else { booked };
        let row = Appointment {
            AptNum: self.world.keys.next(Key::Appointment),
            PatNum: self.person.number,
            AptStatus: status,
            Pattern: pattern(visit.units, hygiene, self.dice),
            Confirmed: if done { def::CONFIRMED[4] } else { def::CONFIRMED[self.dice.index(4)] },
            Op: number,
            Note: self.dice.chance(60).then(|| names::note(self.dice)),
            ProvNum: if self.dice.chance(3) { 0 } else { dentist },
            // Sometimes the front desk forgets the hygienist, or sets one where the dentist works.
            ProvHyg: if hygiene && !self.dice.chance(30) || self.dice.chance(10) { hygienist } else { 0 },
            AptDateTime: at,
            IsNewPatient: i64::from(visit.purpose == Purpose::NewPatient) | i64::from(self.dice.chance(3)),
            ProcDescript: Some(Cow::Borrowed(if hygiene { "PEx, Pro" } else { "Tx" })),
            ClinicNum: clinic,
            IsHygiene: i64::from(hygiene && !self.dice.chance(8)),
            DateTimeArrived: if done { Moment(at.0 - 300) } else { Moment::ZERO },
            DateTimeSeated: if done { Moment(at.0 + 120) } else { Moment::ZERO },
            DateTimeDismissed: if done && self.dice.chance(950) { touched } else { Moment::ZERO },
            AppointmentTypeNum: match visit.purpose {
                Purpose::Hygiene => 1,
                Purpose::NewPatient => 2,
                Purpose::Work => 3,
                Purpose::Emergency => 4,
            },
            SecDateTEntry: booked,
            Priority: i64::from(self.dice.chance(20)),
            DateTStamp: self.world.stamp(touched),
            ..Appointment::default()
        };
        let apt = row.AptNum;
        self.history(&row, visit, booked);
        if visit.fate == Fate::Deleted {
            return;
        }
        self.world.out.put(row);
        let provider = if hygiene && hygienist != 0 { hygienist } else { dentist };
        let day = visit.day;
        match visit.fate {
            Fate::Complete => self.complete(visit, apt, provider, dentist, clinic),
            Fate::Missed | Fate::Cancelled => self.broken(visit, apt, dentist, clinic),
            _ if hygiene && self.dice.chance(900) => {
                let main = self.cleaning(day);
                for code in ["D0120", main] {
                    let row = self.procedure(codes::place(code), day, 1, provider, clinic);
                    self.put(Procedure { AptNum: apt, DateTP: booked.day(), ..row });
                }
            }
            Fate::Scheduled | Fate::Unmarked => {
                if let Some(set) = self.planned.iter().find(|p| p.row.AptNum == 0).map(|p| p.set) {
                    self.planned.iter_mut().filter(|p| p.set == set).for_each(|p| p.row.AptNum = apt);
                }
            }
            Fate::Deleted => {}
        }
    }

    /// What is left of changes to an appointment.
    fn history(&mut self, row: &Appointment, visit: &Visit, booked: Moment) {
        let action = match visit.fate {
            // Most who miss are logged, some are not.
            Fate::Missed if self.dice.chance(800) => Some((2, row.AptDateTime)),
            Fate::Cancelled if self.dice.chance(800) => {
                let early = i64::from(self.dice.days(1, 72)) * 3_600;
                let late = self.world.as_of().plus(-1).at(600);
                Some((3, Moment((row.AptDateTime.0 - early).min(late.0))))
            }
            Fate::Deleted => Some((4, Moment(booked.0 + 3_600))),
            _ if self.dice.chance(150) => Some((1, Moment(booked.0 + 1_800))),
            _ => None,
        };
        let created = self.dice.chance(250).then_some((0, booked));
        for (action, at) in created.into_iter().chain(action) {
            self.world.out.put(HistAppointment {
                HistApptNum: self.world.keys.next(Key::History),
                HistDateTStamp: at,
                HistApptAction: action,
                AptNum: row.AptNum,
                PatNum: row.PatNum,
                AptStatus: if action == 0 { 1 } else { row.AptStatus },
                Op: row.Op,
                ProvNum: row.ProvNum,
                ProvHyg: row.ProvHyg,
                AptDateTime: row.AptDateTime,
                ClinicNum: row.ClinicNum,
                IsHygiene: row.IsHygiene,
                Pattern: row.Pattern.clone(),
                DateTStamp: self.world.stamp(at),
            });
        }
        if visit.fate == Fate::Deleted {
            self.world.out.put(SecurityLog {
                SecurityLogNum: self.world.keys.next(Key::SecurityLog),
                PermType: 27,
                UserNum: 1,
                LogDateTime: Moment(booked.0 + 3_600),
                LogText: Some(names::note(self.dice)),
                PatNum: row.PatNum,
                FKey: row.AptNum,
            });
        }
    }

    fn complete(&mut self, visit: &Visit, apt: i64, provider: i64, dentist: i64, clinic: i64) {
        let day = visit.day;
        let mut done: Vec<Done> = Vec::new();
        let mut extra: Vec<(&str, i64)> = Vec::new();
        let fresh = visit.purpose == Purpose::NewPatient || !self.seen;
        match visit.purpose {
            Purpose::Hygiene | Purpose::NewPatient => {
                extra.push((if fresh { "D0150" } else { "D0120" }, dentist));
                if fresh {
                    extra.push(("D0210", provider));
                } else if self.images.is_zero() || day.0 - self.images.0 > 330 {
                    extra.push(("D0274", provider));
                    self.images = day;
                }
                extra.push((self.cleaning(day), provider));
                if self.person.age(day) < 16 || self.dice.chance(450) {
                    extra.push(("D1206", provider));
                }
                if self.dice.chance(400) {
                    extra.push((*self.dice.pick(&["D1330", "D1310", "D4381", "D4921", "D1351"]), provider));
                }
            }
            Purpose::Work | Purpose::Emergency => {
                match self.planned.iter().find(|p| p.row.AptNum == 0).map(|p| p.set) {
                    Some(set) => {
                        done.append(&mut self.finish(set, apt, day, dentist));
                        if self.dice.chance(350) {
                            extra.push((*self.dice.pick(&["D9230", "D0220", "D0170"]), dentist));
                        }
                    }
                    None => {
                        extra.push(("D0140", dentist));
                        extra.push(("D0220", dentist));
                        if self.dice.chance(500) {
                            extra.push((*self.dice.pick(&["D7140", "D9110", "D2391", "D2920", "D3310"]), dentist));
                        }
                    }
                }
            }
        }
        match self.dice.between(0, 99) {
            0..=2 => extra.push(("Z4000", provider)),
            3..=4 => extra.push(("ZNOTE", provider)),
            5 => extra.push(("ZLAB", dentist)),
            6 => extra.push(("D01X", provider)),
            7 => extra.push(("D9223", dentist)),
            _ => {}
        }
        for (code, who) in extra {
            // Rows are entered without an appointment now and then, or by someone unknown.
            let who = match self.dice.between(0, 999) {
                0..=2 => 0,
                3 => LOST_PROVIDER,
                _ => who,
            };
            let row = self.procedure(codes::place(code), day, 2, who, clinic);
            let row = Procedure { AptNum: if self.dice.chance(30) { 0 } else { apt }, ..row };
            done.push(self.finished(row));
        }
        self.seen = true;
        claims::write(self.world, self.dice, self.person, &mut done);
        if matches!(visit.purpose, Purpose::Hygiene | Purpose::NewPatient) && self.dice.chance(650) {
            self.find(day, dentist, clinic);
        }
        self.visits.push(done);
    }

    /// A broken appointment: with its code, with a fee, or with nothing but its status.
    fn broken(&mut self, visit: &Visit, apt: i64, dentist: i64, clinic: i64) {
        let (day, as_of) = (visit.day, self.world.as_of());
        if day < as_of && self.dice.chance(550) {
            let code = if visit.fate == Fate::Missed { "D9986" } else { "D9987" };
            let row = self.procedure(codes::place(code), day, 2, dentist, clinic);
            let done = self.finished(Procedure { AptNum: apt, ..row });
            if self.dice.chance(300) {
                self.visits.push(vec![done]);
            }
        } else if day < as_of && self.dice.chance(400) {
            self.adjust(day, 35.0, def::BROKEN_FEE, dentist, clinic, 0, Day::ZERO);
        }
        if let Some(set) = self.planned.iter().find(|p| p.row.AptNum == 0).map(|p| p.set)
            && self.dice.chance(300)
        {
            self.planned.iter_mut().filter(|p| p.set == set).for_each(|p| p.row.AptNum = apt);
        }
    }

    /// The code of a regular cleaning.
    fn cleaning(&mut self, day: Day) -> &'static str {
        match (self.person.perio, self.person.age(day) < 14) {
            (true, _) => "D4910",
            (_, true) => "D1120",
            _ if self.dice.chance(25) => "D4346",
            _ => "D1110",
        }
    }

    /// A row of a code with fee, units, tooth and surface.
    fn procedure(&mut self, code: usize, day: Day, status: i64, provider: i64, clinic: i64) -> Procedure {
        let what = &CODES[code];
        let entered = self.world.entered(self.dice, day);
        // Fees come from schedules; some were computed and have parts of a cent.
        let fee = match self.dice.between(0, 199) {
            0 => super::dollars(what.cents) / 3.0 * 2.0,
            1 => 33.335,
            2 => super::dollars(what.cents) + 0.005,
            3 => 0.0,
            _ => super::dollars(what.cents),
        };
        let (units, base) = match (what.code, self.dice.between(0, 399)) {
            ("D9223", _) => (self.dice.between(2, 6), 0),
            ("ZLAB", _) => (0, 0),
            ("Z4000", _) => (self.dice.between(1, 3), 0),
            (_, 0) => (0, 0),
            (_, 1) => (0, 1),
            (_, 2) => (1, 1),
            (_, 3) => (2, 0),
            _ => (1, 0),
        };
        let tooth = matches!(what.area, Area::Tooth | Area::Surface);
        let past = day < self.world.as_of();
        Procedure {
            ProcNum: self.world.keys.next(Key::Procedure),
            PatNum: self.person.number,
            ProcDate: day,
            ProcFee: fee,
            Surf: match what.area {
                Area::Surface => Cow::Borrowed(*self.dice.pick(&["O", "MO", "DO", "MOD", "B", "F-L"])),
                Area::Quadrant => Cow::Borrowed(*self.dice.pick(&["UR", "UL", "LL", "LR"])),
                _ => Cow::Borrowed(""),
            },
            ToothNum: if tooth { Cow::Owned(self.dice.between(1, 32).to_string()) } else { Cow::Borrowed("") },
            ToothRange: Cow::Borrowed(if what.area == Area::Range { "1,2,3,14,15" } else { "" }),
            Priority: if status == 1 { def::PRIORITY[self.dice.index(4)] } else { 0 },
            ProcStatus: status,
            ProvNum: provider,
            ClinicNum: if self.dice.chance(10) { 0 } else { clinic },
            CodeNum: codes::number(code),
            UnitQty: units,
            BaseUnits: base,
            DateTP: day.min(self.world.as_of().plus(-1)),
            DateEntryC: if status == 2 { entered } else { Day::ZERO },
            DateComplete: if status == 2 { day } else { Day::ZERO },
            Discount: if self.dice.chance(12) { 12.5 } else { 0.0 },
            DiscountPlanAmt: if status == 1 && self.dice.chance(15) { 20.0 } else { 0.0 },
            TaxAmt: 0.0,
            SecDateEntry: entered.at(if past { 16 * 60 } else { 9 * 60 }),
            DateTStamp: self.world.stamp(entered.at(17 * 60 + self.dice.days(0, 59))),
            ..Procedure::default()
        }
    }

    /// Work found at an exam: planned, presented, now and then on a saved plan.
    fn find(&mut self, day: Day, dentist: i64, clinic: i64) {
        if self.planned.len() > 8 {
            return;
        }
        self.sets += 1;
        let set = self.sets;
        let from = self.planned.len();
        for code in codes::TREATMENTS[self.dice.index(codes::TREATMENTS.len())] {
            let row = self.procedure(codes::place(code), day, 1, dentist, clinic);
            self.planned.push(Planned { row, set });
        }
        if self.dice.chance(350) {
            let rows: Vec<Procedure> = self.planned[from..].iter().map(|p| p.row.clone()).collect();
            self.saved_plan(day, &rows);
        }
    }

    /// Marks a set of planned work as done.
    fn finish(&mut self, set: i64, apt: i64, day: Day, dentist: i64) -> Vec<Done> {
        let (now, later): (Vec<Planned>, Vec<Planned>) =
            std::mem::take(&mut self.planned).into_iter().partition(|p| p.set == set);
        self.planned = later;
        now.into_iter()
            .map(|p| {
                let entered = self.world.entered(self.dice, day);
                let stamp = self.world.stamp(entered.at(17 * 60 + 20));
                self.finished(Procedure {
                    AptNum: apt,
                    ProcStatus: 2,
                    ProcDate: day,
                    DateComplete: day,
                    DateEntryC: entered,
                    ProvNum: dentist,
                    DateTStamp: stamp,
                    ..p.row
                })
            })
            .collect()
    }

    /// Writes a completed row, now and then with an adjustment, and tells what it is worth.
    fn finished(&mut self, row: Procedure) -> Done {
        let units = f64::from(u32::try_from(row.UnitQty + row.BaseUnits).unwrap_or(0));
        let place = codes::place_of(row.CodeNum);
        let done = Done {
            procedure: row.ProcNum,
            code: place,
            amount: row.ProcFee * units,
            provider: row.ProvNum,
            clinic: row.ClinicNum,
            day: row.ProcDate,
            insured: 0,
        };
        self.put(row);
        if self.dice.chance(25) {
            let later = done.day.plus(if self.dice.chance(600) { 0 } else { self.dice.days(1, 60) });
            let day = later.min(self.world.as_of().plus(-1)).max(done.day);
            let (amount, kind) = match self.dice.between(0, 4) {
                0 => (7.5, *self.dice.pick(&def::RAISE)),
                1 => (-0.005, def::LOWER[0]),
                2 => (-33.335, def::LOWER[0]),
                _ => (super::dollars(-super::cents(done.amount) / 10), *self.dice.pick(&def::LOWER)),
            };
            self.adjust(day, amount, kind, done.provider, done.clinic, done.procedure, done.day);
        }
        done
    }

    #[allow(clippy::too_many_arguments)] // the columns of an adjustment
    fn adjust(&mut self, day: Day, amount: f64, kind: i64, provider: i64, clinic: i64, procedure: i64, proc_date: Day) {
        let entered = self.world.entered(self.dice, day);
        self.world.out.put(Adjustment {
            AdjNum: self.world.keys.scattered(Key::Adjustment, self.dice),
            AdjDate: day,
            AdjAmt: amount,
            PatNum: self.person.number,
            AdjType: kind,
            ProvNum: if self.dice.chance(20) { 0 } else { provider },
            AdjNote: self.dice.chance(200).then(|| names::note(self.dice)),
            ProcDate: if procedure == 0 { day } else { proc_date },
            ProcNum: procedure,
            DateEntry: entered,
            ClinicNum: clinic,
            SecDateTEdit: self.world.stamp(entered.at(16 * 60)),
        });
    }

    fn put(&mut self, row: Procedure) {
        self.world.out.put(row);
    }
}

/// The pattern of an appointment: assistant's time at both ends; some providers leave in the middle.
fn pattern(units: u8, hygiene: bool, dice: &mut Dice) -> Text {
    let units = usize::from(units);
    let edge = if hygiene { 2 } else { 1 }.min(units / 2);
    let middle = units - 2 * edge;
    let gap = if dice.chance(200) { middle / 3 } else { 0 };
    let head = (middle - gap) / 2;
    let (edges, tail) = ("/".repeat(edge), middle - gap - head);
    Cow::Owned(format!("{edges}{}{}{}{edges}", "X".repeat(head), "/".repeat(gap), "X".repeat(tail)))
}
