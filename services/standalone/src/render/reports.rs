//! Reports: the list, and rows as they come.

use chairsync_proto::{
    analytics::{
        DateRange, Report, ReportColumn, ReportColumnKind, ReportEnd, ReportGroup, ReportHead, ReportRow,
        report_value::Value,
    },
    google_type::{Date, Money},
};
use serde_json::{Map, Value as Json, json};

use super::{printable, table::table, word};

/// Blanks between columns.
const GAP: &str = "  ";
/// The widest that a column of text is drawn; what is longer is cut.
const WIDEST: usize = 40;

/// The list of reports as a table.
pub fn lines(reports: &[Report]) -> Vec<String> {
    let row = |report: &Report| {
        let id = report.name.rsplit('/').next().unwrap_or_default().to_owned();
        [report.number.to_string(), id, report.display_name.clone(), group(report), filters(report).join(", ")]
    };
    let rows: Vec<[String; 5]> = reports.iter().map(row).collect();
    table(["NO", "REPORT", "NAME", "GROUP", "FILTERS"], &rows)
}

/// A report of the list for programs.
pub fn described(report: &Report) -> Json {
    let column = |column: &ReportColumn| {
        let kind = word(column.kind().as_str_name(), "REPORT_COLUMN_KIND_");
        json!({"id": column.id, "display_name": column.display_name, "kind": kind, "totalled": column.totalled})
    };
    json!({"name": report.name, "number": report.number, "display_name": report.display_name,
           "description": report.description, "group": group(report), "filters": filters(report),
           "columns": report.columns.iter().map(column).collect::<Vec<_>>(),
           "holds_patient_data": report.holds_patient_data})
}

fn group(report: &Report) -> String {
    word(ReportGroup::try_from(report.group).unwrap_or_default().as_str_name(), "REPORT_GROUP_")
}

fn filters(report: &Report) -> Vec<String> {
    report.filters().map(|filter| word(filter.as_str_name(), "REPORT_FILTER_")).collect()
}

/// What stands above a report.
pub fn title(head: &ReportHead, report: &Report) -> Vec<String> {
    let name = printable(&report.display_name);
    let mut lines = vec![head.range.as_ref().map_or(name.clone(), |range| format!("{name}, {}", range_words(range)))];
    for preference in &head.preferences {
        lines.push(format!("{} = {}", printable(&preference.key), printable(&preference.value)));
    }
    lines.push(String::new());
    lines
}

fn range_words(range: &DateRange) -> String {
    let date = |date: &Option<Date>| date.as_ref().map(date_words).unwrap_or_default();
    format!("{} to {}", date(&range.start_date), date(&range.end_date))
}

fn date_words(date: &Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

fn money_words(money: &Money) -> String {
    let cents = i128::from(money.units) * 100 + i128::from(money.nanos / 10_000_000);
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

fn words(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::Text(text)) => printable(text),
        Some(Value::Integer(number)) => number.to_string(),
        Some(Value::Money(money)) => money_words(money),
        Some(Value::Date(date)) => date_words(date),
        Some(Value::Percent(percent)) => format!("{percent:.1} %"),
        Some(Value::Boolean(flag)) => if *flag { "yes" } else { "no" }.to_owned(),
        Some(Value::LocalDateTime(at)) => {
            let date = at.date.as_ref().map(date_words).unwrap_or_default();
            format!("{date} {:02}:{:02}", at.minute_of_day / 60, at.minute_of_day % 60)
        }
    }
}

/// A row for programs: money as text, so that no float touches it.
pub fn object(columns: &[ReportColumn], row: &ReportRow) -> Json {
    let value = |value: Option<&Value>| match value {
        None => Json::Null,
        Some(Value::Integer(number)) => json!(number),
        Some(Value::Percent(percent)) => json!(percent),
        Some(Value::Boolean(flag)) => json!(flag),
        Some(Value::Text(text)) => json!(text),
        Some(Value::LocalDateTime(_)) => json!(words(value).replace(' ', "T")),
        Some(Value::Money(_) | Value::Date(_)) => json!(words(value)),
    };
    let cells = columns.iter().zip(&row.values);
    Json::Object(cells.map(|(column, cell)| (column.id.clone(), value(cell.value.as_ref()))).collect::<Map<_, _>>())
}

/// The totals in a line.
pub fn totals(columns: &[ReportColumn], end: &ReportEnd) -> String {
    let totals = end.totals.clone().unwrap_or_default();
    let cells = columns.iter().zip(&totals.values).filter(|(_, cell)| cell.value.is_some());
    let words =
        cells.map(|(column, cell)| format!("{} {}", printable(&column.display_name), words(cell.value.as_ref())));
    format!("Totals: {}", words.collect::<Vec<_>>().join(", "))
}

