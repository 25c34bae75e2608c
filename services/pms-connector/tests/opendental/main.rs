//! The Open Dental connector against a real MariaDB.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod changes;
mod describe;
mod practice;
mod random_histories;
mod reading;
mod refusals;
mod speed;
