//! Each form of file reads back to the rows that messages have, and to the same sums.

use arrow::{
    array::{Array as _, AsArray as _},
    datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type},
    ipc::reader::StreamReader,
};
use mesh::calendar;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

/// More rows than a batch and a part hold, with names that CSV must quote, nulls and parts of cents.
fn sheet() -> Practice {
    let names = ["O'Hara, \"Bud\"", "Two\nLines", "", "Ünï"];
    let people = names.into_iter().zip(1..).map(|(name, number): (&str, i64)| person(number, 1, name, "x"));
    let row =
        |number: i64| procedure(number, number % 5 + 1, 3, 2, &format!("2026-03-{:02}", number % 31 + 1), "33.335");
    let broken = |number: i64| appointment(number, 1, 5, "2026-03-30T09:05:00", 60);
    Practice::new()
        .with("procedure_code", json!({"code_num": 3, "proc_code": "D0120", "descript": "Exam, \"periodic\""}))
        .all("patient", people)
        .all("procedure", (1..=9_000).map(row))
        .all("appointment", [broken(1), broken(2)])
        .with("appointment", appointment(3, 1, 1, "2026-04-02T14:30:00", 60))
}

fn cell(array: &arrow::array::ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Decimal128(38, 2) => {
            let cents = array.as_primitive::<Decimal128Type>().value(row);
            format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
        }
        DataType::Date32 => {
            calendar::from_days(array.as_primitive::<Date32Type>().value(row).into()).unwrap().to_string()
        }
        DataType::Float64 => format!("{:.1}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        other => panic!("a file holds {other}"),
    })
}

fn of_batch(batch: &RecordBatch) -> Vec<Row> {
    let schema = batch.schema();
    let row = |row: usize| {
        let cells = schema.fields().iter().zip(batch.columns());
        cells.filter_map(|(field, array)| Some((field.name().clone(), cell(array, row)?))).collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// RFC 4180, read by the letter. Nothing between two commas is null.
fn of_csv(bytes: &[u8]) -> Vec<Row> {
    let text = std::str::from_utf8(bytes).unwrap();
    let (mut records, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => field.push(letters.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted => {
                assert_eq!(letters.next(), Some('\n'), "lines end with CRLF");
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            letter => field.push(letter),
        }
    }
    assert!(field.is_empty() && record.is_empty(), "the last line ends too");
    let head = records.remove(0);
    let row = |record: Vec<String>| head.iter().cloned().zip(record).filter(|(_, value)| !value.is_empty()).collect();
    records.into_iter().map(row).collect()
}

/// As files have them: times with seconds; with `blank`, without what a CSV file cannot tell from null.
fn as_in_files(rows: &[Row], blank: bool) -> Vec<Row> {
    let value = |value: &String| match value.len() == 16 && value.as_bytes()[10] == b'T' {
        true => format!("{value}:00"),
        false => value.clone(),
    };
    let row = |row: &Row| {
        let kept = row.iter().filter(|(_, text)| !(blank && text.is_empty()));
        kept.map(|(name, text)| (name.clone(), value(text))).collect()
    };
    rows.iter().map(row).collect()
}

#[tokio::test]
async fn every_form_reads_back_to_the_same_rows_and_sums() {
    let practice = sheet();
    let books = practice.books().await;
    for id in ["day-sheet", "broken-appointments", "procedures-by-code"] {
        let told = run_on(&books, id, march).await;
        let form = |format: ReportFormat| {
            move |request: &mut RunReportRequest| {
                march(request);
                request.format = format.into();
            }
        };
        assert!(!told.rows.is_empty());
        let csv = run_on(&books, id, form(ReportFormat::Csv)).await;
        assert_eq!(of_csv(&csv.data), as_in_files(&told.rows, true), "{id}");

        let parquet = run_on(&books, id, form(ReportFormat::Parquet)).await;
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(parquet.data.clone())).unwrap();
        let batches: Vec<RecordBatch> = reader.build().unwrap().collect::<Result<_, _>>().unwrap();
        let rows: Vec<Row> = batches.iter().flat_map(of_batch).collect();
        assert_eq!(rows, as_in_files(&told.rows, false), "{id}");

        let ipc = run_on(&books, id, form(ReportFormat::ArrowIpc)).await;
        let reader = StreamReader::try_new(std::io::Cursor::new(&ipc.data), None).unwrap();
        let rows: Vec<Row> = reader.flat_map(|batch| of_batch(&batch.unwrap())).collect();
        assert_eq!(rows, as_in_files(&told.rows, false), "{id}");

        for ran in [&csv, &parquet, &ipc] {
            assert_eq!((ran.end.row_count, ran.end.byte_count), (told.rows.len() as i64, ran.data.len() as i64));
            assert_eq!(ran.totals, told.totals, "{id}");
        }
    }
    // A sum of parts of cents is rounded once, not row by row: 9,000 × 33.335.
    let ran = run_on(&books, "day-sheet", march).await;
    assert_eq!((ran.rows[0]["fee"].as_str(), ran.total(&["fee"])), ("33.34", "300015.00".to_owned()));
}
