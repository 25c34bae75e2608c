//! What every chairsync service shares, and nothing else: names, errors, datasets, serving, clients, telemetry.

pub mod backoff;
pub mod calendar;
pub mod datasets;
pub mod deadline;
pub mod error;
pub mod names;
mod process;
#[cfg(feature = "rows")]
pub mod rows;
pub mod secret;
pub mod serve;
pub mod telemetry;
pub mod transport;

pub use error::{ErrorReason, Refusal};
pub use process::{cancel_on_signal, default_port, main};
