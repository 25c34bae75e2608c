//! Invented people: names, phones, addresses and notes from our own syllables, so unlike ordinary words that a test can
//! search a log for every one of them.

use std::borrow::Cow;

use super::dice::Dice;
use crate::sample::value::Text;

const HEADS: [&str; 24] = [
    "Vrel", "Zhum", "Quor", "Drax", "Mizh", "Thav", "Ykel", "Bruv", "Plox", "Gnar", "Xand", "Jhor", "Wexl", "Kyzz",
    "Fjol", "Skuv", "Ghaz", "Zwin", "Dvor", "Hjal", "Tlex", "Ruzh", "Oxum", "Vyql",
];
const MIDDLES: [&str; 16] = [
    "azu", "exo", "iqui", "ovu", "uzha", "yxe", "ahvo", "ezhi", "ojju", "uqua", "ibbu", "awzo", "yvvi", "oxxa", "ezzu",
    "uhki",
];
const TAILS: [&str; 20] = [
    "vrixt", "zhumm", "qelt", "drozz", "mywk", "thaxx", "kelj", "brovv", "pluzz", "gnarq", "xendt", "jhorr", "wyxl",
    "kozz", "fjumm", "skevv", "ghozt", "zwonn", "dvarr", "hjelk",
];
const ACCENTED: [&str; 6] = ["vrézn", "žhümm", "qëltø", "drôzç", "mÿwkå", "ñaxxí"];
const STREETS: [&str; 5] = ["Xylvane Rd", "Quorth Ave", "Zhembly St", "Wexlow Ct", "Vryke Blvd"];
/// Towns of the invented region.
pub(crate) const TOWNS: [&str; 4] = ["Quellborough", "Zhanville", "Wyxford", "Port Vrazz"];
const NOTES: [&str; 12] = [
    "Zwibbly about needles; likes the qworn chair",
    "Said \"vrooq\" hurts when cold; watch #14",
    "Mother zhanks to call first; don't text",
    "Paid half, rest after qwanking the insurer",
    "Très sensible à l'anesthésie, vroquet",
    "Wants quorbled shade; bring sample",
    "Left a vmaxxed voicemail, no answer",
    "Asked for zhorthly plan; 50% down\n2nd line: backslash \\ and tab\tinside",
    "Prefers wexmornings before school",
    "Allergic to qenicyllin (reported)",
    "Grinds at night, vyxguard discussed",
    "Needs zhescort after sedation; percent % and _ signs",
];

/// A family name.
pub(crate) fn last(dice: &mut Dice) -> Text {
    let (head, middle) = (*dice.pick(&HEADS), *dice.pick(&MIDDLES));
    let tail = if dice.chance(40) { *dice.pick(&ACCENTED) } else { *dice.pick(&TAILS) };
    Cow::Owned(match dice.between(0, 49) {
        0 => format!("O'{head}{middle}{tail}"),
        1 => format!("{head}{middle}{tail}-{}{}", dice.pick(&HEADS), dice.pick(&TAILS)),
        2 => format!("Van {head}{middle}{tail}"),
        _ => format!("{head}{middle}{tail}"),
    })
}

/// A given name.
pub(crate) fn first(dice: &mut Dice) -> Text {
    let (head, middle) = (*dice.pick(&HEADS), *dice.pick(&MIDDLES));
    if dice.chance(30) {
        return Cow::Owned(format!("{head}{middle} \"{}\"", dice.pick(&HEADS)));
    }
    Cow::Owned(format!("{head}{middle}{}", dice.pick(&["h", "x", "zz", "nq", "lv"])))
}

/// A phone number of an exchange that no one has, in one of the ways in which front desks type it.
pub(crate) fn phone(dice: &mut Dice) -> Text {
    let (area, exchange, line) = (dice.between(201, 989), 555, dice.between(0, 9999));
    Cow::Owned(match dice.between(0, 9) {
        0 => format!("{area}{exchange}{line:04}"),
        1 => format!("{area}.{exchange}.{line:04}"),
        2 => format!("1{area}-{exchange}-{line:04} ext {}", dice.between(10, 99)),
        _ => format!("({area}){exchange}-{line:04}"),
    })
}

/// A mobile number as the message gateway writes it.
pub(crate) fn mobile(dice: &mut Dice) -> Text {
    Cow::Owned(format!("1{}555{:04}", dice.between(201, 989), dice.between(0, 9999)))
}

/// An e-mail address that can reach no one.
pub(crate) fn email(first: &str, number: i64) -> Text {
    let letters: String = first.chars().filter(char::is_ascii_alphabetic).collect();
    Cow::Owned(format!("{}{number}@example.invalid", letters.to_lowercase()))
}

/// A street and number.
pub(crate) fn street(dice: &mut Dice) -> Text {
    Cow::Owned(format!("{} {}", dice.between(1, 9999), dice.pick(&STREETS)))
}

/// A note as people type them.
pub(crate) fn note(dice: &mut Dice) -> Text {
    Cow::Owned(format!("{} ({}{})", dice.pick(&NOTES), dice.pick(&HEADS), dice.pick(&TAILS)))
}
