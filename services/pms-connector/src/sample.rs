//! The sample practice: a generated Open Dental database, served from memory or loaded into a real server.
//!
//! [`generator`] makes the rows, the same for the same seed, size and date; [`load`] fills a MariaDB or MySQL with them;
//! [`memory`] serves them through the `Connector` trait without any server, and [`living`] lets the day go on there.

pub(crate) mod canonical;
pub mod generator;
pub mod living;
pub mod load;
pub mod memory;
#[cfg(test)]
mod outlets;
pub mod private;
pub(crate) mod store;
pub mod tables;
pub mod value;

pub use generator::Config;
pub use load::load;
pub use memory::{Pace, SamplePractice, SamplePractices};
