//! Rows from the Arrow batches that the connector sends.

use ::arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, Time32SecondType, TimeUnit,
        TimestampMicrosecondType,
    },
};
use mesh::{Refusal, datasets::Dataset};

use super::{Row, Value};

/// The rows of one Arrow IPC stream of a dataset; none of empty bytes. Columns are found by name; those that the batch
/// does not have are null.
///
/// # Errors
/// `INTERNAL` when the bytes are not a batch, or a column is not of its canonical type.
pub fn rows_of(dataset: &'static Dataset, arrow_ipc: &[u8]) -> Result<Vec<Row>, Refusal> {
    if arrow_ipc.is_empty() {
        return Ok(Vec::new());
    }
    let unreadable = || Refusal::internal(&format!("the connector's rows of {} cannot be read", dataset.name));
    let batch = mesh::rows::decode(arrow_ipc).map_err(|_| unreadable())?;
    let mut rows = vec![Row::new(dataset); batch.num_rows()];
    for (at, column) in dataset.columns.iter().enumerate() {
        fill(&mut rows, at, &batch, column.name).ok_or_else(unreadable)?;
    }
    Ok(rows)
}

fn fill(rows: &mut [Row], at: usize, batch: &RecordBatch, name: &str) -> Option<()> {
    let Some(column) = batch.column_by_name(name) else { return Some(()) };
    let column: &dyn Array = column.as_ref();
    let get: Box<dyn Fn(usize) -> Option<Value>> = match column.data_type() {
        DataType::Int64 => {
            let values = column.as_primitive_opt::<Int64Type>()?;
            Box::new(|i| Some(Value::Int(values.value(i))))
        }
        DataType::Int32 => {
            let values = column.as_primitive_opt::<Int32Type>()?;
            Box::new(|i| Some(Value::Int(values.value(i).into())))
        }
        DataType::Decimal128(_, 4) => {
            let values = column.as_primitive_opt::<Decimal128Type>()?;
            Box::new(|i| i64::try_from(values.value(i)).ok().map(Value::Int))
        }
        DataType::Date32 => {
            let values = column.as_primitive_opt::<Date32Type>()?;
            Box::new(|i| Some(Value::Int(values.value(i).into())))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let values = column.as_primitive_opt::<TimestampMicrosecondType>()?;
            Box::new(|i| Some(Value::Int(values.value(i))))
        }
        DataType::Time32(TimeUnit::Second) => {
            let values = column.as_primitive_opt::<Time32SecondType>()?;
            Box::new(|i| Some(Value::Int(values.value(i).into())))
        }
        DataType::Utf8 => {
            let values = column.as_string_opt::<i32>()?;
            Box::new(|i| Some(Value::Text(values.value(i).to_owned())))
        }
        _ => return None,
    };
    for (i, row) in rows.iter_mut().enumerate() {
        if column.is_valid(i) {
            row.values[at] = get(i)?;
        }
    }
    Some(())
}
