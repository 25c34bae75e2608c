//! What the living day needs to make new rows of.

pub(crate) use super::names::{email, mobile, note, phone};
use super::{codes, dice::Dice, names};
use crate::sample::value::Text;

pub(crate) use super::dollars;

/// A family name and a given name.
pub(crate) fn name(dice: &mut Dice) -> (Text, Text) {
    (names::last(dice), names::first(dice))
}

/// The number and the usual fee of a code.
pub(crate) fn code(code: &str) -> (i64, f64) {
    let place = codes::place(code);
    (codes::number(place), dollars(codes::CODES[place].cents))
}
