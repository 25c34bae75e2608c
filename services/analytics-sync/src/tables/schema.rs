//! The tables' schemas: the canonical ones, in the types that Delta has.
//!
//! Delta has no time of day: such a column is an integer, in seconds after local midnight.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::cast,
    datatypes::{DataType as Arrow, Field, Schema, SchemaRef},
    error::ArrowError,
};
use deltalake_core::kernel::{DataType, PrimitiveType, StructField, StructType};
use mesh::datasets::{ColumnType, Dataset};

/// The Arrow schema of a dataset's table.
pub fn arrow(dataset: &Dataset) -> SchemaRef {
    let field = |c: &mesh::datasets::Column| Field::new(c.name, arrow_type(c.kind), true);
    Arc::new(Schema::new(dataset.columns.iter().map(field).collect::<Vec<_>>()))
}

/// The Delta schema of a dataset's table.
///
/// # Errors
/// When Delta does not take a column; canonical ones it takes.
pub fn delta(dataset: &Dataset) -> deltalake_core::DeltaResult<StructType> {
    Ok(StructType::try_new(fields(dataset)?)?)
}

/// The columns of a dataset's table as Delta has them.
///
/// # Errors
/// As for [`delta`].
pub fn fields(dataset: &Dataset) -> deltalake_core::DeltaResult<Vec<StructField>> {
    let field = |c: &mesh::datasets::Column| Ok(StructField::nullable(c.name, delta_type(c.kind)?));
    dataset.columns.iter().map(field).collect()
}

/// Brings a batch in the canonical schema into the table's, by column name; a column that the batch lacks is null.
///
/// # Errors
/// When a column has another type than the canonical one.
pub fn to_table(dataset: &Dataset, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = arrow(dataset);
    let column = |field: &Arc<Field>| -> Result<ArrayRef, ArrowError> {
        match batch.column_by_name(field.name()) {
            None => Ok(arrow::array::new_null_array(field.data_type(), batch.num_rows())),
            Some(found) if found.data_type() == field.data_type() => Ok(found.clone()),
            Some(found) if matches!(found.data_type(), Arrow::Time32(_)) => cast(found, &Arrow::Int32),
            Some(found) => Err(ArrowError::SchemaError(format!(
                "column {} of {} came as {} and not in its canonical type",
                field.name(),
                dataset.name,
                found.data_type()
            ))),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema, columns)
}

fn arrow_type(kind: ColumnType) -> Arrow {
    match kind {
        ColumnType::Time => Arrow::Int32,
        other => other.arrow(),
    }
}

fn delta_type(kind: ColumnType) -> deltalake_core::DeltaResult<DataType> {
    Ok(match kind {
        ColumnType::Id => DataType::LONG,
        ColumnType::Code | ColumnType::Time => DataType::INTEGER,
        ColumnType::Money => DataType::Primitive(PrimitiveType::decimal(18, 4)?),
        ColumnType::Date => DataType::DATE,
        ColumnType::LocalDateTime => DataType::TIMESTAMP_NTZ,
        ColumnType::Instant => DataType::TIMESTAMP,
        ColumnType::Text => DataType::STRING,
    })
}
