//! The sample practice: a generated Open Dental database, served from memory or loaded into a real server.
//!
//! [`generator`] makes the rows, the same for the same seed, size and date; [`load`] fills a MariaDB or MySQL with them;
//! [`memory`] serves them through the `Connector` trait without any server, and [`living`] lets the day go on there.

pub mod generator;
pub mod tables;
pub mod value;

pub use generator::Config;
