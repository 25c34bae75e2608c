//! The practice's wall clock while a card is computed.

use chairsync_proto::engagement::LocalDateTime;
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use mesh::{Refusal, calendar};

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
        let zone = calendar::zone("practice.time_zone", zone)
            .map_err(|_| Refusal::internal("the practice's time zone is unknown here"))?;
        Ok(Self { now: calendar::wall_clock(moment, &zone), zone })
    }

    /// The practice's date.
    pub fn today(&self) -> Date {
        self.now.date()
    }

    /// A wall-clock time as a moment for the wire; a doubled hour is the first, a missing one the moment after the gap.
    pub fn moment(&self, local: DateTime) -> Option<prost_types::Timestamp> {
        calendar::moment_of(local, &self.zone).map(calendar::to_proto)
    }
}

/// A wall-clock time for the wire.
pub fn local(at: DateTime) -> LocalDateTime {
    LocalDateTime { date: Some(calendar::date_to_proto(at.date())), minute_of_day: calendar::minute_of_day(at) }
}
