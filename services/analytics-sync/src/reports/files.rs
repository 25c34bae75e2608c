//! Rows as the bytes of a file, batch by batch: what has been written is taken away at once.

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType},
};
use chairsync_proto::analytics::ReportFormat;
use datafusion::error::DataFusionError;
use mesh::calendar;

mod arrow_ipc;
mod csv;
mod parquet;

/// Writes one file.
pub trait FileWriter: Send {
    /// Writes a batch and returns the bytes that are ready.
    ///
    /// # Errors
    /// When a value has no form in the file.
    fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, DataFusionError>;

    /// Ends the file and returns its last bytes.
    ///
    /// # Errors
    /// As [`FileWriter::write`].
    fn finish(self: Box<Self>) -> Result<Vec<u8>, DataFusionError>;
}

/// The media type and the ending of a format's files; none for rows.
pub fn media_type(format: ReportFormat) -> Option<(&'static str, &'static str)> {
    match format {
        ReportFormat::Csv => Some(("text/csv; charset=utf-8; header=present", "csv")),
        ReportFormat::Parquet => Some(("application/vnd.apache.parquet", "parquet")),
        ReportFormat::ArrowIpc => Some(("application/vnd.apache.arrow.stream", "arrow")),
        ReportFormat::Rows | ReportFormat::Unspecified => None,
    }
}

/// A writer for the batches of `schema`; none for rows.
///
/// # Errors
/// When the schema has no form in the file.
pub fn writer(format: ReportFormat, schema: &SchemaRef) -> Result<Option<Box<dyn FileWriter>>, DataFusionError> {
    Ok(match format {
        ReportFormat::Csv => Some(Box::new(csv::Csv::new(schema))),
        ReportFormat::Parquet => Some(Box::new(parquet::Parquet::new(&in_files(schema))?)),
        ReportFormat::ArrowIpc => Some(Box::new(arrow_ipc::ArrowIpc::new(&in_files(schema))?)),
        ReportFormat::Rows | ReportFormat::Unspecified => None,
    })
}

/// The schema in files: wall-clock times are text.
fn in_files(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Timestamp(_, _) => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        _ => field.clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// A batch in the schema of files.
fn batch_in_files(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
    let column = |array: &ArrayRef| match array.data_type() {
        DataType::Timestamp(_, _) => times(array),
        _ => array.clone(),
    };
    Ok(RecordBatch::try_new(schema.clone(), batch.columns().iter().map(column).collect())?)
}

/// ISO 8601 without a zone.
fn times(array: &ArrayRef) -> ArrayRef {
    let micros = array.as_primitive::<TimestampMicrosecondType>();
    let text = |row: usize| match micros.is_valid(row) {
        true => calendar::from_micros(micros.value(row)).map(|at| at.to_string()),
        false => None,
    };
    Arc::new((0..array.len()).map(text).collect::<StringArray>())
}
