//! Words that a name, a phone number or an e-mail address must begin with.

use std::fmt;

use mesh::Refusal;

use super::row::{Row, fold};

/// The longest query, in characters.
const QUERY_MAX: usize = 100;

/// What is looked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query {
    words: Vec<Sought>,
    /// The whole query, where it is nothing but a phone number.
    phone: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
struct Sought {
    text: String,
    /// The digits, where it is nothing but a part of a phone number.
    digits: Option<String>,
}

/// It may be a patient's name: redacted.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Query { redacted }")
    }
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `query` for one that is too long.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        if text.chars().count() > QUERY_MAX {
            return Err(Refusal::invalid("query", format!("must be at most {QUERY_MAX} characters")));
        }
        let words = text.split([' ', ',', '\t']).filter(|word| !word.is_empty());
        let words = words.map(|word| Sought { text: fold(word), digits: phone_digits(word) }).collect();
        Ok(Self { words, phone: phone_digits(text) })
    }

    /// Whether a row has it all.
    pub fn finds(&self, row: &Row) -> bool {
        let phone = |digits: &Option<String>| {
            digits.as_ref().is_some_and(|digits| begins(&row.mobile_phone, digits) || begins(&row.home_phone, digits))
        };
        let word = |sought: &Sought| {
            row.name_words.split(' ').any(|name| name.starts_with(&sought.text))
                || row.folded_email.starts_with(&sought.text)
                || phone(&sought.digits)
        };
        self.words.iter().all(word) || phone(&self.phone)
    }
}

/// The digits of what holds nothing but a phone number's characters, two digits at least.
fn phone_digits(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_digit() || " ()+-./\t".contains(c);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (text.chars().all(allowed) && digits.len() >= 2).then_some(digits)
}

/// Whether a phone number begins with the digits, with or without the 1 of North America in front.
fn begins(phone: &str, digits: &str) -> bool {
    let starts = |skip: usize| {
        let mut phone = phone.bytes().filter(u8::is_ascii_digit).skip(skip);
        digits.bytes().all(|digit| phone.next() == Some(digit))
    };
    starts(0) || (phone.bytes().find(u8::is_ascii_digit) == Some(b'1') && starts(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_are_beginnings_of_names_numbers_and_addresses() {
        let row = Row {
            name_words: "o'brien smith mary ann molly".into(),
            mobile_phone: "(503) 555-0187".into(),
            home_phone: "1-971-555-0100".into(),
            folded_email: "m.obrien@example.com".into(),
            ..Row::default()
        };
        for found in
            ["", "mary", "O'Br", "smith, Molly", "503", "(503) 555", "5035550187", "971-555", "1971", "M.OB", "ann 50"]
        {
            assert!(Query::read(found).unwrap().finds(&row), "{found}");
        }
        for missed in ["rien", "mary x", "555", "0", "example", "50355501879"] {
            assert!(!Query::read(missed).unwrap().finds(&row), "{missed}");
        }
        assert_eq!(Query::read(&"x".repeat(101)).unwrap_err().field.unwrap().0, "query");
    }
}
