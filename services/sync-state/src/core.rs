//! All rules of sync-state as one pure function: no I/O, no clock, no randomness of its own.
//!
//! [`apply`](apply::apply) takes a practice's state, a command and the time, and returns the next state and what
//! happened, or refuses. Stores save what it returns; services call it; nothing else changes a state.

mod accepted;
mod act;
pub mod apply;
mod asked;
pub mod command;
pub mod dataset;
mod digest;
pub mod export;
pub mod fair;
pub mod freshness;
pub mod invariants;
mod leases;
pub mod nightly;
mod outbox;
mod pause;
pub mod records;
pub mod refusal;
pub mod run;
pub mod runs;
pub mod saved;
mod schedule;
pub mod shared;
pub mod state;
pub mod stored;
mod stream;
pub mod write;
