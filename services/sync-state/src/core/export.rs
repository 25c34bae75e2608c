//! A practice's whole state as lines of JSON, and back: for backup and moves.
//!
//! The first line says the format and the practice, then the state, then each record, then how many there were. Leases
//! are not exported. An imported practice is paused, has no leases, and its epochs begin above those that were given where
//! it came from: workers that still hold one of those are refused.

use chairsync_proto::feature::ErrorReason;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    invariants,
    records::{self, Kept, RecordChange, RecordKey},
    refusal::Refusal,
    run::{Run, RunPhase},
    runs,
    saved::{CreationKey, SavedThing},
    shared::{Shared, Text},
    state::{FORMAT, PracticeState, Settings},
    stored,
    write::{Audit, Place, RequestKey, StartKey, Write, WriteError, WritePhase},
};

/// The version of the lines.
pub const EXPORT: u32 = 1;
/// Bytes of one line.
pub const LINE_MAX: usize = 1 << 20;
/// Records of one practice.
pub const RECORDS_MAX: u64 = 1_000_000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Export { version: u32, practice: String },
    State(Box<PracticeState>),
    Record { key: String, value: Value },
    End { records: u64 },
}

/// A record's value, readable.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Value {
    Run(Box<Run>),
    Write(Box<Write>),
    Body(String),
    Request(RequestKey),
    Start(StartKey),
    Place(Place),
    Audit(Audit),
    Saved(Box<SavedThing>),
    Creation(CreationKey),
    Nothing,
}

/// The line that an export begins with.
pub fn begin(state: &PracticeState) -> String {
    line(&Line::Export { version: EXPORT, practice: state.id.to_string() })
}

/// The line of a state.
pub fn state(state: &PracticeState) -> String {
    let mut state = state.clone();
    state.runs.iter_mut().for_each(|run| run.lease = None);
    state.stream.lease = None;
    state.outbox.claimed.iter_mut().for_each(|claimed| claimed.lease.owner = Text::default());
    line(&Line::State(Box::new(state)))
}

/// The line of a record.
///
/// # Errors
/// [`Refusal::Damaged`] when it cannot be read.
pub fn record(key: &RecordKey, value: &[u8]) -> Result<String, Refusal> {
    fn read<T: DeserializeOwned>(key: &RecordKey, value: &[u8]) -> Result<T, Refusal> {
        Ok(records::decode(key, value)?)
    }
    let value = match key.kind() {
        "run" => Value::Run(Box::new(read(key, value)?)),
        "write" => Value::Write(Box::new(read(key, value)?)),
        "body" => Value::Body(base64(value)),
        "request" => Value::Request(read(key, value)?),
        "start" => Value::Start(read(key, value)?),
        "patient" => Value::Place(read(key, value)?),
        "audit" => Value::Audit(read(key, value)?),
        "saved" => Value::Saved(Box::new(read(key, value)?)),
        "creation" => Value::Creation(read(key, value)?),
        _ => Value::Nothing,
    };
    Ok(line(&Line::Record { key: key.as_str().to_owned(), value }))
}

/// The line that an export ends with.
pub fn end(records: u64) -> String {
    line(&Line::End { records })
}

