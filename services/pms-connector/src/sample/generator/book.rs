//! Fills the calendar: who sits in which chair, when, and what became of it.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    Config, Dice,
    calendar::{self, HOURS},
    staff::Staff,
};
use crate::sample::value::Day;

/// What a visit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Hygiene,
    NewPatient,
    Work,
    Emergency,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Complete,
    Missed,
    Cancelled,
    /// In the past and still marked as scheduled.
    Unmarked,
    Scheduled,
    /// Deleted from the book: only its history is left.
    Deleted,
}

/// A visit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    pub patient: u32,
    pub day: Day,
    /// Minutes after midnight.
    pub start: u16,
    /// Length in five minutes.
    pub units: u8,
    pub chair: u16,
    pub purpose: Purpose,
    pub fate: Fate,
}

/// When a patient belongs to the practice, and how the record stands now (`PatStatus`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tenure {
    pub status: i64,
    pub joined: Day,
    pub left: Day,
}

/// How many a family has.
pub(crate) fn family_size(dice: &mut Dice) -> u32 {
    [1, 1, 1, 2, 2, 3, 4, 4, 5][dice.index(9)]
}

/// A patient's tenure.
pub(crate) fn tenure(config: &Config, patient: u32) -> Tenure {
    let mut dice = Dice::new(config.seed, "tenure", u64::from(patient));
    let (first, last) = (config.first_day(), config.as_of_day());
    let joined = if dice.chance(700) {
        first.plus(-dice.days(30, 4_000))
    } else {
        first.plus(dice.days(0, last.0 - first.0 + 25))
    };
    let status = match dice.between(0, 999) {
        0..=19 => 1,
        20..=119 => 2,
        120..=159 => 3,
        160..=189 => 4,
        190..=214 => 5,
        215..=239 => 6,
        _ => 0,
    };
    let left = match status {
        0 => Day(i32::MAX),
        1 | 6 => joined,
        _ => first.max(joined).plus(dice.days(20, (last.0 - first.0).max(21))).min(last.plus(-5)),
    };
    Tenure { status, joined, left }
}

/// Every visit, by patient and day.
pub(crate) fn visits(config: &Config, staff: &Staff) -> Vec<Visit> {
    let mut book = Book {
        config,
        dice: Dice::new(config.seed, "book", 0),
        tenures: (0..config.patients).map(|p| tenure(config, p)).collect(),
        hygiene: BinaryHeap::new(),
        work: BinaryHeap::new(),
        visits: Vec::new(),
    };
    let first = config.first_day();
    for (patient, tenure) in (0..).zip(&book.tenures) {
        let due =
            tenure.joined.max(first.plus(book.dice.days(0, 210).min(if tenure.joined < first { 210 } else { 0 })));
        book.hygiene.push(Reverse((due, patient)));
    }
    let mut day = first;
    let end = config.as_of_day().plus(calendar::DAYS_AHEAD - 10);
    while day <= end {
        for (place, chair) in staff.chairs.iter().enumerate() {
            if calendar::open(staff, chair.clinic, day) && !chair.spare {
                book.chair(staff, place, day);
            }
        }
        day = day.plus(1);
    }
    book.visits.sort_by_key(|v| (v.patient, v.day, v.start));
    book.visits
}

struct Book<'a> {
    config: &'a Config,
    dice: Dice,
    tenures: Vec<Tenure>,
    hygiene: BinaryHeap<Reverse<(Day, u32)>>,
    work: BinaryHeap<Reverse<(Day, u32)>>,
    visits: Vec<Visit>,
}

