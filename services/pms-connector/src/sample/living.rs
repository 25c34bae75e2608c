//! The seeded day goes on: bookings, check-ins, payments, messages, one event after the other.
//!
//! An event is a few rows changed together, with their change columns set, as Open Dental would write them. The sequence
//! depends on the seed alone; how fast it runs is the caller's affair.

use std::borrow::Cow;

use super::{
    generator::{Config, Dice, def, fresh},
    store::{Key, Store},
    tables::{
        Appointment, Commlog, HistAppointment, Operatory, Patient, PaySplit, Payment, Procedure, SmsFromMobile,
        SmsToMobile, TableRow,
    },
    value::{Day, Moment, Row, Stamp, Value},
};

/// Keys of rows that the day makes begin here, far from the generated ones.
const FIRST_KEY: i64 = 700_000_000;

/// What happened, for a progress line; it names no one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A patient arrived, was seated, or left with the work done and perhaps paid.
    Arrived,
    /// See [`Event::Arrived`].
    Seated,
    /// See [`Event::Arrived`].
    Completed,
    /// An appointment was made.
    Booked,
    /// An appointment was confirmed.
    Confirmed,
    /// An appointment was broken.
    Broken,
    /// An appointment was deleted.
    Deleted,
    /// A patient paid.
    Paid,
    /// A text came in.
    Received,
    /// A text went out.
    Sent,
    /// A new patient was entered and booked.
    NewPatient,
}

/// The day that goes on.
pub(crate) struct Living {
    dice: Dice,
    day: Day,
    /// The practice's wall clock, as it passes in the story.
    now: Moment,
    next_key: i64,
    /// Appointments of the day that can still go on, and how far each is: 0 expected, 1 arrived, 2 seated.
    expected: Vec<(i64, u8)>,
    patients: Vec<i64>,
    chairs: Vec<(i64, i64, i64, i64)>,
}

impl Living {
    /// Begins the day of a practice.
    pub(crate) fn new(config: &Config, store: &Store) -> Self {
        let day = config.as_of_day();
        let expected = appointments(store, |status, at| matches!(status, 1 | 4) && at.day() == day);
        let patients = store.rows(Patient::TABLE).iter();
        let active = |row: &Row| field(Patient::TABLE, row, "PatStatus") == 0;
        let chairs = store.rows(Operatory::TABLE).values().map(|row| {
            let of = |column: &str| field(Operatory::TABLE, row, column);
            (of("OperatoryNum"), of("ClinicNum"), of("ProvDentist"), of("ProvHygienist"))
        });
        Self {
            dice: Dice::new(config.seed, "living", 0),
            day,
            now: day.at(8 * 60),
            next_key: FIRST_KEY,
            expected: expected.into_iter().map(|apt| (apt, 0)).collect(),
            patients: patients.filter(|(_, row)| active(row)).filter_map(|(key, _)| key.number()).collect(),
            chairs: chairs.collect(),
        }
    }

    /// Lets the next event happen.
    pub(crate) fn step(&mut self, store: &mut Store) -> Event {
        // The story's clock stands still at closing time; messages and payments go on.
        self.now = Moment((self.now.0 + self.dice.between(20, 160)).min(self.day.at(17 * 60).0));
        if self.patients.is_empty() || self.chairs.is_empty() {
            return self.new_patient(store);
        }
        match self.dice.between(0, 99) {
            0..=37 if !self.expected.is_empty() => self.visit(store),
            0..=47 => self.book(store),
            48..=55 => self.confirm(store),
            56..=59 => self.break_one(store),
            60..=61 => self.delete_one(store),
            62..=70 => {
                let patient = *self.dice.pick(&self.patients);
                self.pay(store, patient, 0, 0)
            }
            71..=83 => self.received(store),
            84..=96 => self.sent(store),
            _ => self.new_patient(store),
        }
    }

    fn key(&mut self) -> i64 {
        self.next_key += 1;
        self.next_key
    }

    fn stamp(&self) -> Stamp {
        Stamp(self.now.0)
    }

    /// An expected patient comes one step further.
    fn visit(&mut self, store: &mut Store) -> Event {
        let place = self.dice.index(self.expected.len().min(3));
        let (apt, stage) = self.expected[place];
        let (stamp, now) = (self.stamp(), Value::DateTime(self.now));
        if stage < 2 {
            self.expected[place].1 += 1;
            let column = ["DateTimeArrived", "DateTimeSeated"][usize::from(stage)];
            let arrived = ("Confirmed", Value::Int(def::CONFIRMED[4]));
            store.set::<Appointment>(apt, stamp, &[(column, now), arrived]);
            return [Event::Arrived, Event::Seated][usize::from(stage)];
        }
        self.expected.remove(place);
        store.set::<Appointment>(apt, stamp, &[("DateTimeDismissed", now), ("AptStatus", Value::Int(2))]);
        let work = self.work_of(store, apt);
        let done = [
            ("ProcStatus", Value::Int(2)),
            ("ProcDate", Value::Date(self.day)),
            ("DateComplete", Value::Date(self.day)),
            ("DateEntryC", Value::Date(self.day)),
        ];
        for &(procedure, ..) in &work {
            store.set::<Procedure>(procedure, stamp, &done);
        }
        if let Some(&(procedure, patient, provider)) = work.first()
            && self.dice.chance(600)
        {
            self.pay(store, patient, procedure, provider);
        }
        Event::Completed
    }

