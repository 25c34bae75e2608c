//! The canonical datasets as Arrow schemas.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::{ColumnType, Dataset};

impl ColumnType {
    /// The Arrow type of a column.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Id => DataType::Int64,
            ColumnType::Code => DataType::Int32,
            ColumnType::Money => DataType::Decimal128(18, 4),
            ColumnType::Date => DataType::Date32,
            ColumnType::LocalDateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Time => DataType::Time32(TimeUnit::Second),
            ColumnType::Text => DataType::Utf8,
        }
    }
}

/// The Arrow schema of a dataset: its columns in order, all nullable.
pub fn schema(dataset: &Dataset) -> SchemaRef {
    let field = |c: &super::Column| Field::new(c.name, c.kind.arrow(), true);
    Arc::new(Schema::new(dataset.columns.iter().map(field).collect::<Vec<_>>()))
}
