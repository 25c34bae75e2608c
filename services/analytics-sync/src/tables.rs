//! The Delta tables: one for each practice and dataset, ordinary ones that any Delta reader opens.
//!
//! ```text
//! {root}/{practice}/{dataset}/_delta_log/…
//!                            /run-{run}/{chunk}-{epoch}.parquet
//! ```

pub mod chunks;
pub mod commit;
pub mod read;
pub mod schema;
pub mod sweep;

#[cfg(test)]
mod tests;