    /// The planned procedures of an appointment: key, patient, provider.
    fn work_of(&self, store: &Store, apt: i64) -> Vec<(i64, i64, i64)> {
        let of = |row: &Row, column: &str| field(Procedure::TABLE, row, column);
        let rows = store.rows(Procedure::TABLE).values();
        rows.filter(|row| of(row, "AptNum") == apt && of(row, "ProcStatus") == 1)
            .map(|row| (of(row, "ProcNum"), of(row, "PatNum"), of(row, "ProvNum")))
            .collect()
    }

    fn book(&mut self, store: &mut Store) -> Event {
        let patient = *self.dice.pick(&self.patients);
        self.book_for(store, patient, false);
        Event::Booked
    }

    fn book_for(&mut self, store: &mut Store, patient: i64, new: bool) {
        let (chair, clinic, dentist, hygienist) = *self.dice.pick(&self.chairs);
        let day = self.day.plus(self.dice.days(1, 60));
        let at = day.at(8 * 60 + 10 * self.dice.days(0, 47));
        let apt = self.key();
        let code = if hygienist == 0 { "D0140" } else { "D1110" };
        store.put(Appointment {
            AptNum: apt,
            PatNum: patient,
            AptStatus: 1,
            Pattern: Cow::Borrowed("//XXXXXXXX//"),
            Confirmed: def::CONFIRMED[1],
            Op: chair,
            ProvNum: dentist,
            ProvHyg: hygienist,
            AptDateTime: at,
            IsNewPatient: i64::from(new),
            ClinicNum: clinic,
            IsHygiene: i64::from(hygienist != 0),
            SecDateTEntry: self.now,
            DateTStamp: self.stamp(),
            ..Appointment::default()
        });
        let (code, fee) = fresh::code(code);
        store.put(Procedure {
            ProcNum: self.key(),
            PatNum: patient,
            AptNum: apt,
            ProcDate: day,
            ProcFee: fee,
            ProcStatus: 1,
            ProvNum: if hygienist == 0 { dentist } else { hygienist },
            ClinicNum: clinic,
            CodeNum: code,
            UnitQty: 1,
            DateTP: self.day,
            SecDateEntry: self.now,
            DateTStamp: self.stamp(),
            ..Procedure::default()
        });
        self.history(store, apt, 0);
    }

    /// One of the appointments of the days to come.
    fn upcoming(&mut self, store: &Store) -> Option<i64> {
        let ahead = appointments(store, |status, at| status == 1 && at.day() > self.day);
        (!ahead.is_empty()).then(|| *self.dice.pick(&ahead))
    }

    fn confirm(&mut self, store: &mut Store) -> Event {
        let Some(apt) = self.upcoming(store) else { return self.book(store) };
        store.set::<Appointment>(apt, self.stamp(), &[("Confirmed", Value::Int(def::CONFIRMED[2]))]);
        Event::Confirmed
    }

    fn break_one(&mut self, store: &mut Store) -> Event {
        let Some(apt) = self.upcoming(store) else { return self.book(store) };
        store.set::<Appointment>(apt, self.stamp(), &[("AptStatus", Value::Int(5))]);
        self.history(store, apt, 3);
        Event::Broken
    }

    fn delete_one(&mut self, store: &mut Store) -> Event {
        let Some(apt) = self.upcoming(store) else { return self.book(store) };
        self.history(store, apt, 4);
        for (procedure, ..) in self.work_of(store, apt) {
            store.set::<Procedure>(procedure, self.stamp(), &[("AptNum", Value::Int(0))]);
        }
        store.remove::<Appointment>(apt);
        Event::Deleted
    }

    /// Copies an appointment to its history.
    fn history(&mut self, store: &mut Store, apt: i64, action: i64) {
        let number = self.key();
        let Some(row) = store.rows(Appointment::TABLE).get(&Key::Number(apt)) else { return };
        let of = |column: &str| field(Appointment::TABLE, row, column);
        let at = moment(row, "AptDateTime");
        let pattern = match Appointment::TABLE.position("Pattern").map(|p| &row[p]) {
            Some(Value::Text(pattern)) => pattern.clone(),
            _ => Cow::Borrowed(""),
        };
        store.put(HistAppointment {
            HistApptNum: number,
            HistDateTStamp: self.now,
            HistApptAction: action,
            AptNum: apt,
            PatNum: of("PatNum"),
            AptStatus: of("AptStatus"),
            Op: of("Op"),
            ProvNum: of("ProvNum"),
            ProvHyg: of("ProvHyg"),
            AptDateTime: at,
            ClinicNum: of("ClinicNum"),
            IsHygiene: of("IsHygiene"),
            Pattern: pattern,
            DateTStamp: self.stamp(),
        });
    }