fn line(line: &Line) -> String {
    // Writing to memory does not fail, and no type of ours refuses to be written.
    serde_json::to_string(line).unwrap_or_default()
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

/// Takes an export in, line by line.
#[derive(Debug, Default)]
pub struct Import {
    practice: Option<String>,
    state: Option<Box<PracticeState>>,
    kept: Kept,
    records: u64,
    whole: bool,
}

fn invalid(what: &str) -> Refusal {
    Refusal::ExportInvalid(what.to_owned())
}

impl Import {
    /// Takes the next line.
    ///
    /// # Errors
    /// [`Refusal::ExportInvalid`], which quotes nothing of the line.
    pub fn line(&mut self, line: &str) -> Result<(), Refusal> {
        if line.len() > LINE_MAX {
            return Err(invalid("a line is longer than 1 MiB"));
        }
        if self.whole {
            return Err(invalid("there are lines after the last one"));
        }
        let line: Line = serde_json::from_str(line)
            .map_err(|e| Refusal::ExportInvalid(format!("a line is not one of an export (column {})", e.column())))?;
        match (line, &self.practice, &self.state) {
            (Line::Export { version: EXPORT, practice }, None, None) => self.practice = Some(practice),
            (Line::Export { .. }, None, None) => return Err(invalid("it is of another version")),
            (Line::State(state), Some(practice), None) => {
                if state.format != FORMAT || *state.id != **practice {
                    return Err(invalid("its state is of another version or practice"));
                }
                self.state = Some(state);
            }
            (Line::Record { key, value }, _, Some(_)) => self.record(&key, value)?,
            (Line::End { records }, _, Some(_)) if records == self.records => self.whole = true,
            (Line::End { .. }, ..) => return Err(invalid("lines are missing")),
            _ => return Err(invalid("its lines are out of order")),
        }
        Ok(())
    }

    fn record(&mut self, key: &str, value: Value) -> Result<(), Refusal> {
        self.records += 1;
        if self.records > RECORDS_MAX {
            return Err(invalid("it has more records than a practice can have"));
        }
        let key = RecordKey::stored(key);
        let value = match (key.kind(), value) {
            ("run", Value::Run(run)) => records::encode(&run),
            ("write", Value::Write(write)) => records::encode(&write),
            ("body", Value::Body(text)) => body(&text)?,
            ("request", Value::Request(known)) => records::encode(&known),
            ("start", Value::Start(known)) => records::encode(&known),
            ("patient", Value::Place(place)) => records::encode(&place),
            ("audit", Value::Audit(audit)) => records::encode(&audit),
            ("saved", Value::Saved(thing)) => records::encode(&thing),
            ("creation", Value::Creation(known)) => records::encode(&known),
            ("ready" | "held" | "parked" | "expire", Value::Nothing) => Vec::new(),
            _ => return Err(invalid("a record is not of its kind")),
        };
        match self.kept.0.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(invalid("a record is there twice")),
        }
    }

    /// The practice as it is to be stored, with all its records, once every line was taken.
    ///
    /// # Errors
    /// [`Refusal::ExportInvalid`] when lines are missing, or when a rule is broken that every practice obeys.
    pub fn finish(self, now: Timestamp) -> Result<(PracticeState, Vec<RecordChange>), Refusal> {
        let (Some(state), true) = (self.state, self.whole) else { return Err(invalid("lines are missing")) };
        let mut state = *state;
        let mut kept = self.kept;
        stop(&mut state, &mut kept, stored::cut(now))?;
        let broken = |broken: invariants::Broken| Refusal::ExportInvalid(format!("it breaks a rule: {broken}"));
        invariants::check(&state).map_err(broken)?;
        invariants::check_kept(&state, &kept).map_err(broken)?;
        let changes = kept.0.into_iter().map(|(key, value)| RecordChange::Put(key, value)).collect();
        Ok((state, changes))
    }
}

fn body(text: &str) -> Result<Vec<u8>, Refusal> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.decode(text).map_err(|_| invalid("a record is not of its kind"))
}

/// Lets go of everything that was under way, and begins epochs anew above all that were given.
fn stop(state: &mut PracticeState, kept: &mut Kept, now: Timestamp) -> Result<(), Refusal> {
    state.settings = Shared::new(Settings { paused: true, ..(*state.settings).clone() });
    state.runs.iter_mut().for_each(runs::requeue);
    for run in &state.runs {
        if run.phase != RunPhase::Queued {
            return Err(invalid("a run that has ended is among those that have not"));
        }
    }
    state.stream.lease = None;
    for claimed in std::mem::take(&mut state.outbox.claimed) {
        let key = RecordKey::write(claimed.write);
        let value = kept.0.get(&key).ok_or_else(|| invalid("a write is missing"))?;
        let mut write: Write = records::decode(&key, value)?;
        write.unknown |= matches!(write.phase, WritePhase::Sending | WritePhase::Sent);
        let message = Text::from("it was under way when the practice was exported");
        write.error = Some(WriteError { reason: ErrorReason::WorkerLost as i32, message });
        write.due_at = now;
        kept.0.insert(RecordKey::ready(now, write.sequence), Vec::new());
        kept.0.insert(key, records::encode(&write));
        state.outbox.ready_at = Some(state.outbox.ready_at.map_or(now, |at| at.min(now)));
    }
    state.next_epoch(now);
    for place in 0..state.runs.len() {
        // What the sinks there hold may be newer than this export.
        let fence = state.next_epoch(now);
        state.runs[place].fence = fence;
    }
    state.revision += 1;
    state.edition += 1;
    state.updated_at = now;
    Ok(())
}
