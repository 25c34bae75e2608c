//! Provider hours, blockouts and holidays by date.

use std::borrow::Cow;

use jiff::civil::Date;

use super::{Config, Dice, Out, def, names, staff::CLINICS, staff::Staff, stamp};
use crate::sample::{
    tables::{Schedule, ScheduleOp},
    value::{Day, TimeOfDay},
};

/// How far ahead the schedule is made.
pub(crate) const DAYS_AHEAD: i32 = 200;
/// Opening, lunch and closing, in minutes after midnight.
pub(crate) const HOURS: [(i32, i32); 2] = [(8 * 60, 12 * 60), (13 * 60, 17 * 60)];

/// Which location is closed for a holiday; 0 for all of them, none on other days.
pub(crate) fn holiday(day: Day) -> Option<i64> {
    let date = day.date()?;
    match (date.month(), date.day()) {
        (1, 1) | (7, 4) | (12, 25) => Some(0),
        (11, 22..=28) if day.weekday() == 3 => Some(0),
        // Local festival: the second location only.
        (6, 10..=16) if day.weekday() == 2 => Some(CLINICS[1]),
        _ => None,
    }
}

/// Whether a location works on a day.
pub(crate) fn open(staff: &Staff, clinic: i64, day: Day) -> bool {
    staff.works(clinic, day) && !holiday(day).is_some_and(|closed| closed == 0 || closed == clinic)
}

/// A blockout on a chair and day: its kind and time. The same for whoever asks.
pub(crate) fn blockout(config: &Config, staff: &Staff, chair: usize, day: Day) -> Option<(i64, i32, i32)> {
    let clinic = staff.chairs[chair].clinic;
    if !open(staff, clinic, day) {
        return None;
    }
    // First Wednesday of the month: everyone meets at eight.
    if day.weekday() == 2 && day.date().is_some_and(|d: Date| d.day() <= 7) {
        return Some((def::BLOCK_NS[0], HOURS[0].0, HOURS[0].0 + 60));
    }
    let subject = u64::from(day.0.unsigned_abs()) * 4096 + chair as u64;
    let mut dice = Dice::new(config.seed, "blockout", subject);
    match dice.between(0, 99) {
        0..=9 => Some((*dice.pick(&def::BLOCK), HOURS[0].1 - 60, HOURS[0].1)),
        10..=12 => Some((def::BLOCK_NS[1], HOURS[1].1 - 30, HOURS[1].1)),
        _ => None,
    }
}

/// Writes the whole calendar.
pub(crate) fn write(config: &Config, staff: &Staff, out: &mut Out<'_>) {
    let mut writer = Writer { config, out, next: 50, next_link: 0 };
    let mut day = config.first_day();
    let end = config.as_of_day().plus(DAYS_AHEAD);
    while day <= end {
        writer.practice(day, staff);
        for (place, chair) in staff.chairs.iter().enumerate() {
            if open(staff, chair.clinic, day) && !chair.spare {
                writer.hours(day, staff, place);
            }
            if let Some((kind, start, stop)) = blockout(config, staff, place, day) {
                let block = writer.row(day, start, stop, 2);
                let number = block.ScheduleNum;
                writer.out.put(Schedule { BlockoutType: kind, ClinicNum: chair.clinic, ..block });
                writer.link(number, chair.number);
            }
        }
        day = day.plus(1);
    }
}

struct Writer<'a, 'b> {
    config: &'a Config,
    out: &'a mut Out<'b>,
    next: i64,
    next_link: i64,
}

impl Writer<'_, '_> {
    fn row(&mut self, day: Day, start: i32, stop: i32, kind: i64) -> Schedule {
        self.next += 1;
        Schedule {
            ScheduleNum: self.next,
            SchedDate: day,
            StartTime: TimeOfDay(start * 60),
            StopTime: TimeOfDay(stop * 60),
            SchedType: kind,
            DateTStamp: stamp(self.config, day.plus(-210).at(10 * 60 + day.0.rem_euclid(300))),
            ..Schedule::default()
        }
    }

    fn link(&mut self, schedule: i64, chair: i64) {
        self.next_link += 1;
        self.out.put(ScheduleOp { ScheduleOpNum: self.next_link, ScheduleNum: schedule, OperatoryNum: chair });
    }

    /// Holidays and notes of the whole practice; their times mean nothing.
    fn practice(&mut self, day: Day, staff: &Staff) {
        if let Some(clinic) = holiday(day) {
            let row = self.row(day, 0, 0, 0);
            self.out.put(Schedule { Status: 2, ClinicNum: clinic, Note: Some(Cow::Borrowed("Holiday")), ..row });
        } else if day.0 % 41 == 0 && staff.works(CLINICS[0], day) {
            let mut dice = Dice::new(self.config.seed, "day note", u64::from(day.0.unsigned_abs()));
            let row = self.row(day, 0, 0, 0);
            self.out.put(Schedule { Note: Some(names::note(&mut dice)), ..row });
        } else if day.0 % 13 == 0 {
            let row = self.row(day, HOURS[0].0, HOURS[1].1, 3);
            self.out.put(Schedule { EmployeeNum: 1, ..row });
        }
    }

    /// Morning and afternoon of the provider at a chair. Hygienists work in the chairs where they are set; a dentist's
    /// blocks name the chairs, once for all of that dentist's chairs.
    fn hours(&mut self, day: Day, staff: &Staff, place: usize) {
        let chair = &staff.chairs[place];
        let provider = if chair.hygiene { chair.hygienist } else { staff.dentist(place, day) };
        let same = |c: usize| !staff.chairs[c].hygiene && staff.dentist(c, day) == provider;
        if !chair.hygiene && (0..place).any(same) {
            return;
        }
        for (start, stop) in HOURS {
            let row = self.row(day, start, stop, 1);
            let number = row.ScheduleNum;
            self.out.put(Schedule { ProvNum: provider, ClinicNum: chair.clinic, ..row });
            if !chair.hygiene && day.0 % 5 != 0 {
                for other in (place..staff.chairs.len()).filter(|&c| same(c) && !staff.chairs[c].spare) {
                    self.link(number, staff.chairs[other].number);
                }
            }
        }
    }
}