    /// A card payment with one split, for a procedure or for the account.
    fn pay(&mut self, store: &mut Store, patient: i64, procedure: i64, provider: i64) -> Event {
        let (payment, split, stamp) = (self.key(), self.key(), self.stamp());
        let amount = fresh::dollars(self.dice.between(1_000, 25_000));
        let provider = if provider == 0 { self.chairs.first().map_or(0, |c| c.2) } else { provider };
        store.put(Payment {
            PayNum: payment,
            PayType: def::PAY[2],
            PayDate: self.day,
            PayAmt: amount,
            PatNum: patient,
            DateEntry: self.day,
            SecDateTEdit: stamp,
            ..Payment::default()
        });
        store.put(PaySplit {
            SplitNum: split,
            SplitAmt: amount,
            PatNum: patient,
            ProcDate: if procedure == 0 { Day::ZERO } else { self.day },
            PayNum: payment,
            ProvNum: provider,
            DatePay: self.day,
            ProcNum: procedure,
            DateEntry: self.day,
            SecDateTEdit: stamp,
            ..PaySplit::default()
        });
        Event::Paid
    }

    fn received(&mut self, store: &mut Store) -> Event {
        let patient = *self.dice.pick(&self.patients);
        let (commlog, sms) = (self.key(), self.key());
        let text = fresh::note(&mut self.dice);
        let phone = fresh::mobile(&mut self.dice);
        store.put(self.commlog(commlog, patient, text.clone(), 2));
        store.put(SmsFromMobile {
            SmsFromMobileNum: sms,
            PatNum: patient,
            CommlogNum: commlog,
            MsgText: Some(text),
            DateTimeReceived: self.now,
            MobilePhoneNumber: phone,
            MsgPart: 1,
            MsgTotal: 1,
            SecDateTEdit: self.stamp(),
            ..SmsFromMobile::default()
        });
        Event::Received
    }

    fn sent(&mut self, store: &mut Store) -> Event {
        let patient = *self.dice.pick(&self.patients);
        let (commlog, sms) = (self.key(), self.key());
        let text = fresh::note(&mut self.dice);
        let phone = fresh::mobile(&mut self.dice);
        store.put(self.commlog(commlog, patient, text.clone(), 1));
        store.put(SmsToMobile {
            SmsToMobileNum: sms,
            PatNum: patient,
            MobilePhoneNumber: phone,
            MsgText: Some(text),
            SmsStatus: 2,
            MsgParts: 1,
            DateTimeSent: self.now,
            DateTimeTerminated: self.now,
            GuidMessage: Cow::Owned(format!("zl{sms}")),
            SecDateTEdit: self.stamp(),
            ..SmsToMobile::default()
        });
        Event::Sent
    }

    fn commlog(&self, number: i64, patient: i64, text: Cow<'static, str>, direction: i64) -> Commlog {
        Commlog {
            CommlogNum: number,
            PatNum: patient,
            CommDateTime: self.now,
            CommType: def::COMMLOG[4],
            Note: Some(text),
            Mode_: 5,
            SentOrReceived: direction,
            DateTStamp: self.stamp(),
            ..Commlog::default()
        }
    }

    fn new_patient(&mut self, store: &mut Store) -> Event {
        let number = self.key();
        let provider = self.chairs.first().map_or(0, |c| c.2);
        let (last, first) = fresh::name(&mut self.dice);
        store.put(Patient {
            PatNum: number,
            LName: last,
            FName: first.clone(),
            Birthdate: self.day.plus(-self.dice.days(2_000, 28_000)),
            WirelessPhone: fresh::phone(&mut self.dice),
            Email: fresh::email(&first, number),
            Guarantor: number,
            PriProv: provider,
            BillingType: def::BILLING[0],
            TxtMsgOk: 1,
            SecDateEntry: self.day,
            DateTStamp: self.stamp(),
            ..Patient::default()
        });
        self.patients.push(number);
        if !self.chairs.is_empty() {
            self.book_for(store, number, true);
        }
        Event::NewPatient
    }
}

/// The keys of appointments whose status and time are as wanted, in key order.
fn appointments(store: &Store, wanted: impl Fn(i64, Moment) -> bool) -> Vec<i64> {
    let rows = store.rows(Appointment::TABLE).iter();
    rows.filter(|(_, row)| wanted(field(Appointment::TABLE, row, "AptStatus"), moment(row, "AptDateTime")))
        .filter_map(|(key, _)| key.number())
        .collect()
}

fn moment(row: &Row, column: &str) -> Moment {
    match Appointment::TABLE.position(column).map(|p| &row[p]) {
        Some(Value::DateTime(at)) => *at,
        _ => Moment::ZERO,
    }
}

/// An integer column of a row; 0 when there is none.
fn field(table: &super::tables::Table, row: &Row, column: &str) -> i64 {
    match table.position(column).map(|p| &row[p]) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
