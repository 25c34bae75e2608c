//! Answers as text: tables for people, JSON lines for programs.

pub mod boards;
pub mod figures;
pub mod json;
pub mod outbox;
pub mod practices;
pub mod reports;
pub mod runs;
pub mod statuses;
pub mod table;
pub mod time;

/// An enum value's proto name without its prefix, in small letters with spaces: `RUN_STATE_QUEUED` → `queued`.
pub fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase().replace('_', " ")
}

/// A count with a comma at each thousand.
pub fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = if n < 0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Text from a service, safe to print on a terminal: control characters become spaces.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        let shown: Vec<String> = [0, 12, 999, 1_000, 1_234_567, -4_000].into_iter().map(count).collect();
        assert_eq!(shown, ["0", "12", "999", "1,000", "1,234,567", "-4,000"]);
    }

    #[test]
    fn words_lose_their_prefix() {
        assert_eq!(word("FEATURE_STATE_INITIAL_SYNC", "FEATURE_STATE_"), "initial sync");
    }

    #[test]
    fn nothing_printed_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
