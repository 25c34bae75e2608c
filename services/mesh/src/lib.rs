//! What chairsync's services share, and nothing else: serving, clients, telemetry; names, errors, calendars, datasets;
//! and what more than one module must compute alike, money, the age of what is owed and checksums of keys
//! and rows.

pub mod aging;
pub mod backoff;
pub mod calendar;
pub mod caller;
pub mod datasets;
pub mod deadline;
pub mod error;
pub mod key_sums;
pub mod money;
pub mod names;
pub mod pages;
mod process;
#[cfg(feature = "rows")]
pub mod row_hash;
#[cfg(feature = "rows")]
pub mod rows;
pub mod secret;
pub mod serve;
pub mod telemetry;
pub mod transport;

pub use error::{ErrorReason, Refusal};
pub use process::{cancel_on_signal, default_port, main};
