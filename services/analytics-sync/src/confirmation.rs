//! What an appointment's confirmation status says.

/// Whether it holds the whole word "confirmed".
pub fn says_confirmed(status: &str) -> bool {
    let mut words = status.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.any(|word| word.eq_ignore_ascii_case("confirmed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_word_confirms() {
        for yes in ["Confirmed", "Appointment CONFIRMED by text", "confirmed!", "e-mail: confirmed"] {
            assert!(says_confirmed(yes), "{yes}");
        }
        for no in ["", "Unconfirmed", "Not called", "Confirm", "unconfirmed_confirmeds"] {
            assert!(!says_confirmed(no), "{no}");
        }
    }
}
