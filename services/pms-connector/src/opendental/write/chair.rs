//! Whether a chair is free at a time.

use jiff::{ToSpan as _, civil::DateTime};
use mesh::Refusal;
use mysql_async::prelude::Queryable as _;

use super::{
    super::{
        faults::within,
        session::{ANSWER_LIMIT, Session},
    },
    fields::time_text,
};

/// Minutes of a character of a pattern.
const STEP: i64 = 5;
/// The longest appointment: none that began earlier can still be there.
const LONGEST_HOURS: i64 = 24;

/// An appointment that takes the chair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    /// AptNum.
    pub appointment: i64,
    /// When it was entered, as the PMS has it.
    pub entered: String,
}

/// The appointments in a chair that overlap a time, but `except` one: all but those on the unscheduled list (3), planned ones
/// (6) and those without status. A broken one or a note that was left on the schedule holds its chair.
pub(super) async fn taken(
    session: &mut Session,
    operatory: i64,
    start: DateTime,
    pattern: &str,
    except: i64,
) -> Result<Vec<Taken>, Refusal> {
    const READ: &str = "SELECT AptNum, CAST(SecDateTEntry AS CHAR) FROM appointment WHERE Op = ? AND AptNum <> ? \
                        AND AptStatus NOT IN (0, 3, 6) AND AptDateTime < ? AND AptDateTime > ? \
                        AND AptDateTime + INTERVAL (CHAR_LENGTH(Pattern) * 5) MINUTE > ?";
    let minutes = STEP * i64::try_from(pattern.len()).unwrap_or(i64::MAX / STEP);
    let end = start.saturating_add(minutes.minutes());
    let earliest = start.saturating_sub(LONGEST_HOURS.hours());
    let asked = (operatory, except, time_text(end), time_text(earliest), time_text(start));
    let rows: Vec<(i64, String)> = within(ANSWER_LIMIT, session.conn.exec(READ, asked)).await?;
    Ok(rows.into_iter().map(|(appointment, entered)| Taken { appointment, entered }).collect())
}