/// A table whose rows come in parts: the first part decides how wide the columns are.
pub struct Table {
    heads: Vec<String>,
    right: Vec<bool>,
    widths: Option<Vec<usize>>,
}

impl Table {
    /// An empty one.
    pub fn new(columns: &[ReportColumn]) -> Self {
        let right = |column: &ReportColumn| {
            matches!(column.kind(), ReportColumnKind::Integer | ReportColumnKind::Money | ReportColumnKind::Percent)
        };
        Self {
            heads: columns.iter().map(|column| printable(&column.display_name)).collect(),
            right: columns.iter().map(right).collect(),
            widths: None,
        }
    }

    /// The lines of the next rows; before the first, the head.
    pub fn rows(&mut self, rows: &[ReportRow]) -> Vec<String> {
        let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
        let mut lines = self.begin(&cells);
        lines.extend(cells.iter().map(|row| self.line(row)));
        lines
    }

    /// The line of the totals, under a rule.
    pub fn end(&mut self, totals: &ReportRow) -> Vec<String> {
        let cells = vec![cells(totals)];
        let mut lines = self.begin(&cells);
        let rule: Vec<String> = self.widths.iter().flatten().map(|width| "-".repeat(*width)).collect();
        lines.push(rule.join(GAP));
        lines.extend(cells.iter().map(|row| self.line(row)));
        lines
    }

    fn begin(&mut self, rows: &[Vec<String>]) -> Vec<String> {
        if self.widths.is_some() {
            return Vec::new();
        }
        let width = |(place, head): (usize, &String)| {
            let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.chars().count());
            // Totals are longer than what they sum up.
            let room = if self.right[place] { 2 } else { 0 };
            (cells.max().unwrap_or(0) + room).max(head.chars().count()).min(WIDEST)
        };
        self.widths = Some(self.heads.iter().enumerate().map(width).collect());
        vec![self.line(&self.heads)]
    }

    fn line(&self, cells: &[String]) -> String {
        let widths = self.widths.iter().flatten();
        let cell = |((cell, width), right): ((&String, &usize), &bool)| match right {
            true => format!("{cell:>width$}"),
            false => format!("{:<width$}", cell.chars().take(*width).collect::<String>()),
        };
        let cells: Vec<String> = cells.iter().zip(widths).zip(&self.right).map(cell).collect();
        cells.join(GAP).trim_end().to_owned()
    }
}

fn cells(row: &ReportRow) -> Vec<String> {
    row.values.iter().map(|cell| words(cell.value.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use chairsync_proto::analytics::ReportValue;

    use super::*;

    fn columns() -> Vec<ReportColumn> {
        let column = |id: &str, kind: ReportColumnKind| ReportColumn {
            id: id.to_owned(),
            display_name: id.to_uppercase(),
            kind: kind.into(),
            totalled: kind == ReportColumnKind::Money,
        };
        vec![column("name", ReportColumnKind::Text), column("fee", ReportColumnKind::Money)]
    }

    fn row(name: Option<&str>, cents: i64) -> ReportRow {
        let money = Money { currency_code: "USD".into(), units: cents / 100, nanos: (cents % 100) as i32 * 10_000_000 };
        let name = ReportValue { value: name.map(|name| Value::Text(name.to_owned())) };
        ReportRow { values: vec![name, ReportValue { value: Some(Value::Money(money)) }] }
    }

    #[test]
    fn parts_make_one_table() {
        let mut table = Table::new(&columns());
        let first = table.rows(&[row(Some("Ann"), 12_345), row(Some("Bo\u{1b}b"), -50)]);
        assert_eq!(first, ["NAME       FEE", "Ann     123.45", "Bo b     -0.50"]);
        assert_eq!(table.rows(&[row(Some("Cyn, the long"), 0)]), ["Cyn,      0.00"]);
        assert_eq!(table.end(&row(None, 12_295)), ["----  --------", "        122.95"]);
    }

    #[test]
    fn a_report_without_rows_has_a_head_and_totals() {
        let mut table = Table::new(&columns());
        assert_eq!(table.end(&row(None, 0)), ["NAME     FEE", "----  ------", "        0.00"]);
    }

    #[test]
    fn programs_get_money_as_text() {
        assert_eq!(object(&columns(), &row(None, -1_205)), json!({"name": null, "fee": "-12.05"}));
    }
}
