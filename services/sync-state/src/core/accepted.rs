//! How accepted tables are stored: most of a run's are alike, so each is a few bytes of what differs from the one before.
//!
//! A row begins with how far its dataset's number is from the last one, above two bits: whether it is synced through a
//! moment, and whether that moment, the run or the fence differs. Then follow the differences of version and of completion,
//! the rows, and if the second bit is set the differences of moment, run and fence.
//! Numbers are in base 128, lowest digits first, signed ones folded so that small ones stay small.

use jiff::Timestamp;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de};

use super::{
    dataset::{DatasetId, DatasetMap},
    shared::Shared,
    state::Accepted,
};

const SYNCED: u64 = 1;
const DIFFERS: u64 = 2;
const BITS: u32 = 2;

/// What a row is the difference from.
#[derive(Default)]
struct Before {
    dataset: u64,
    version: i64,
    done: i64,
    through: i64,
    run: u64,
    fence: u64,
}

pub fn serialize<S: Serializer>(map: &Shared<DatasetMap<Accepted>>, serializer: S) -> Result<S::Ok, S::Error> {
    match serializer.is_human_readable() {
        true => map.serialize(serializer),
        false => serializer.serialize_bytes(&pack(map)),
    }
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Shared<DatasetMap<Accepted>>, D::Error> {
    match deserializer.is_human_readable() {
        true => Shared::deserialize(deserializer),
        false => deserializer.deserialize_bytes(Packed),
    }
}

struct Packed;

impl de::Visitor<'_> for Packed {
    type Value = Shared<DatasetMap<Accepted>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("accepted tables")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        unpack(bytes).map(Shared::new).ok_or_else(|| E::custom("accepted tables are damaged"))
    }
}

fn pack(map: &DatasetMap<Accepted>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(400);
    let mut before = Before::default();
    for (dataset, accepted) in map.iter() {
        let dataset = u64::from(dataset.number());
        let synced = accepted.synced_through.map(Timestamp::as_millisecond);
        let through = synced.unwrap_or(before.through);
        let differs = through != before.through || accepted.run != before.run || accepted.fence != before.fence;
        let flags = if synced.is_some() { SYNCED } else { 0 } | if differs { DIFFERS } else { 0 };
        write(&mut bytes, (dataset.wrapping_sub(before.dataset)) << BITS | flags);
        write_signed(&mut bytes, accepted.version.wrapping_sub(before.version));
        let done = accepted.completed_at.as_millisecond();
        write_signed(&mut bytes, done.wrapping_sub(before.done));
        write_signed(&mut bytes, accepted.rows);
        if differs {
            write_signed(&mut bytes, through.wrapping_sub(before.through));
            write_signed(&mut bytes, accepted.run.wrapping_sub(before.run).cast_signed());
            write_signed(&mut bytes, accepted.fence.wrapping_sub(before.fence).cast_signed());
        }
        before = Before { dataset, version: accepted.version, done, through, run: accepted.run, fence: accepted.fence };
    }
    bytes
}

/// None: these bytes are not what [`pack`] writes. Datasets that this version no longer has are left out.
fn unpack(mut bytes: &[u8]) -> Option<DatasetMap<Accepted>> {
    let mut before = Before::default();
    let mut found = Vec::with_capacity(38);
    while !bytes.is_empty() {
        let head = read(&mut bytes)?;
        before.dataset = before.dataset.checked_add(head >> BITS)?;
        before.version = before.version.wrapping_add(read_signed(&mut bytes)?);
        before.done = before.done.wrapping_add(read_signed(&mut bytes)?);
        let rows = read_signed(&mut bytes)?;
        if head & DIFFERS != 0 {
            before.through = before.through.wrapping_add(read_signed(&mut bytes)?);
            before.run = before.run.wrapping_add_signed(read_signed(&mut bytes)?);
            before.fence = before.fence.wrapping_add_signed(read_signed(&mut bytes)?);
        }
        let moment = |ms: i64| Timestamp::from_millisecond(ms).ok();
        let accepted = Accepted {
            version: before.version,
            rows,
            synced_through: if head & SYNCED == 0 { None } else { Some(moment(before.through)?) },
            completed_at: moment(before.done)?,
            run: before.run,
            fence: before.fence,
        };
        let number = u8::try_from(before.dataset).ok()?;
        found.extend(DatasetId::numbered(number).map(|dataset| (dataset, accepted)));
    }
    Some(found.into_iter().collect())
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80); // its lowest seven bits
        number >>= 7;
    }
    bytes.push(number as u8); // fewer than eight bits are left
}

fn write_signed(bytes: &mut Vec<u8>, number: i64) {
    write(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn read_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = read(bytes)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_accepted() -> impl Strategy<Value = Accepted> {
        let moment =
            || (-62_000_000_000_000_i64..253_000_000_000_000).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap());
        (any::<i64>(), any::<i64>(), prop::option::of(moment()), moment(), any::<u64>(), any::<u64>()).prop_map(
            |(version, rows, synced_through, completed_at, run, fence)| Accepted {
                version,
                rows,
                synced_through,
                completed_at,
                run,
                fence,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(some in prop::collection::vec((any::<bool>(), any_accepted()), 38)) {
            let map: DatasetMap<Accepted> =
                DatasetId::all().zip(some).filter(|(_, (there, _))| *there).map(|(d, (_, a))| (d, a)).collect();
            prop_assert!(unpack(&pack(&map)).unwrap() == map);
        }

        #[test]
        fn anything_else_is_refused_or_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            drop(unpack(&bytes));
        }
    }
}
