//! Tables of aligned columns.

use std::fmt::Write as _;

use super::time::NONE;

/// Blanks between columns.
const GAP: usize = 2;

/// Lays rows out under a head. Missing cells are blank; cells beyond the head are left out. Lines have no blanks at
/// their end.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    laid_out(head, rows, [false; N])
}

/// The same, with the columns that hold only numbers (or nothing) at the right of their place.
pub fn table_of_figures<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let number = |cell: &str| cell == NONE || cell.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    let right = std::array::from_fn(|column| !rows.is_empty() && rows.iter().all(|row| number(&row[column])));
    laid_out(head, rows, right)
}

fn laid_out<const N: usize>(head: [&str; N], rows: &[[String; N]], right: [bool; N]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for ((cell, width), right) in cells.iter().zip(widths).zip(right) {
            let _ = match right {
                true => write!(line, "{cell:>width$}{:GAP$}", ""),
                false => write!(line, "{cell:<pad$}", pad = width + GAP),
            }; // a String takes every text
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(head)];
    lines.extend(rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str()))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows =
            [["a".to_owned(), "long cell".to_owned(), "1".to_owned()], ["ünï".into(), String::new(), "2".into()]];
        let lines = table(["x", "y", "n"], &rows);
        assert_eq!(lines, ["x    y          n", "a    long cell  1", "ünï             2"]);
    }

    #[test]
    fn numbers_stand_at_the_right() {
        let rows =
            [["a".to_owned(), "1,000.00".to_owned(), "5 %".to_owned()], ["b".into(), "-2.00".into(), "x".into()]];
        assert_eq!(
            table_of_figures(["who", "amount", "r"], &rows),
            ["who    amount  r", "a    1,000.00  5 %", "b       -2.00  x"]
        );
    }

    #[test]
    fn a_table_without_rows_is_its_head() {
        assert_eq!(table(["one", "two"], &[]), ["one  two"]);
    }
}
