//! The ledger rows of a card as they are kept between openings: for each its dataset's place in
//! [`CARD_ONLY`](crate::live_datasets::CARD_ONLY), the length of its bytes, its bytes.

use mesh::datasets;

use super::rows::Gathered;
use crate::{
    live_datasets::CARD_ONLY,
    live_view::schema_mark,
    row::{Row, decode, encode},
};

/// The bytes of a card's ledger rows.
pub fn pack(rows: &Gathered) -> Vec<u8> {
    let mut bytes = columns_mark().into_bytes();
    for (place, dataset) in CARD_ONLY.iter().enumerate() {
        for row in rows.of(dataset) {
            let row = encode(row);
            bytes.push(place as u8);
            bytes.extend_from_slice(&u32::try_from(row.len()).unwrap_or_default().to_be_bytes());
            bytes.extend_from_slice(&row);
        }
    }
    bytes
}

/// The rows that [`pack`] made bytes of; `None` when they are of other columns or not whole.
pub fn unpack(bytes: &[u8]) -> Option<Vec<Row>> {
    let mut bytes = bytes.strip_prefix(columns_mark().as_bytes())?;
    let mut rows = Vec::new();
    while let Some((place, rest)) = bytes.split_first() {
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (row, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rows.push(decode(datasets::get(CARD_ONLY.get(usize::from(*place))?)?, row)?);
        bytes = rest;
    }
    Some(rows)
}

/// Names the columns that the rows are written with.
fn columns_mark() -> String {
    let count = |name: &&str| datasets::get(name).map_or(0, |dataset| dataset.columns.len());
    let counts: Vec<String> = CARD_ONLY.iter().map(|name| count(name).to_string()).collect();
    format!("{}/{};", schema_mark(), counts.join("."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let row = |key: i64| Row::new(datasets::get("adjustment").unwrap()).with("adj_num", key).with("adj_note", "x");
        let other = Row::new(datasets::get("patient").unwrap()).with("pat_num", 1);
        let bytes = pack(&Gathered::of_rows([row(1), row(-7), other]));
        assert_eq!(unpack(&bytes).unwrap().len(), 2);
        assert!(unpack(&bytes).unwrap().contains(&row(-7)));
        assert!(unpack(&bytes[..bytes.len() - 1]).is_none() && unpack(b"x").is_none());
    }
}
