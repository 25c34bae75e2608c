//! The practice's wall clock while a card is computed.

use chairsync_proto::{engagement::LocalDateTime, google_type};
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use mesh::Refusal;

use crate::pms::to_proto;

/// A moment on a practice's wall clock.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The practice's date and time.
    pub now: DateTime,
    zone: TimeZone,
}

impl Clock {
    /// A moment in an IANA zone.
    ///
    /// # Errors
    /// `INTERNAL` when the zone is not one; sync-state refuses such practices.
    pub fn at(moment: Timestamp, zone: &str) -> Result<Self, Refusal> {
        let zone = TimeZone::get(zone).map_err(|_| Refusal::internal("the practice's time zone is unknown here"))?;
        Ok(Self { now: zone.to_datetime(moment), zone })
    }

    /// The practice's date.
    pub fn today(&self) -> Date {
        self.now.date()
    }

    /// A wall-clock time as a moment for the wire; a doubled hour is the first, a missing one the moment after the gap.
    pub fn moment(&self, local: DateTime) -> Option<prost_types::Timestamp> {
        local.to_zoned(self.zone.clone()).ok().map(|zoned| to_proto(zoned.timestamp()))
    }
}

/// A date for the wire.
pub fn date(date: Date) -> google_type::Date {
    google_type::Date { year: date.year().into(), month: date.month().into(), day: date.day().into() }
}

/// A wall-clock time for the wire.
pub fn local(at: DateTime) -> LocalDateTime {
    LocalDateTime { date: Some(date(at.date())), minute_of_day: i32::from(at.hour()) * 60 + i32::from(at.minute()) }
}
