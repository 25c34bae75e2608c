//! Parquet, in row groups small enough to hold.

use ::parquet::{arrow::ArrowWriter, basic::Compression, errors::ParquetError, file::properties::WriterProperties};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::error::DataFusionError;

use super::{FileWriter, batch_in_files};

/// The most rows of a row group: what is held before it is sent.
const GROUP_ROWS_MAX: usize = 65_536;
/// The most bytes of a row group.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Writes Parquet.
pub struct Parquet {
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
}

impl Parquet {
    /// For batches of `schema`.
    ///
    /// # Errors
    /// When a column's type has no form in Parquet.
    pub fn new(schema: &SchemaRef) -> Result<Self, DataFusionError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .set_max_row_group_bytes(Some(GROUP_BYTES_MAX))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(failed)?;
        Ok(Self { schema: schema.clone(), writer })
    }
}

impl FileWriter for Parquet {
    fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, DataFusionError> {
        self.writer.write(&batch_in_files(&self.schema, batch)?).map_err(failed)?;
        // The writer counts what it has written by itself, so that its bytes may be taken away.
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, DataFusionError> {
        self.writer.into_inner().map_err(failed)
    }
}

fn failed(error: ParquetError) -> DataFusionError {
    DataFusionError::ParquetError(Box::new(error))
}
