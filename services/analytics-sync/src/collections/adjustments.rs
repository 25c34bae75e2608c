//! `adjustments` of a range by type.

use std::collections::BTreeMap;

use chairsync_proto::analytics::AdjustmentTotal;
use mesh::money::Money;

use super::takes;
use crate::{
    books::{Books, BooksError},
    metrics::{Range, Scope},
};

/// The name of adjustments whose type the PMS does not know.
const NO_TYPE: &str = "unassigned";

/// `adjustments` of the range by type, the largest first, whichever its sign.
///
/// # Errors
/// When the tables cannot be read.
pub async fn by_type(
    books: &Books,
    range: Range,
    scope: &Scope,
    currency: &str,
) -> Result<Vec<AdjustmentTotal>, BooksError> {
    let given = [("from", range.0.into()), ("to", range.1.into())];
    let rows = books.ask(include_str!("sql/adjustments.sql"), &given).await?;
    let mut types: BTreeMap<i64, Type> = BTreeMap::new();
    for row in 0..rows.len() {
        if takes(scope, rows.number(row, "prov_num")?, rows.number(row, "clinic_num")?) {
            let (name, sign) = (rows.text(row, "item_name")?, rows.text(row, "item_value")?);
            let each = types.entry(rows.number(row, "adj_type")?).or_insert_with(|| Type::new(name, sign));
            each.count += rows.number(row, "adjustments")?;
            each.amount += rows.amount(row, "amount")?;
        }
    }
    let mut types: Vec<(i64, Type)> = types.into_iter().collect();
    types.sort_by(|(one, a), (other, b)| {
        (b.amount.0.abs().cmp(&a.amount.0.abs())).then_with(|| a.name.cmp(&b.name)).then(one.cmp(other))
    });
    Ok(types.into_iter().map(|(_, each)| each.total(currency)).collect())
}

struct Type {
    name: String,
    /// Whether it adds, as the PMS says; where it does not, its sum decides.
    plus: Option<bool>,
    count: i64,
    amount: Money,
}

impl Type {
    fn new(name: &str, sign: &str) -> Self {
        let plus = match sign.trim() {
            "+" => Some(true),
            "-" | "dp" => Some(false),
            _ => None,
        };
        let name = if name.is_empty() { NO_TYPE } else { name };
        Self { name: name.to_owned(), plus, count: 0, amount: Money::ZERO }
    }

    fn total(self, currency: &str) -> AdjustmentTotal {
        AdjustmentTotal {
            plus: self.plus.unwrap_or(self.amount > Money::ZERO),
            r#type: self.name,
            count: self.count,
            amount: Some(self.amount.to_proto(currency)),
        }
    }
}
