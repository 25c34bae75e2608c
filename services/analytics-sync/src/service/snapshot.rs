//! What sync-state accepted of a practice, as one feature sees it.

use std::collections::{BTreeMap, BTreeSet};

use chairsync_proto::{
    catalog,
    feature::Feature,
    state::PracticeState,
    sync::{Completeness, Freshness},
};
use jiff::civil::{Date, DateTime};
use mesh::{Refusal, calendar};
use tonic::Status;

use crate::{question::Question, runs::registration};

/// A practice's accepted tables, and how fresh they make a feature.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The practice's id.
    pub practice: String,
    /// The code of its currency.
    pub currency: String,
    /// Which registration of the id it is.
    pub registered: String,
    /// The accepted version of every dataset that has one.
    pub versions: BTreeMap<String, i64>,
    /// The datasets of the feature that are there.
    pub present: BTreeSet<String>,
    /// The feature's freshness, as sync-state computed it.
    pub freshness: Freshness,
    /// The version of what people saved of it, as sync-state was last heard to have it.
    pub saved_version: u64,
    /// "Now" of the definitions: the time up to which all of the feature's data goes, on the practice's wall clock; while
    /// the initial sync runs, of the datasets that are there. `None` while there is nothing.
    pub now: Option<DateTime>,
}

impl Snapshot {
    /// As `state` has it for `feature`.
    ///
    /// # Errors
    /// When the practice's zone is not known here.
    pub fn of(practice: &str, state: &PracticeState, feature: Feature) -> Result<Self, Status> {
        let row = catalog::feature(feature).ok_or_else(|| Refusal::internal("the feature is not in the catalog"))?;
        let status = state.features.iter().find(|status| status.feature() == feature);
        let freshness = status.and_then(|status| status.freshness.clone()).unwrap_or_else(|| Freshness {
            completeness: Completeness::None.into(),
            reason: "nothing has been synced yet".to_owned(),
            ..Default::default()
        });
        let versions: BTreeMap<String, i64> =
            state.datasets.iter().filter_map(|d| Some((d.dataset.clone(), d.version?))).collect();
        let present = versions.keys().filter(|name| row.uses(name)).cloned().collect();
        let settings = state.practice.clone().unwrap_or_default();
        let read = state.datasets.iter().filter(|d| d.version.is_some() && row.uses(&d.dataset));
        let oldest = read.filter_map(|d| d.freshness.as_ref()?.synced_through).min_by_key(|t| (t.seconds, t.nanos));
        let through = freshness.synced_through.or(oldest);
        let wall_clock = |through| {
            let zone = calendar::zone("practice.time_zone", &settings.time_zone)?;
            Ok::<_, Refusal>(calendar::wall_clock(calendar::from_proto("synced_through", &through)?, &zone))
        };
        // Neither comes from this caller: sync-state checks zones and makes the times.
        let now = through.map(wall_clock).transpose();
        let now = now.map_err(|_| Refusal::internal("the practice's time zone is not known here"))?;
        Ok(Self {
            practice: practice.to_owned(),
            registered: registration(&settings),
            currency: settings.currency_code,
            versions,
            present,
            freshness,
            saved_version: state.saved_version,
            now,
        })
    }

    /// A question as of `date`, or as of the snapshot's own; `None` while there is nothing.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `date` for one after the snapshot's.
    pub fn question(&self, date: Option<Date>) -> Result<Option<Question>, Refusal> {
        let Some(now) = self.now else { return Ok(None) };
        let date = date.unwrap_or(now.date());
        if date > now.date() {
            return Err(Refusal::invalid("date", "lies after the snapshot's date; leave it out for the latest"));
        }
        Ok(Some(Question { practice: self.practice.clone(), currency: self.currency.clone(), date, now }))
    }
}