impl Book<'_> {
    /// One chair's day.
    fn chair(&mut self, staff: &Staff, place: usize, day: Day) {
        let closed = calendar::blockout(self.config, staff, place, day);
        for (opens, closes) in HOURS {
            let mut at = opens;
            while at < closes {
                let hygiene = staff.chairs[place].hygiene;
                let units = if hygiene { 12 } else { [6, 8, 12, 12, 18][self.dice.index(5)] };
                let length = units * 5;
                if at + length > closes {
                    break;
                }
                if let Some((_, from, to)) = closed
                    && at < to
                    && from < at + length
                {
                    at = to;
                    continue;
                }
                self.slot(staff, place, day, at, units);
                at += length;
            }
        }
    }

    /// One slot: the patient who has waited longest, if anyone is due.
    fn slot(&mut self, staff: &Staff, place: usize, day: Day, at: i32, units: i32) {
        let ahead = day.0 - self.config.as_of_day().0;
        // The book gets emptier the further ahead it goes.
        let full = if ahead < 0 { 930 } else { 880 - 4 * u32::try_from(ahead).unwrap_or(0).min(200) };
        if !self.dice.chance(full) {
            return;
        }
        let hygiene = staff.chairs[place].hygiene;
        let queue = if hygiene { &mut self.hygiene } else { &mut self.work };
        let Some(&Reverse((due, patient))) = queue.peek() else { return };
        // On the current date and the next, people are called in early: a practice that is looked at has patients.
        let early = if (0..=1).contains(&ahead) { 60 } else { 0 };
        if due > day.plus(early) {
            return;
        }
        queue.pop();
        let tenure = self.tenures[patient as usize];
        if day > tenure.left {
            return;
        }
        let fate = self.fate(ahead);
        let fresh = tenure.joined >= self.config.first_day() && due == tenure.joined;
        let purpose = match (hygiene, fresh) {
            (true, true) => Purpose::NewPatient,
            (true, false) => Purpose::Hygiene,
            (false, _) if units == 6 => Purpose::Emergency,
            (false, _) => Purpose::Work,
        };
        let visit = |patient, at: i32, chair: usize, purpose, fate| Visit {
            patient,
            day,
            start: u16::try_from(at).unwrap_or(0),
            units: u8::try_from(units).unwrap_or(12),
            chair: u16::try_from(chair).unwrap_or(0),
            purpose,
            fate,
        };
        self.visits.push(visit(patient, at, place, purpose, fate));
        self.again(day, patient, hygiene, fate);
        // Now and then someone is squeezed in on top, or takes the place of one who cancelled.
        if !hygiene && self.dice.chance(if fate == Fate::Cancelled { 400 } else { 25 }) {
            let other = u32::try_from(self.dice.index(self.tenures.len())).unwrap_or(0);
            let theirs = self.tenures[other as usize];
            if other != patient && theirs.joined < day && day <= theirs.left && self.config.patients > 1 {
                let spare = staff.chairs.iter().position(|c| c.spare && c.clinic == staff.chairs[place].clinic);
                let chair = spare.filter(|_| self.dice.chance(500)).unwrap_or(place);
                let fate = self.fate(ahead);
                self.visits.push(visit(other, at + 10, chair, Purpose::Emergency, fate));
            }
        }
    }

    fn fate(&mut self, ahead: i32) -> Fate {
        match (ahead < 0, self.dice.between(0, 999)) {
            (true, 0..=29) => Fate::Missed,
            (true, 30..=64) => Fate::Cancelled,
            (true, 65..=76) => Fate::Unmarked,
            (_, 77..=86) => Fate::Deleted,
            (true, _) => Fate::Complete,
            // Cancelled ahead of time and left on the book.
            (false, 0..=11) => Fate::Cancelled,
            (false, _) => Fate::Scheduled,
        }
    }

    /// When the patient comes again.
    fn again(&mut self, day: Day, patient: u32, hygiene: bool, fate: Fate) {
        let came = matches!(fate, Fate::Complete | Fate::Unmarked | Fate::Scheduled);
        if !came {
            let wait = self.dice.days(7, 70);
            let queue = if hygiene { &mut self.hygiene } else { &mut self.work };
            queue.push(Reverse((day.plus(wait), patient)));
            return;
        }
        if hygiene {
            match self.dice.between(0, 99) {
                0..=1 => {}
                2..=8 => self.hygiene.push(Reverse((day.plus(self.dice.days(330, 700)), patient))),
                _ => self.hygiene.push(Reverse((day.plus(self.dice.days(165, 215)), patient))),
            }
        }
        if self.dice.chance(if hygiene { 550 } else { 300 }) {
            self.work.push(Reverse((day.plus(self.dice.days(5, 40)), patient)));
        }
    }
}
