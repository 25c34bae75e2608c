//! How moments, dates and names of states are stored: compactly in the store's binary form, readably in JSON.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A moment cut to milliseconds: what is kept is what was computed with.
pub fn cut(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// Moments: milliseconds since 1970, or RFC 3339.
pub mod moment {
    use super::*;

    /// Writes one.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => at.serialize(serializer),
            false => serializer.serialize_i64(at.as_millisecond()),
        }
    }

    /// Reads one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        if deserializer.is_human_readable() {
            return Timestamp::deserialize(deserializer).map(cut);
        }
        Timestamp::from_millisecond(i64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Moments that may be missing.
pub mod moment_option {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Wrap(#[serde(with = "super::moment")] Timestamp);

    /// Writes one.
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(Wrap).serialize(serializer)
    }

    /// Reads one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Wrap>::deserialize(deserializer)?.map(|wrap| wrap.0))
    }
}

/// Bytes: as such, or in Base64.
pub mod bytes {
    use std::fmt;

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::de::Visitor;

    use super::*;

    /// Writes them.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(&STANDARD.encode(bytes)),
            false => serializer.serialize_bytes(bytes),
        }
    }

    /// Reads them.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        if deserializer.is_human_readable() {
            return STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom);
        }
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}

/// Local dates that may be missing: yyyymmdd as a number, or yyyy-mm-dd.
pub mod date_option {
    use super::*;

    /// Writes one.
    pub fn serialize<S: Serializer>(date: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => date.serialize(serializer),
            false => date
                .map(|d| i32::from(d.year()) * 10_000 + i32::from(d.month()) * 100 + i32::from(d.day()))
                .serialize(serializer),
        }
    }

    /// Reads one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
        if deserializer.is_human_readable() {
            return Option::<Date>::deserialize(deserializer);
        }
        let Some(number) = Option::<i32>::deserialize(deserializer)? else { return Ok(None) };
        let part = |n: i32| i8::try_from(n).map_err(D::Error::custom);
        let year = i16::try_from(number.div_euclid(10_000)).map_err(D::Error::custom)?;
        let rest = number.rem_euclid(10_000);
        Date::new(year, part(rest / 100)?, part(rest % 100)?).map(Some).map_err(D::Error::custom)
    }
}

/// An enum that is stored as a small number, or in JSON by its name. Numbers are never given to another meaning.
macro_rules! stored_enum {
    ($(#[$about:meta])* $name:ident { $($(#[$variant_about:meta])* $variant:ident = $code:literal $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_about])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name as stored in JSON and shown in diagrams.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match serializer.is_human_readable() {
                    true => serializer.serialize_str(self.name()),
                    false => serializer.serialize_u8(self.code()),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let found = if deserializer.is_human_readable() {
                    let name = String::deserialize(deserializer)?;
                    Self::ALL.iter().find(|one| one.name() == name)
                } else {
                    let code = u8::deserialize(deserializer)?;
                    Self::ALL.iter().find(|one| one.code() == code)
                };
                found.copied().ok_or_else(|| {
                    serde::de::Error::custom(concat!("a value of ", stringify!($name), " that this version does not know"))
                })
            }
        }
    };
}
pub(crate) use stored_enum;
