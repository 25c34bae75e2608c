//! Turns expressions into conditions: those on one field may be joined by OR, and all are joined by AND.

use chairsync_proto::analytics::PatientField as Field;
use jiff::civil::Date;
use mesh::{Refusal, calendar::to_days};

use super::{
    Condition, Practice, Test,
    expression::{At, Comparator, Expression, Literal, Restriction},
    none_of,
    parse::{Fault, parse},
    put,
};
use crate::finder::{
    field::{self, Kind},
    row::Cents,
};

/// The most conditions that an expression may come to.
const CONDITIONS_MAX: usize = 200;

/// Reads an expression of a request into conditions, all of which must hold.
///
/// # Errors
/// `INVALID_FIELD` on `filter` that names the column and what was expected there.
pub fn conditions(filter: &str, practice: Practice<'_>) -> Result<Vec<Condition>, Refusal> {
    let read = || match parse(filter)? {
        Some(expression) => compiled(&expression, false, practice),
        None => Ok(Vec::new()),
    };
    read().map_err(|Fault { column, expected }| Refusal::invalid("filter", format!("column {column}: {expected}")))
}

fn compiled(expression: &Expression, negated: bool, practice: Practice<'_>) -> Result<Vec<Condition>, Fault> {
    match expression {
        Expression::Restriction(restriction) => Ok(vec![condition(restriction, negated, practice)?]),
        Expression::Not(inside) => compiled(inside, !negated, practice),
        Expression::All(parts) if !negated => all(parts, negated, practice),
        Expression::Any(parts, _) if negated => all(parts, negated, practice),
        Expression::All(parts) => any(parts, first_at(expression), negated, practice),
        Expression::Any(parts, at) => any(parts, *at, negated, practice),
    }
}

fn all(parts: &[Expression], negated: bool, practice: Practice<'_>) -> Result<Vec<Condition>, Fault> {
    let mut conditions = Vec::new();
    for part in parts {
        conditions.extend(compiled(part, negated, practice)?);
        bounded(conditions.len(), first_at(part))?;
    }
    Ok(conditions)
}

/// Of several lists of conditions one must hold whole: every choice of one condition from each must hold in part.
fn any(parts: &[Expression], at: At, negated: bool, practice: Practice<'_>) -> Result<Vec<Condition>, Fault> {
    let mut joined: Vec<Condition> = Vec::new();
    for part in parts {
        let found = compiled(part, negated, practice)?;
        if joined.is_empty() {
            joined = found;
            continue;
        }
        bounded(joined.len() * found.len(), at)?;
        let mut next = Vec::with_capacity(joined.len() * found.len());
        for (one, other) in joined.iter().flat_map(|one| found.iter().map(move |other| (one, other))) {
            if one.field != other.field {
                return Err(Fault::new(at, "expected AND here: OR joins comparisons of one field only"));
            }
            let any = one.any.iter().chain(&other.any).cloned().collect();
            next.push(Condition { field: one.field, any });
        }
        joined = next;
    }
    Ok(joined)
}

fn bounded(conditions: usize, at: At) -> Result<(), Fault> {
    match conditions <= CONDITIONS_MAX {
        true => Ok(()),
        false => Err(Fault::new(at, "expected fewer comparisons: joined as they are they come to too many")),
    }
}

fn first_at(expression: &Expression) -> At {
    match expression {
        Expression::Restriction(restriction) => restriction.field_at,
        Expression::Not(inside) => first_at(inside),
        Expression::All(parts) | Expression::Any(parts, _) => parts.first().map_or(At(1), first_at),
    }
}

fn condition(one: &Restriction, negated: bool, practice: Practice<'_>) -> Result<Condition, Fault> {
    let Some(field) = field::named(&one.field) else {
        let expected = "expected a field of PatientField in lower case, e.g. last_visit";
        return Err(Fault::new(one.field_at, expected));
    };
    let (test, fails) = test(field, one, practice)?;
    Ok(Condition { field, any: vec![(test, fails != negated)] })
}

/// The test of a restriction, and whether it must fail.
fn test(field: Field, one: &Restriction, practice: Practice<'_>) -> Result<(Test, bool), Fault> {
    let (kind, comparator) = (field::kind(field), one.comparator);
    let (equals, differs) = (comparator == Comparator::Equals, comparator == Comparator::Differs);
    match &one.value {
        Literal::Bare(text) if text == "null" && (equals || differs) => return Ok((Test::Empty(equals), false)),
        Literal::Bare(text) if text == "*" && comparator == Comparator::Has => return Ok((Test::Empty(false), false)),
        _ => {}
    }
    let wrong_sign = |expected: &str| Err(Fault::new(one.comparator_at, expected));
    let text = one.value.text();
    let value = |expected: &str| Fault::new(one.value_at, expected);
    match kind {
        Kind::Text | Kind::Code | Kind::OneOf(_) | Kind::Resource(_) => {
            if !(equals || differs || comparator == Comparator::Has) {
                return wrong_sign("expected =, != or : for a field of text");
            }
            let mut test = none_of(kind);
            put(&mut test, kind, text, practice)
                .map_err(|fault| value(&format!("expected a text that {}", that(&fault))))?;
            Ok((test, differs))
        }
        Kind::Flag => match text {
            "true" | "false" if equals || differs => Ok((Test::Is((text == "true") == equals), false)),
            "true" | "false" => wrong_sign("expected = or != for a field that is true or false"),
            _ => Err(value("expected true, false or null")),
        },
        Kind::Number | Kind::Money | Kind::Day => {
            let (read, expected): (Option<i64>, _) = match kind {
                Kind::Number => (text.parse().ok(), "expected a whole number or null"),
                Kind::Money => {
                    (cents(text), "expected an amount with at most two decimals, e.g. 500 or 12.50, or null")
                }
                _ => (day(text), "expected a date as YYYY-MM-DD, or null"),
            };
            let number = read.ok_or_else(|| value(expected))?;
            let test = match comparator {
                Comparator::Equals | Comparator::Differs => Test::Between(Some(number), Some(number)),
                Comparator::AtLeast => Test::Between(Some(number), None),
                Comparator::AtMost => Test::Between(None, Some(number)),
                Comparator::Greater => Test::Between(Some(number.saturating_add(1)), None),
                Comparator::Less => Test::Between(None, Some(number.saturating_sub(1))),
                Comparator::Has => return wrong_sign("expected =, !=, <, <=, > or >= for this field"),
            };
            Ok((test, differs))
        }
        Kind::Never => Err(value("expected null: it needs the PMS's benefit table, which is not read")),
    }
}

/// "must be x" as "is x".
fn that(fault: &str) -> String {
    match fault.strip_prefix("must ") {
        Some(rest) => rest.replacen("be ", "is ", 1).replacen("have ", "has ", 1).replacen("not is ", "is not ", 1),
        None => fault.to_owned(),
    }
}

fn day(text: &str) -> Option<i64> {
    let date = text.parse::<Date>().ok().filter(|_| text.len() == 10)?;
    Some(to_days(date).into())
}

fn cents(text: &str) -> Option<Cents> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole, 12) || !plain(part, 2) {
        return None;
    }
    let whole: Cents = whole.parse().ok()?;
    let part: Cents = format!("{part:0<2}").parse().ok()?;
    Some(sign * (whole * 100 + part))
}
