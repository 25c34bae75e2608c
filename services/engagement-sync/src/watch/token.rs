//! Resume tokens: where a watch is, signed, so that a token that was not given here is refused.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use mesh::{ErrorReason, Refusal};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tonic::Code;

use crate::live_view::Head;

/// Bytes of the signature in a token.
const SIGNATURE: usize = 16;
/// A token longer than this is not one of ours.
const TOKEN_MAX: usize = 2_048;

/// Where a watch is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The life of the view that the number counts in.
    #[serde(rename = "i")]
    pub incarnation: String,
    /// The last change received, or the last before the snapshot was begun.
    #[serde(rename = "s")]
    pub sequence: u64,
    /// The snapshot under way: the dataset's place in the filter, and the last index entry received.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<(usize, Option<String>)>,
}

impl Place {
    /// At the view's newest change, before a snapshot if one is wanted.
    pub fn at(head: &Head, snapshot: bool) -> Self {
        let (incarnation, sequence) = (head.incarnation.clone(), head.sequence);
        Self { incarnation, sequence, snapshot: snapshot.then_some((0, None)) }
    }
}

/// Makes and reads tokens.
#[derive(Clone)]
pub struct Tokens(Arc<Vec<u8>>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(secret)")
    }
}

impl Tokens {
    /// Signs with this secret.
    pub fn new(secret: Vec<u8>) -> Self {
        Self(Arc::new(secret))
    }

    /// A token, bound to a practice and to filters.
    pub fn make(&self, place: &Place, practice: &str, filters: u64) -> String {
        let body = serde_json::to_vec(place).unwrap_or_default();
        let mut bytes = self.signature(&body, practice, filters)[..SIGNATURE].to_vec();
        bytes.extend_from_slice(&body);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// `RESUME_TOKEN_INVALID` unless it was made here for this practice and these filters.
    pub fn read(&self, token: &str, practice: &str, filters: u64) -> Result<Place, Refusal> {
        let read = || {
            let bytes = (token.len() <= TOKEN_MAX).then(|| URL_SAFE_NO_PAD.decode(token).ok())??;
            let (signature, body) = bytes.split_at_checked(SIGNATURE)?;
            self.mac(body, practice, filters).verify_truncated_left(signature).ok()?;
            serde_json::from_slice(body).ok()
        };
        read().ok_or_else(|| {
            let message = "resume_token: not one that was given for this practice and these filters; use the last token \
                           as received, or watch again without one";
            Refusal::new(Code::InvalidArgument, ErrorReason::ResumeTokenInvalid, message).on_field("resume_token")
        })
    }

    fn mac(&self, body: &[u8], practice: &str, filters: u64) -> Hmac<Sha256> {
        #[allow(clippy::expect_used)] // HMAC takes a key of any length
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any key length");
        mac.update(practice.as_bytes());
        mac.update(&[0]);
        mac.update(&filters.to_be_bytes());
        mac.update(body);
        mac
    }

    fn signature(&self, body: &[u8], practice: &str, filters: u64) -> [u8; 32] {
        self.mac(body, practice, filters).finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn place() -> Place {
        Place { incarnation: "x".into(), sequence: 9, snapshot: Some((2, Some("7:12".into()))) }
    }

    #[test]
    fn a_token_is_bound_to_practice_filters_and_secret() {
        let tokens = Tokens::new(vec![1; 32]);
        let token = tokens.make(&place(), "a", 5);
        assert_eq!(tokens.read(&token, "a", 5).unwrap(), place());
        for (tokens, practice, filters) in [(&tokens, "b", 5), (&tokens, "a", 6), (&Tokens::new(vec![2; 32]), "a", 5)] {
            let refusal = tokens.read(&token, practice, filters).unwrap_err();
            assert_eq!(refusal.reason, ErrorReason::ResumeTokenInvalid);
        }
    }

    proptest! {
        #[test]
        fn a_changed_token_is_refused(at in 0_usize..40, with in "[A-Za-z0-9_-]") {
            let tokens = Tokens::new(vec![1; 32]);
            let mut token = tokens.make(&place(), "a", 5);
            let at = at.min(token.len() - 2);
            prop_assume!(token[at..=at] != with);
            token.replace_range(at..=at, &with);
            prop_assert!(tokens.read(&token, "a", 5).is_err());
        }
    }
}
