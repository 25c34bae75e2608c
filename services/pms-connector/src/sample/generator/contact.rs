//! Messages and forms: commlogs, texts in and out, sheets.

use std::borrow::Cow;

use super::{
    Dice, Key, World,
    book::{Fate, Visit},
    def,
    family::Person,
    names,
};
use crate::sample::{
    tables::{Commlog, Sheet, SmsFromMobile, SmsToMobile},
    value::{Moment, Stamp},
};

/// Writes what was said with one patient around the visits, and the forms.
pub(super) fn write(world: &mut World<'_>, dice: &mut Dice, person: &Person, visits: &[Visit]) {
    let yesterday = world.as_of().plus(-1);
    for visit in visits {
        let before = visit.day.plus(-dice.days(1, 5)).min(yesterday).at(dice.days(8 * 60, 17 * 60));
        if person.texts && visit.day <= yesterday.plus(3) && dice.chance(500) {
            reminder(world, dice, person, before);
        }
        if dice.chance(180) {
            talk(world, dice, person, before);
        }
        if visit.fate == Fate::Complete && dice.chance(160) {
            sheet(world, dice, person, visit.day.at(i32::from(visit.start) - 10));
        }
    }
    if dice.chance(60) {
        let day = yesterday.plus(-dice.days(0, 20));
        let at = day.at(dice.days(9 * 60, 20 * 60));
        received(world, dice, person, at);
    }
}

/// A text out, its entry in the log, and sometimes an answer.
fn reminder(world: &mut World<'_>, dice: &mut Dice, person: &Person, at: Moment) {
    let stamp = world.stamp(at);
    let text = names::note(dice);
    world.out.put(SmsToMobile {
        SmsToMobileNum: world.keys.next(Key::SmsOut),
        PatNum: person.number,
        ClinicNum: person.clinic,
        MobilePhoneNumber: person.gateway.clone(),
        MsgText: Some(text.clone()),
        SmsStatus: *dice.pick(&[2, 2, 2, 2, 3, 1, 4, 5]),
        MsgParts: 1,
        DateTimeSent: at,
        DateTimeTerminated: if dice.chance(100) { Moment::ZERO } else { Moment(at.0 + 7) },
        IsHidden: i64::from(dice.chance(10)),
        GuidMessage: Cow::Owned(format!("zg{:08x}{:08x}", dice.bits(), dice.bits())),
        SecDateTEdit: stamp,
    });
    log(world, dice, person, at, def::COMMLOG[4], Some(text), (5, 1), 3);
    if dice.chance(350) {
        let answered = Moment(at.0 + i64::from(dice.days(60, 5_000)));
        received(world, dice, person, answered);
    }
}

/// A text in, mirrored in the log; long ones come in parts.
fn received(world: &mut World<'_>, dice: &mut Dice, person: &Person, at: Moment) {
    let parts = if dice.chance(60) { 2 } else { 1 };
    let reference = Cow::Owned(format!("zr{:08x}", dice.bits()));
    for part in 1..=parts {
        let text = names::note(dice);
        let mirrored = if dice.chance(900) {
            log(world, dice, person, at, def::COMMLOG[4], Some(text.clone()), (5, 2), 0)
        } else {
            0
        };
        world.out.put(SmsFromMobile {
            SmsFromMobileNum: world.keys.next(Key::SmsIn),
            // A shared or unknown number belongs to no one yet.
            PatNum: if dice.chance(40) { 0 } else { person.number },
            ClinicNum: person.clinic,
            CommlogNum: mirrored,
            MsgText: Some(text),
            DateTimeReceived: at,
            MobilePhoneNumber: person.gateway.clone(),
            MsgPart: part,
            MsgTotal: parts,
            MsgRefID: if parts > 1 { Cow::clone(&reference) } else { Cow::Borrowed("") },
            SmsStatus: i64::from(dice.chance(800)),
            IsHidden: i64::from(dice.chance(10)),
            SecDateTEdit: world.stamp(at),
        });
    }
}

/// A call, an e-mail or a word at the desk.
fn talk(world: &mut World<'_>, dice: &mut Dice, person: &Person, at: Moment) {
    let mode = *dice.pick(&[3, 3, 3, 1, 4, 0, 2, 6]);
    let direction = if mode == 0 { 0 } else { dice.between(1, 2) };
    let note = dice.chance(950).then(|| names::note(dice));
    let kind = def::COMMLOG[dice.index(4)];
    log(world, dice, person, at, kind, note, (mode, direction), 0);
}

#[allow(clippy::too_many_arguments)] // the columns of a commlog
fn log(
    world: &mut World<'_>,
    dice: &mut Dice,
    person: &Person,
    at: Moment,
    kind: i64,
    note: crate::sample::value::Note,
    (mode, direction): (i64, i64),
    source: i64,
) -> i64 {
    let number = world.keys.scattered(Key::Commlog, dice);
    world.out.put(Commlog {
        CommlogNum: number,
        PatNum: person.number,
        CommDateTime: at,
        CommType: kind,
        Note: note,
        Mode_: mode,
        SentOrReceived: direction,
        CommSource: source,
        DateTStamp: Stamp(world.stamp(at).0),
    });
    number
}

/// A form or consent; some were deleted, some are still on the tablet.
fn sheet(world: &mut World<'_>, dice: &mut Dice, person: &Person, at: Moment) {
    let (kind, title) =
        *dice.pick(&[(6, "Consent"), (9, "Patient Registration"), (11, "Medical History"), (11, "Medical History")]);
    world.out.put(Sheet {
        SheetNum: world.keys.next(Key::Sheet),
        SheetType: kind,
        PatNum: person.number,
        DateTimeSheet: at,
        Description: Cow::Borrowed(title),
        ShowInTerminal: i64::from(dice.chance(30)),
        IsWebForm: i64::from(dice.chance(400)),
        IsDeleted: i64::from(dice.chance(50)),
        SheetDefNum: kind,
        ClinicNum: person.clinic,
        RevID: 1,
        DateTSheetEdited: if dice.chance(30) { Moment::ZERO } else { Moment(world.stamp(at).0) },
    });
}
