//! The Delta tables: one for each practice and dataset, ordinary ones that any Delta reader opens.
//!
//! ```text
//! {root}/{practice}/{dataset}/_delta_log/…
//!                            /run-{run}/{chunk}-{epoch}.parquet
//!                            /run-{run}/merged-{number}-{epoch}.parquet
//! ```
//!
//! A run that reads a dataset whole puts its [`chunks`] in the place of everything ([`commit::replace`]). One that reads what
//! changed opens the table's [`base`], [`merge`]s into the files concerned, and puts those in the place of the old ones
//! ([`commit::apply`]).

pub mod base;
pub mod chunks;
pub mod commit;
pub mod merge;
pub mod read;
pub mod schema;
pub mod sweep;

#[cfg(test)]
mod tests;
