//! Pages of lists: sizes, and tokens that know the list they belong to.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tonic::Code;

use crate::error::{ErrorReason, Refusal};

/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 2048;

/// A list: which one, of what. Two lists that could be confused differ in one of the two; filters are part of it.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// What is listed, e.g. `runs`.
    pub what: &'static str,
    /// Whose, and by which filter; empty where there is one list only.
    pub of: &'a str,
}

impl List<'_> {
    /// The token of the page that begins after `position`.
    pub fn token(&self, position: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}\n{}\n{position}", self.what, self.of))
    }

    /// The position that a token stands for; none for the first page.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID` for another list's, and for what is no token.
    pub fn position(&self, token: &str) -> Result<Option<String>, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = Some(token).filter(|token| token.len() <= TOKEN_BYTES_MAX);
        let text = bytes.and_then(|token| URL_SAFE_NO_PAD.decode(token).ok()).and_then(|b| String::from_utf8(b).ok());
        let position = text.as_deref().and_then(|text| {
            text.strip_prefix(self.what)?.strip_prefix('\n')?.strip_prefix(self.of)?.strip_prefix('\n')
        });
        match position {
            Some(position) => Ok(Some(position.to_owned())),
            None => Err(refused()),
        }
    }

    /// The same where positions are numbers.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub fn number(&self, token: &str) -> Result<Option<u64>, Refusal> {
        self.position(token)?.map(|position| position.parse().map_err(|_| refused())).transpose()
    }
}

fn refused() -> Refusal {
    let sentence = "is not a token of this list; leave it empty to start over";
    Refusal::new(Code::InvalidArgument, ErrorReason::PageTokenInvalid, sentence).on_field("page_token")
}

/// A page's size, the default for 0.
///
/// # Errors
/// `INVALID_FIELD` for a negative one.
pub fn size(asked: i32, default: i32, most: i32) -> Result<usize, Refusal> {
    match asked {
        0 => Ok(default as usize), // a small positive constant
        1.. => Ok(asked.min(most) as usize),
        _ => Err(Refusal::invalid("page_size", "must not be negative")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_of_one_list() {
        let runs = List { what: "runs", of: "north" };
        let token = runs.token("17");
        assert_eq!(runs.number(&token).unwrap(), Some(17));
        assert_eq!(runs.position("").unwrap(), None);
        for other in [List { what: "writes", of: "north" }, List { what: "runs", of: "northwest" }] {
            let refusal = other.position(&token).unwrap_err();
            assert_eq!(refusal.reason, ErrorReason::PageTokenInvalid);
            assert_eq!(refusal.field.unwrap().0, "page_token");
        }
        for bad in ["%%", "cnVuczo5", &"a".repeat(3000)] {
            assert!(runs.position(bad).is_err(), "{bad}");
        }
        assert!(runs.number(&runs.token("x")).is_err(), "a forged position");
    }
}
