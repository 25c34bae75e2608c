//! The keys by which the API knows the developer and the customer.

use http::HeaderValue;
use mesh::{ErrorReason, Refusal, secret::Secret};
use tonic::Code;

/// `ODFHIR {developer key}/{customer key}`, as the header wants it; it prints as sensitive.
#[derive(Debug, Clone)]
pub(super) struct Keys(HeaderValue);

impl Keys {
    /// Reads `{developer key}/{customer key}`.
    pub(super) fn new(word: &Secret) -> Result<Self, Refusal> {
        let (developer, customer) = word.expose().split_once('/').ok_or_else(malformed)?;
        let plain = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !plain(developer) || !plain(customer) {
            return Err(malformed());
        }
        let header = format!("ODFHIR {developer}/{customer}");
        let mut value = HeaderValue::try_from(header).map_err(|_| malformed())?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The value of `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn malformed() -> Refusal {
    let message = "the credential of the API must hold {developer key}/{customer key} in one line";
    Refusal::new(Code::FailedPrecondition, ErrorReason::CredentialNotFound, message)
        .on_field("source.open_dental.api.credential")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_sent_and_not_shown() {
        let keys = Keys::new(&Secret::new("NFF6i0KrXrxDkZHt/VzkmZEaUWOjnQX2z")).unwrap();
        assert_eq!(keys.header().to_str().unwrap(), "ODFHIR NFF6i0KrXrxDkZHt/VzkmZEaUWOjnQX2z");
        assert!(!format!("{keys:?}").contains("NFF6"));
        for bad in ["", "one", "/", "a/", "/b", "a b/c", "a/b/c", "ä/b"] {
            assert_eq!(Keys::new(&Secret::new(bad)).unwrap_err().reason, ErrorReason::CredentialNotFound, "{bad}");
        }
    }
}
