//! One suite for every store: each keeps what it acknowledged, refuses what somebody else overtook, and says what is due.
//! Then what only a file, a Redis, Sentinels, or a cluster can suffer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cluster;
mod embedded;
mod layout;
mod model;
mod redis;
mod sentinel;
mod size;
mod suite;
mod tls;
