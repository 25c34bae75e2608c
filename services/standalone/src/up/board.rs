//! The live table at the bottom of a terminal, redrawn in place.

use std::fmt::Write as _;

/// Draws over what it drew before. Lines are cut at the terminal's edge, so that a line is one row.
#[derive(Debug, Default)]
pub struct Board {
    rows: usize,
}

impl Board {
    /// The characters that replace the last drawing by `lines`.
    pub fn draw(&mut self, lines: &[String]) -> String {
        let mut out = String::from("\x1b[?7l"); // no wrapping
        if self.rows > 0 {
            let _ = write!(out, "\x1b[{}A\r", self.rows); // a String takes every text
        }
        for line in lines {
            let _ = writeln!(out, "\x1b[2K{line}");
        }
        out.push_str("\x1b[J\x1b[?7h");
        self.rows = lines.len();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_drawing_goes_over_the_first() {
        let mut board = Board::default();
        let lines = ["a".to_owned(), "b".to_owned()];
        assert!(!board.draw(&lines).contains("A\r"));
        assert!(board.draw(&lines[..1]).contains("\x1b[2A\r\x1b[2Ka\n\x1b[J"));
        assert!(board.draw(&lines).contains("\x1b[1A\r"));
    }
}
