//! The patient card: read from the PMS each time it is opened, under a deadline; what fails comes from the live view.
//!
//! [`rows`] says which rows a card needs; [`gather`] reads them from the PMS or from the live view; [`build`] computes
//! the card from them, wherever they came from.

mod account;
mod aging;
mod build;
mod care;
mod clock;
mod gather;
mod lists;
mod messages;
mod person;
pub mod remembered;
mod rows;
mod service;

use chairsync_proto::google_type;
use mesh::money::Money;

pub use self::{
    aging::{AgingRules, Balance, PaymentPlans, age},
    build::{Origin, build},
    clock::Clock,
    lists::Lists,
    rows::{Gathered, Selections},
    service::CardService,
};

/// What a card is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The patient's number.
    pub patient: i64,
    /// The rows.
    pub rows: &'a Gathered,
    /// The practice's lists.
    pub lists: &'a Lists,
    /// The practice's wall clock.
    pub clock: &'a Clock,
    /// ISO 4217 code of the practice's money.
    pub currency: &'a str,
}

impl Subject<'_> {
    fn money(&self, amount: Money) -> google_type::Money {
        amount.to_proto(self.currency)
    }
}
