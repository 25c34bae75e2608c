//! The metrics: what each is, and their figures over any range, for anyone, with the rows behind them.
//!
//! Every metric is made of *facts*: rows that one SQL file a family (`metrics/sql`) brings for a span of dates, one row a
//! contribution. A figure is a signed sum of amounts or a count over the facts that lie in a range and pass a scope. Boards,
//! trends, scorecards and drill-downs are all worked out from the same facts, read once, so they agree by construction.

pub mod board_rows;
mod fact;
pub mod facts;
pub mod family;
pub mod figure;
pub mod flags;
mod hours;
pub mod list;
pub mod metric;
pub mod names;
pub mod page;
pub mod range;
mod receivables;
pub mod rows;
pub mod scope;
pub mod tile;
pub mod trend;

pub use self::{
    fact::{Fact, Text, Texts},
    facts::{Facts, Member},
    figure::Figure,
    list::{all, find, get},
    metric::Metric,
    names::Names,
    range::Range,
    scope::Scope,
};

#[cfg(test)]
mod tests;
