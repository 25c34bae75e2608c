//! Of which practice figures are asked for, and as of when.

use jiff::civil::{Date, DateTime};

/// A question's practice and moment.
#[derive(Debug, Clone)]
pub struct Question {
    /// The practice's id.
    pub practice: String,
    /// The code of the practice's currency.
    pub currency: String,
    /// D: the date as of which figures are computed; the snapshot's, or an earlier one that was asked for.
    pub date: Date,
    /// Now: the snapshot's wall-clock time.
    pub now: DateTime,
}
