//! General Reports: `features.md` §6, the PMS's own reports, streamed as rows or as a file.
//!
//! [`list`] says what there is: one entry a report, with its columns, filters and SQL (`reports/sql`, one file for a
//! question). [`asked`] reads a request, [`rows`] brings the rows, a batch at a time, [`shape`] gives them the columns'
//! forms and adds up the totals on the way, [`files`] and [`messages`] encode them, [`send`] hands them to the caller.
//! Nothing holds a whole report.

pub mod asked;
pub mod column;
pub mod files;
mod goals;
pub mod list;
pub mod messages;
mod money_owed;
pub mod rows;
pub mod send;
pub mod shape;

#[cfg(test)]
mod tests;
