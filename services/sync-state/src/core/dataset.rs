//! Datasets by number: a state names 38 of them and is cloned for every command.

use std::{fmt, sync::LazyLock};

use mesh::datasets;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The stored number of each dataset. Numbers are for ever: a new dataset goes to the end, one that is no longer canonical
/// keeps its place, and states that name it forget it when they are read.
const NAMES: [&str; 38] = [
    "patient",
    "patient_note",
    "provider",
    "clinic",
    "operatory",
    "definition",
    "preference",
    "referral",
    "referral_attach",
    "appointment",
    "appointment_history",
    "appointment_type",
    "schedule",
    "schedule_operatory",
    "recall",
    "recall_type",
    "procedure",
    "procedure_code",
    "treatment_plan",
    "treatment_plan_attach",
    "treatment_plan_procedure",
    "claim",
    "claim_line",
    "claim_payment",
    "carrier",
    "insurance_plan",
    "insurance_subscriber",
    "patient_plan",
    "payment",
    "payment_split",
    "adjustment",
    "payment_plan",
    "payment_plan_charge",
    "statement",
    "commlog",
    "sms_received",
    "sms_sent",
    "sheet",
];

/// Whether the dataset at each place is canonical still.
static CANONICAL: LazyLock<DatasetSet> =
    LazyLock::new(|| datasets::all().filter_map(|dataset| DatasetId::named(dataset.name)).collect());
/// The canonical datasets in the order in which an initial run reads them.
static ORDER: LazyLock<Vec<DatasetId>> =
    LazyLock::new(|| datasets::all().filter_map(|dataset| DatasetId::named(dataset.name)).collect());

/// A canonical dataset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetId(u8);

impl DatasetId {
    /// The dataset of this name.
    pub fn named(name: &str) -> Option<Self> {
        // A short list of short names: no map is faster.
        NAMES.iter().position(|known| *known == name).map(|place| Self(place as u8)) // at most 64 places
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// Every canonical dataset, in the order in which an initial run reads them.
    pub fn all() -> impl Iterator<Item = Self> {
        ORDER.iter().copied()
    }

    /// Its stored number.
    pub(super) fn number(self) -> u8 {
        self.0
    }

    /// The dataset of a stored number; none when this version no longer has it.
    pub(super) fn numbered(number: u8) -> Option<Self> {
        Some(Self(number)).filter(|dataset| usize::from(number) < NAMES.len() && dataset.canonical())
    }

    fn canonical(self) -> bool {
        CANONICAL.contains(self)
    }
}

impl fmt::Debug for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A dataset as stored; none when this version no longer has it.
pub(super) struct Known(pub Option<DatasetId>);

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match deserializer.is_human_readable() {
            true => DatasetId::named(&String::deserialize(deserializer)?).filter(|dataset| dataset.canonical()),
            false => DatasetId::numbered(u8::deserialize(deserializer)?),
        }))
    }
}

impl Serialize for DatasetId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(self.name()),
            false => serializer.serialize_u8(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for DatasetId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Known::deserialize(deserializer)?.0.ok_or_else(|| D::Error::custom("a dataset that this version does not know"))
    }
}

/// A set of datasets.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct DatasetSet(u64);

impl DatasetSet {
    /// Every canonical dataset.
    pub fn all() -> Self {
        *CANONICAL
    }

    /// Whether it holds a dataset.
    pub fn contains(self, dataset: DatasetId) -> bool {
        self.0 & (1 << dataset.0) != 0
    }

    /// Puts one in.
    pub fn insert(&mut self, dataset: DatasetId) {
        self.0 |= 1 << dataset.0;
    }

    /// Whether everything in `other` is in it.
    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether something is in both.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize // at most 64
    }

    /// Those in it, in the order in which a run reads them.
    pub fn iter(self) -> impl Iterator<Item = DatasetId> {
        DatasetId::all().filter(move |dataset| self.contains(*dataset))
    }
}

impl FromIterator<DatasetId> for DatasetSet {
    fn from_iter<I: IntoIterator<Item = DatasetId>>(datasets: I) -> Self {
        let mut set = Self::default();
        datasets.into_iter().for_each(|dataset| set.insert(dataset));
        set
    }
}

impl fmt::Debug for DatasetSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for DatasetSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_seq(self.iter()),
            false => serializer.serialize_u64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for DatasetSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let known = Vec::<Known>::deserialize(deserializer)?;
            return Ok(known.into_iter().filter_map(|known| known.0).collect());
        }
        Ok(Self(u64::deserialize(deserializer)? & CANONICAL.0))
    }
}

/// Something of each of some datasets, in the order of their numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct DatasetMap<T>(Vec<(DatasetId, T)>);

impl<T> Default for DatasetMap<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> DatasetMap<T> {
    /// What a dataset has.
    pub fn get(&self, dataset: DatasetId) -> Option<&T> {
        self.place(dataset).ok().map(|place| &self.0[place].1)
    }

    /// What a dataset has, to be changed.
    pub fn get_mut(&mut self, dataset: DatasetId) -> Option<&mut T> {
        self.place(dataset).ok().map(|place| &mut self.0[place].1)
    }

    /// Gives a dataset something in place of what it had.
    pub fn insert(&mut self, dataset: DatasetId, value: T) {
        match self.place(dataset) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (dataset, value)),
        }
    }

    /// Takes what a dataset had.
    pub fn remove(&mut self, dataset: DatasetId) -> Option<T> {
        self.place(dataset).ok().map(|place| self.0.remove(place).1)
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (DatasetId, &T)> {
        self.0.iter().map(|(dataset, value)| (*dataset, value))
    }

    /// All of it, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (DatasetId, &mut T)> {
        self.0.iter_mut().map(|(dataset, value)| (*dataset, value))
    }

    /// What the datasets have.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The datasets.
    pub fn keys(&self) -> impl Iterator<Item = DatasetId> {
        self.0.iter().map(|(dataset, _)| *dataset)
    }

    /// How many datasets have something.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no dataset has anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, dataset: DatasetId) -> Result<usize, usize> {
        // Mostly all datasets are there, each at its own number.
        let guess = usize::from(dataset.0);
        match self.0.get(guess) {
            Some((found, _)) if *found == dataset => Ok(guess),
            _ => self.0.binary_search_by_key(&dataset, |(dataset, _)| *dataset),
        }
    }
}

impl<T> FromIterator<(DatasetId, T)> for DatasetMap<T> {
    fn from_iter<I: IntoIterator<Item = (DatasetId, T)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(dataset, _)| *dataset);
        pairs.dedup_by_key(|(dataset, _)| *dataset);
        Self(pairs)
    }
}

impl<T: fmt::Debug> fmt::Debug for DatasetMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<T: Serialize> Serialize for DatasetMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for DatasetMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = DatasetMap<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("something of each of some datasets")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<DatasetMap<T>, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0).min(NAMES.len()));
                while let Some((known, value)) = map.next_entry::<Known, T>()? {
                    pairs.extend(known.0.map(|dataset| (dataset, value)));
                }
                Ok(pairs.into_iter().collect())
            }
        }
        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_canonical_dataset_has_a_number() {
        assert_eq!(DatasetSet::all().len(), datasets::all().count(), "add new datasets to the end of NAMES");
        assert!(NAMES.len() <= 64, "a set is 64 bits");
        for (place, name) in NAMES.iter().enumerate() {
            assert_eq!(DatasetId::named(name).map(|d| usize::from(d.0)), Some(place));
        }
    }
}
