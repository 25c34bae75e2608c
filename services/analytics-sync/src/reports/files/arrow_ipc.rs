//! An Arrow IPC stream.

use arrow::{array::RecordBatch, datatypes::SchemaRef, ipc::writer::StreamWriter};
use datafusion::error::DataFusionError;

use super::{FileWriter, batch_in_files};

/// Writes an Arrow IPC stream.
pub struct ArrowIpc {
    schema: SchemaRef,
    writer: StreamWriter<Vec<u8>>,
}

impl ArrowIpc {
    /// For batches of `schema`.
    ///
    /// # Errors
    /// When the schema cannot be written.
    pub fn new(schema: &SchemaRef) -> Result<Self, DataFusionError> {
        let writer = StreamWriter::try_new(Vec::new(), schema)?;
        Ok(Self { schema: schema.clone(), writer })
    }
}

impl FileWriter for ArrowIpc {
    fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, DataFusionError> {
        self.writer.write(&batch_in_files(&self.schema, batch)?)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, DataFusionError> {
        Ok(self.writer.into_inner()?)
    }
}
