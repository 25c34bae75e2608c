//! Why a question to the books has no answer.

use mesh::Refusal;

use super::answer::ColumnFault;

/// Why figures could not be computed. Never quotes a row.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// What was asked for is refused: it names what the practice does not have, or what cannot be answered.
    #[error("refused")]
    Refused(Refusal),
    /// A table cannot be read or a question not planned.
    #[error("a table cannot be read")]
    Query(#[from] datafusion::error::DataFusionError),
    /// The log of a table cannot be read.
    #[error("a table's log cannot be read")]
    Table(#[from] deltalake_core::DeltaTableError),
    /// A question's SQL does not bring what its reader expects.
    #[error(transparent)]
    Column(#[from] ColumnFault),
}

impl From<Refusal> for BooksError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
