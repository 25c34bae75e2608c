//! The sample practice as a PMS: served from memory, in the same canonical columns and by the same verbs as a real one.
//!
//! With `live` the seeded day goes on while it is served: see [`super::living`].

mod changes;
mod digest;
mod fetch;
mod snapshot;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use chairsync_proto::{
    pms::{BinlogState, DatasetDescription, DescribeResponse},
    practice::SampleSource,
};
use jiff::{Timestamp, civil::Date};
use mesh::{ErrorReason, Refusal, datasets};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tonic::Code;

use super::{
    generator::Config,
    living::{Event, Living},
    store::{Source, Store},
};

/// The most patients that are served from memory: about 2 GB. More are loaded into a server.
pub const PATIENTS_LIMIT: u32 = 20_000;
/// Practices kept in memory at a time; the one that was asked for longest ago goes first.
const PRACTICES_LIMIT: usize = 32;
/// Rows of a chunk.
const CHUNK_ROWS: usize = 5_000;
/// The pace of a living practice.
pub const PACE: Duration = Duration::from_secs(3);

/// How a practice's day goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Nothing happens.
    Still,
    /// Something happens whenever [`SamplePractice::tick`] is called.
    ByHand,
    /// Something happens after each such time.
    Every(Duration),
}

/// A practice in memory.
pub struct SamplePractice {
    config: Config,
    store: RwLock<Store>,
    living: Option<Mutex<Living>>,
    fingerprint: String,
    /// The number of the latest change.
    position: watch::Sender<u64>,
    /// True when the date was not given: the practice ends with the day.
    ends_with_day: bool,
}

impl std::fmt::Debug for SamplePractice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SamplePractice").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl SamplePractice {
    /// Generates a practice. It takes about a second for 2,000 patients: call it where blocking is allowed. A pace of
    /// [`Pace::Every`] needs a runtime and goes on until the practice is dropped.
    pub fn new(config: Config, pace: Pace) -> Arc<Self> {
        Self::with_end(config, pace, false)
    }

    fn with_end(config: Config, pace: Pace, ends_with_day: bool) -> Arc<Self> {
        let store = Store::generated(&config);
        let living = (pace != Pace::Still).then(|| Mutex::new(Living::new(&config, &store)));
        let mut fingerprint = format!("sample-{}-{}-{}-{}", config.seed, config.patients, config.as_of, config.years);
        if living.is_some() {
            // A day that is begun again is another source: what happened before is gone.
            fingerprint.push_str(&format!("-{:016x}", rand::random::<u64>()));
        }
        let practice = Arc::new(Self {
            config,
            store: RwLock::new(store),
            living,
            fingerprint,
            position: watch::Sender::new(0),
            ends_with_day,
        });
        if let Pace::Every(pace) = pace {
            tokio::spawn(live_on(Arc::downgrade(&practice), pace));
        }
        practice
    }

    /// What it was generated from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Identifies this practice and, where the day goes on, this telling of it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Lets the next event happen; none in a practice that stands still.
    pub fn tick(&self) -> Option<Event> {
        let mut living = self.living.as_ref()?.lock();
        let mut store = self.store.write();
        let event = living.step(&mut store);
        self.position.send_replace(store.position());
        Some(event)
    }

    /// What this source is.
    pub fn describe(&self) -> DescribeResponse {
        let store = self.store.read();
        let describe = |dataset: &datasets::Dataset| {
            let source = Source::of(dataset.name)?;
            let change_column = source.table.stamp().map(|place| source.table.columns[place]);
            Some(DatasetDescription {
                dataset: dataset.name.to_owned(),
                table: source.table.name.to_owned(),
                present: true,
                engine: "memory".to_owned(),
                change_column: change_column.unwrap_or_default().to_owned(),
                change_column_indexed: true,
                estimated_rows: count(store.rows(source.table).len()),
                missing_columns: Vec::new(),
            })
        };
        DescribeResponse {
            product: "Sample practice".to_owned(),
            server_version: format!("generated {}", env!("CARGO_PKG_VERSION")),
            fingerprint: self.fingerprint.clone(),
            server_time: Some(now()),
            datasets: datasets::all().filter_map(describe).collect(),
            binlog: Some(BinlogState {
                verdict: "not needed: the sample practice knows its own changes".to_owned(),
                ..BinlogState::default()
            }),
            user_can_write: false,
            grants: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The position of the latest change.
    fn position_text(&self, number: u64) -> String {
        format!("{}:{number}", self.fingerprint)
    }

    /// Reads a position of this practice.
    fn read_position(&self, position: &str) -> Result<u64, Refusal> {
        let (fingerprint, number) = position
            .rsplit_once(':')
            .and_then(|(f, n)| Some((f, n.parse::<u64>().ok()?)))
            .ok_or_else(|| Refusal::invalid("position", "must be one that this connector gave, or empty for now"))?;
        if fingerprint != self.fingerprint {
            let message = "the position is of another source: the sample practice was begun again; read it whole again";
            return Err(Refusal::new(Code::FailedPrecondition, ErrorReason::SourceChanged, message));
        }
        Ok(number)
    }

    /// Whether the date on which it lives is over.
    fn over(&self) -> bool {
        self.ends_with_day && today() != self.config.as_of
    }
}

/// Lets the day go on until the practice is dropped.
async fn live_on(practice: Weak<SamplePractice>, pace: Duration) {
    let mut beat = tokio::time::interval(pace);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    beat.tick().await; // the first is at once
    loop {
        beat.tick().await;
        let Some(practice) = practice.upgrade() else { return };
        practice.tick();
    }
}

/// The sample practices in memory, by what they are generated from.
#[derive(Default)]
pub struct SamplePractices(tokio::sync::Mutex<Open>);

#[derive(Default)]
struct Open {
    practices: HashMap<(Config, bool), (u64, Arc<SamplePractice>)>,
    asked: u64,
}

impl std::fmt::Debug for SamplePractices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SamplePractices")
    }
}

