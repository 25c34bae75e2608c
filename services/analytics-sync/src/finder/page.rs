//! Page tokens: where the last page ended, by what its last row is sorted by and its number. The next page goes on after
//! that place in whatever table is the newest then, so that a commit in between neither repeats nor skips a row that did
//! not change. A token holds a digest of what was asked for and is refused under anything else.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mesh::{ErrorReason, Refusal};
use prost::Message as _;
use tonic::Code;

use super::order::{Key, Spot};

/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 4_096;
/// The longest beginning of a text that a token holds; longer ones are told apart by number from there on.
const TEXT_BYTES_MAX: usize = 1_024;

/// Where a page ended, as a token holds it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct Place {
    /// What was asked for.
    #[prost(fixed64, tag = "1")]
    digest: u64,
    /// The last row's number.
    #[prost(int64, tag = "2")]
    patient: i64,
    /// The last row's key, if it is a number.
    #[prost(sint64, optional, tag = "3")]
    number: Option<i64>,
    /// The last row's key, if it is a text.
    #[prost(string, optional, tag = "4")]
    text: Option<String>,
}

/// It holds what the last row was sorted by, patient data too: redacted.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place { redacted }")
    }
}

impl Place {
    /// The place of a row, under what was asked for.
    pub fn of(spot: &Spot<'_>, digest: u64) -> Self {
        let (number, text) = match spot.0 {
            None => (None, None),
            Some(Key::Number(number)) => (Some(number), None),
            Some(Key::Text(_, text)) => (None, Some(beginning(text).to_owned())),
        };
        Self { digest, patient: spot.1, number, text }
    }

    /// Reads a token; none for the first page.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID` for one of other filters or another order, and for what is no token.
    pub fn read(token: &str, digest: u64) -> Result<Option<Self>, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = Some(token).filter(|token| token.len() <= TOKEN_BYTES_MAX);
        let bytes = bytes.and_then(|token| URL_SAFE_NO_PAD.decode(token).ok());
        let place = bytes.and_then(|bytes| Self::decode(bytes.as_slice()).ok());
        match place {
            Some(place) if place.digest == digest => Ok(Some(place)),
            Some(_) => {
                Err(refused("is of another practice, other filters or another order; leave it empty to start over"))
            }
            None => Err(refused("is not a token of this list; leave it empty to start over")),
        }
    }

    /// The token.
    pub fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.encode_to_vec())
    }

    /// The place in the order.
    pub fn spot(&self) -> Spot<'_> {
        let key = match (&self.number, &self.text) {
            (Some(number), _) => Some(Key::Number(*number)),
            (None, Some(text)) => Key::text(text),
            (None, None) => None,
        };
        (key, self.patient)
    }
}

/// The part of a text that a token holds, and by which texts are compared while pages are turned.
pub fn beginning(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn refused(fault: &str) -> Refusal {
    Refusal::new(Code::InvalidArgument, ErrorReason::PageTokenInvalid, fault).on_field("page_token")
}

/// A digest of what was asked for: FNV-1a, the same on every replica.
pub fn digest(parts: &[&[u8]]) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mix = |hash: u64, bytes: &[u8]| bytes.iter().fold(hash, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(PRIME));
    parts.iter().fold(START, |hash, part| mix(mix(hash, &(part.len() as u64).to_le_bytes()), part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_place_and_to_no_other_list() {
        let spots = [(Key::text("møller, a"), 7), (Some(Key::Number(-5)), 9), (None, i64::MAX)];
        for spot in spots {
            let token = Place::of(&spot, 3).token();
            assert_eq!(Place::read(&token, 3).unwrap().unwrap().spot(), spot);
            let refusal = Place::read(&token, 4).unwrap_err();
            assert_eq!(
                (refusal.reason, refusal.field.unwrap().0.as_str()),
                (ErrorReason::PageTokenInvalid, "page_token")
            );
        }
        assert_eq!(Place::read("", 3).unwrap(), None);
        for bad in ["%%", "AAAA", &"a".repeat(5_000)] {
            assert_eq!(Place::read(bad, 3).unwrap_err().reason, ErrorReason::PageTokenInvalid, "{bad}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = format!("{}é", "a".repeat(TEXT_BYTES_MAX - 1));
        assert_eq!(beginning(&text).len(), TEXT_BYTES_MAX - 1);
    }

    #[test]
    fn digests_tell_parts_apart() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(digest(&[b"ab", b"c"]), digest(&[b"ab", b"c"]));
    }
}
