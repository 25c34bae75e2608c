//! Locations, chairs and providers, as many as the number of patients keeps busy.

use std::borrow::Cow;

use super::{Config, Dice, Out, names, stamp};
use crate::sample::{
    tables::{AppointmentType, Clinic, Operatory, Provider, RecallType, Referral},
    value::Day,
};

/// The two open locations; the third is hidden and has no chair.
pub(crate) const CLINICS: [i64; 3] = [3, 8, 11];
/// The number of those who refer.
pub(crate) const REFERRALS: i64 = 20;
/// A provider number that no provider has: someone deleted the row.
pub(crate) const LOST_PROVIDER: i64 = 777_777;

/// A chair.
pub(crate) struct Chair {
    pub number: i64,
    pub hygiene: bool,
    pub clinic: i64,
    pub dentist: i64,
    pub hygienist: i64,
    /// Not on the book: for emergencies and double bookings.
    pub spare: bool,
}

/// The practice's people and places.
pub(crate) struct Staff {
    pub chairs: Vec<Chair>,
    /// Dentists, then hygienists, who see patients.
    pub dentists: Vec<i64>,
    pub hygienists: Vec<i64>,
    /// A dentist who left on a date and had the first treatment chair until then.
    pub ended: (i64, Day),
    /// A provider who is hidden but has work on record.
    pub hidden: i64,
    /// Whether the first location opens on Fridays, and the second on more than Wednesdays.
    pub large: bool,
    as_of: Day,
}

impl Staff {
    /// Sizes the practice: about 1.75 hygiene and 1.2 treatment visits a patient and year.
    pub(crate) fn new(config: &Config) -> Self {
        let patients = f64::from(config.patients);
        let large = config.patients > 1_500;
        let days = if large { 5.0 } else { 4.0 };
        let hygiene = chairs_for(patients * 1.75 / 52.0 * 1.15 / (days * 8.0));
        let work = chairs_for(patients * 1.2 / 52.0 * 1.2 / (days * 5.0));
        let mut staff = Self {
            chairs: Vec::new(),
            dentists: Vec::new(),
            hygienists: Vec::new(),
            ended: (4, config.as_of_day().plus(-400)),
            hidden: 7,
            large,
            as_of: config.as_of_day(),
        };
        let mut chair = 0;
        for (clinic, hygiene, work, spare) in
            [(CLINICS[0], hygiene, work, true), (CLINICS[1], (hygiene / 4).max(1), (work / 4).max(1), false)]
        {
            for place in 0..work + usize::from(spare) {
                if place % 2 == 0 {
                    staff.dentists.push(provider_number(staff.dentists.len() + staff.hygienists.len()));
                }
                let dentist = staff.dentists.last().copied().unwrap_or_default();
                staff.chairs.push(Chair {
                    number: chair_number(&mut chair),
                    hygiene: false,
                    clinic,
                    dentist,
                    hygienist: 0,
                    spare: place == work,
                });
            }
            for _ in 0..hygiene {
                staff.hygienists.push(provider_number(staff.dentists.len() + staff.hygienists.len()));
                let hygienist = staff.hygienists.last().copied().unwrap_or_default();
                let dentist = staff.dentists.last().copied().unwrap_or_default();
                let number = chair_number(&mut chair);
                staff.chairs.push(Chair { number, hygiene: true, clinic, dentist, hygienist, spare: false });
            }
        }
        staff
    }

    /// The dentist of a chair on a day.
    pub(crate) fn dentist(&self, chair: usize, day: Day) -> i64 {
        if chair == 0 && day <= self.ended.1 { self.ended.0 } else { self.chairs[chair].dentist }
    }

    /// Whether a location works on a day of the week (Monday 0).
    pub(crate) fn works(&self, clinic: i64, day: Day) -> bool {
        // Whatever weekday it is, the practice is open on the date on which it is looked at.
        if clinic == CLINICS[0] && day == self.as_of {
            return true;
        }
        let weekday = day.weekday();
        match (clinic == CLINICS[0], self.large) {
            (true, true) | (false, true) => weekday < 5,
            (true, false) => weekday < 4,
            (false, false) => weekday == 2,
        }
    }