impl SamplePractices {
    /// The practice of a source, generated when it is asked for first. An empty date means today.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a size or date out of range.
    pub async fn open(&self, source: &SampleSource) -> Result<Arc<SamplePractice>, Refusal> {
        let (config, ends_with_day) = config_of(source)?;
        let mut open = self.0.lock().await;
        open.asked += 1;
        let asked = open.asked;
        if let Some((last, practice)) = open.practices.get_mut(&(config, source.live)) {
            *last = asked;
            return Ok(Arc::clone(practice));
        }
        let pace = if source.live { Pace::Every(PACE) } else { Pace::Still };
        let runtime = tokio::runtime::Handle::current();
        let making = tokio::task::spawn_blocking(move || {
            let _entered = runtime.enter();
            SamplePractice::with_end(config, pace, ends_with_day)
        });
        let practice = making.await.map_err(|_| Refusal::internal("the sample practice could not be generated"))?;
        if open.practices.len() >= PRACTICES_LIMIT {
            let oldest = open.practices.iter().min_by_key(|(_, (last, _))| *last).map(|(key, _)| *key);
            oldest.and_then(|key| open.practices.remove(&key));
        }
        open.practices.insert((config, source.live), (asked, Arc::clone(&practice)));
        Ok(practice)
    }
}

/// What a source asks to generate, and whether its date was left to the calendar.
///
/// # Errors
/// `INVALID_FIELD` that names the field of `sample`.
pub fn config_of(source: &SampleSource) -> Result<(Config, bool), Refusal> {
    let patients = if source.patients == 0 { 500 } else { source.patients };
    if patients > PATIENTS_LIMIT {
        let fault =
            "a sample in memory has at most 20,000 patients; load more into a server with `chairsync sample load`";
        return Err(Refusal::invalid("source.sample.patients", fault));
    }
    let years = if source.years == 0 { 3 } else { source.years };
    if years > 30 {
        return Err(Refusal::invalid("source.sample.years", "must be from 1 to 30"));
    }
    let given = source.as_of_date.trim();
    let as_of = match given {
        "" => today(),
        text => text.parse::<Date>().ok().filter(|date| (2000..=2100).contains(&date.year())).ok_or_else(|| {
            Refusal::invalid("source.sample.as_of_date", "must be yyyy-mm-dd from 2000 to 2100, or empty")
        })?,
    };
    Ok((Config { seed: source.seed, patients, as_of, years }, given.is_empty()))
}

/// Today where this process runs.
fn today() -> Date {
    jiff::Zoned::now().date()
}

/// The present, as it travels.
fn now() -> prost_types::Timestamp {
    let now = Timestamp::now();
    prost_types::Timestamp { seconds: now.as_second(), nanos: now.subsec_nanosecond() }
}

/// A number of rows, as it travels.
fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The source of a dataset that was asked for.
fn source(field: &str, dataset: &str) -> Result<Source, Refusal> {
    Source::of(dataset)
        .ok_or_else(|| Refusal::invalid(field, "must be a canonical dataset, e.g. patient; `Describe` lists them"))
}

fn too_far_back() -> Refusal {
    let message = "the position lies too far back; read the practice whole again";
    Refusal::new(Code::FailedPrecondition, ErrorReason::ResnapshotRequired, message)
}

fn unencodable(error: &arrow::error::ArrowError) -> Refusal {
    tracing::error!(%error, "rows of the sample cannot be encoded");
    Refusal::internal("rows of the sample cannot be encoded")
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
