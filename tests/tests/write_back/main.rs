//! Promise: what sync-state has accepted for a PMS is in the PMS once, in order for each patient, equal to the cent, or the
//! write has ended with a reason; whatever fails on the way.
//! Method: the five processes on a real Redis, a generated practice on a real MariaDB, and the stand-in for Open Dental's API
//! over it, which fails as it is told. What the database holds afterwards is compared with what was accepted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod kinds;
mod office;
mod once;
mod plan;
