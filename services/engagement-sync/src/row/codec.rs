//! A row in few bytes: its values in the dataset's column order, each a tag and then a zigzag varint or counted text.
//!
//! The bytes do not name the columns. The live view keeps [`crate::live_view::schema_mark`] beside them and is filled
//! again when the columns have changed.

use mesh::datasets::Dataset;

use super::{Row, Value};

const NULL: u8 = 0;
const INT: u8 = 1;
const TEXT: u8 = 2;

/// The bytes of a row. Trailing nulls are left out.
pub fn encode(row: &Row) -> Vec<u8> {
    let used = row.values.iter().rposition(|v| *v != Value::Null).map_or(0, |last| last + 1);
    let mut bytes = Vec::with_capacity(used * 4);
    for value in &row.values[..used] {
        match value {
            Value::Null => bytes.push(NULL),
            Value::Int(number) => {
                bytes.push(INT);
                put(&mut bytes, zigzag(*number));
            }
            Value::Text(text) => {
                bytes.push(TEXT);
                put(&mut bytes, text.len() as u64);
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
    bytes
}

/// The row that [`encode`] made bytes of; `None` when they are not a row of that dataset.
pub fn decode(dataset: &'static Dataset, mut bytes: &[u8]) -> Option<Row> {
    let mut row = Row::new(dataset);
    let mut at = 0;
    while let Some((tag, rest)) = bytes.split_first() {
        let slot = row.values.get_mut(at)?;
        bytes = rest;
        *slot = match *tag {
            NULL => Value::Null,
            INT => Value::Int(unzigzag(take(&mut bytes)?)),
            TEXT => {
                let length = usize::try_from(take(&mut bytes)?).ok()?;
                let (text, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Text(String::from_utf8(text.to_vec()).ok()?)
            }
            _ => return None,
        };
        at += 1;
    }
    Some(row)
}

fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn put(bytes: &mut Vec<u8>, number: u64) {
    prost::encoding::encode_varint(number, bytes);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::Int), ".{0,20}".prop_map(Value::Text)]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(values in proptest::collection::vec(value(), 13)) {
            let dataset = mesh::datasets::get("sms_received").unwrap();
            let row = Row { dataset, values };
            prop_assert_eq!(decode(dataset, &encode(&row)).unwrap(), row);
        }

        #[test]
        fn other_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(mesh::datasets::get("recall").unwrap(), &bytes);
        }
    }
}
