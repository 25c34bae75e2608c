//! All rules of sync-state as one pure function: no I/O, no clock, no randomness of its own.
//!
//! [`apply`](apply::apply) takes a practice's state, a command and the time, and returns the next state and what
//! happened, or refuses. Stores save what it returns; services call it; nothing else changes a state.

pub mod apply;
pub mod command;
pub mod freshness;
pub mod nightly;
pub mod refusal;
pub mod state;
