//! Tables of aligned columns.

use std::fmt::Write as _;

/// Blanks between columns.
const GAP: usize = 2;

/// Lays rows out under a head. Missing cells are blank; cells beyond the head are left out. Lines have no blanks at
/// their end.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(line, "{cell:<pad$}", pad = width + GAP); // a String takes every text
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
    fn a_table_without_rows_is_its_head() {
        assert_eq!(table(["one", "two"], &[]), ["one  two"]);
    }
}