    /// Writes the people, places and kinds.
    pub(crate) fn write(&self, config: &Config, out: &mut Out<'_>) {
        let old = stamp(config, config.first_day().at(9 * 60));
        let mut dice = Dice::new(config.seed, "staff", 0);
        for (order, &clinic) in (0..).zip(&CLINICS) {
            let town = *dice.pick(&names::TOWNS);
            out.put(Clinic {
                ClinicNum: clinic,
                Description: Cow::Owned(format!("Sample Dental {town}")),
                City: Cow::Borrowed(town),
                State: Cow::Borrowed("OR"),
                Zip: Cow::Borrowed("00000"),
                Phone: names::phone(&mut dice),
                ItemOrder: order,
                Abbr: Cow::Owned(format!("C{clinic}")),
                IsHidden: i64::from(order == 2),
                TimeZone: Cow::Borrowed(""),
            });
        }
        let mut order = 0;
        let mut provider = |number: i64, secondary: bool, goal: f64, hidden: bool, ended: Day, dice: &mut Dice| {
            order += 1;
            let last = names::last(dice);
            out.put(Provider {
                ProvNum: number,
                Abbr: Cow::Owned(format!("{}{number}", if secondary { "HYG" } else { "DOC" })),
                ItemOrder: order,
                LName: last,
                FName: names::first(dice),
                Suffix: Cow::Borrowed(if secondary { "RDH" } else { "DMD" }),
                Specialty: 0,
                IsSecondary: i64::from(secondary),
                IsHidden: i64::from(hidden),
                ProvStatus: 0,
                IsHiddenReport: 0,
                HourlyProdGoalAmt: goal,
                DateTerm: ended,
                PreferredName: Cow::Borrowed(""),
                DateTStamp: old,
            });
        };
        provider(self.ended.0, false, 350.0, false, self.ended.1, &mut dice);
        provider(self.hidden, false, 0.0, true, Day::ZERO, &mut dice);
        for (place, &number) in self.dentists.iter().enumerate() {
            provider(number, false, 425.5 + 25.0 * f64::from(u8::from(place == 0)), false, Day::ZERO, &mut dice);
        }
        for (place, &number) in self.hygienists.iter().enumerate() {
            // The last hygienist has no goal.
            let goal = if place + 1 == self.hygienists.len() { 0.0 } else { 132.25 };
            provider(number, true, goal, false, Day::ZERO, &mut dice);
        }
        for (order, chair) in (0..).zip(&self.chairs) {
            out.put(Operatory {
                OperatoryNum: chair.number,
                OpName: Cow::Owned(format!("{} {}", if chair.hygiene { "Hygiene" } else { "Chair" }, order + 1)),
                Abbrev: Cow::Owned(format!("{}{}", if chair.hygiene { "H" } else { "C" }, order + 1)),
                ItemOrder: order,
                IsHidden: 0,
                ProvDentist: chair.dentist,
                ProvHygienist: chair.hygienist,
                IsHygiene: i64::from(chair.hygiene),
                ClinicNum: chair.clinic,
                IsWebSched: i64::from(!chair.spare && order % 3 != 2),
                IsNewPatAppt: i64::from(chair.hygiene),
                OperatoryType: 0,
                DateTStamp: old,
            });
        }
        self.write_kinds(config, &mut dice, out);
    }

    fn write_kinds(&self, config: &Config, dice: &mut Dice, out: &mut Out<'_>) {
        let old = stamp(config, config.first_day().at(9 * 60));
        let kinds = [
            ("Cleaning", "//XXXXXXXX//", "D0120,D1110", ""),
            ("New Patient", "//XXXXXXXXXXXXXX//", "D0150,D0210", ""),
            ("Crown", "/XXXXXXXXXXXXXXXX/", "D2740", ""),
            ("Emergency", "/XXXX/", "D0140", "241"),
        ];
        for (order, (name, pattern, codes, blockouts)) in (0..).zip(kinds) {
            out.put(AppointmentType {
                AppointmentTypeNum: order + 1,
                AppointmentTypeName: Cow::Borrowed(name),
                ItemOrder: order,
                IsHidden: i64::from(order == 2),
                Pattern: Cow::Borrowed(pattern),
                CodeStr: Cow::Borrowed(codes),
                BlockoutTypes: Cow::Borrowed(blockouts),
            });
        }
        // Intervals are packed as Open Dental does: years, months, weeks and days in one byte each.
        let recalls = [
            (1, "Prophy", 0x0006_0001, "/XXXX/", "D0120,D1110"),
            (2, "Child Prophy", 0x0006_0001, "/XXX/", "D0120,D1120"),
            (3, "Perio", 0x0003_0000, "/XXXX/", "D4910"),
            (4, "4BW", 0x0100_0001, "", "D0274"),
        ];
        for (number, name, interval, pattern, codes) in recalls {
            out.put(RecallType {
                RecallTypeNum: number,
                Description: Cow::Borrowed(name),
                DefaultInterval: interval,
                TimePattern: Cow::Borrowed(pattern),
                Procedures: Cow::Borrowed(codes),
            });
        }
        for number in 1..=REFERRALS {
            let business = number % 3 == 0;
            out.put(Referral {
                ReferralNum: number,
                LName: if business { Cow::Owned(format!("Mailing {number}")) } else { names::last(dice) },
                FName: if business { Cow::Borrowed("") } else { names::first(dice) },
                NotPerson: i64::from(business),
                IsDoctor: i64::from(number % 5 == 1),
                Title: Cow::Borrowed(""),
                IsHidden: i64::from(number == REFERRALS),
                DateTStamp: old,
            });
        }
    }
}

fn provider_number(place: usize) -> i64 {
    20 + 3 * i64::try_from(place).unwrap_or(0)
}

fn chair_number(next: &mut i64) -> i64 {
    *next += 1;
    // The chairs were renumbered once: an even one is far off.
    if *next % 2 == 0 { 400 + *next } else { *next }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few hundred at most
fn chairs_for(need: f64) -> usize {
    need.ceil().clamp(1.0, 1_000.0) as usize
}
