//! Scorecards: saved tables of metrics by provider, location or procedure code (`features.md` §4).

pub mod card;
pub mod check;
pub mod list;
pub mod periods;
pub mod result;
pub mod templates;

#[cfg(test)]
mod tests;
