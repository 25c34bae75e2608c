//! Rows on the wire: one Arrow IPC stream of a schema and one batch.

use arrow::{
    array::RecordBatch,
    error::ArrowError,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use bytes::Bytes;

/// Encodes a batch.
///
/// # Errors
/// When a column cannot be written; canonical batches always can.
pub fn encode(batch: &RecordBatch) -> Result<Bytes, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::with_capacity(batch.get_array_memory_size() + 1024), &batch.schema())?;
    writer.write(batch)?;
    Ok(writer.into_inner()?.into())
}

/// Decodes what [`encode`] made.
///
/// # Errors
/// When the bytes are not one Arrow IPC stream with exactly one batch.
pub fn decode(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let mut reader = StreamReader::try_new(std::io::Cursor::new(bytes), None)?;
    let batch = reader.next().ok_or_else(|| ArrowError::IpcError("no batch in the stream".into()))??;
    match reader.next() {
        None => Ok(batch),
        Some(_) => Err(ArrowError::IpcError("more than one batch in the stream".into())),
    }
}
