//! A row as watchers get it: a `Struct` by canonical column.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mesh::{calendar, datasets::ColumnType};
use prost_types::{Struct, Value as Shown, value::Kind};

use super::{Row, Value};

/// The row by column: nulls left out; keys, references and money as text so that none loses a digit; codes as numbers;
/// dates and times as ISO 8601 text, wall-clock ones without a zone.
pub fn to_struct(row: &Row) -> Struct {
    let fields: BTreeMap<String, Shown> = row
        .columns()
        .filter_map(|(name, kind, value)| Some((name.to_owned(), Shown { kind: Some(shown(kind, value)?) })))
        .collect();
    Struct { fields }
}

fn shown(kind: ColumnType, value: &Value) -> Option<Kind> {
    let number = match value {
        Value::Null => return None,
        Value::Text(text) => return Some(Kind::StringValue(text.clone())),
        Value::Int(number) => *number,
    };
    let text = match kind {
        ColumnType::Code => return Some(Kind::NumberValue(number as f64)),
        ColumnType::Id | ColumnType::Text => number.to_string(),
        ColumnType::Money => decimal(number),
        ColumnType::Date => calendar::from_days(number)?.to_string(),
        ColumnType::LocalDateTime => calendar::from_micros(number)?.to_string(),
        ColumnType::Instant => Timestamp::from_microsecond(number).ok()?.to_string(),
        ColumnType::Time => format!("{:02}:{:02}:{:02}", number / 3600, number / 60 % 60, number % 60),
    };
    Some(Kind::StringValue(text))
}

/// Ten-thousandths as a decimal with at least two places and no more zeros than that.
fn decimal(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let (units, parts) = (amount.unsigned_abs() / 10_000, amount.unsigned_abs() % 10_000);
    let mut text = format!("{sign}{units}.{parts:04}");
    while text.ends_with('0') && text.len() > text.find('.').map_or(0, |dot| dot + 3) {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn money_keeps_its_digits() {
        let shown = [0, 10_000, 12_345, -333_350, 5, -100].map(decimal);
        assert_eq!(shown, ["0.00", "1.00", "1.2345", "-33.335", "0.0005", "-0.01"]);
    }
}
