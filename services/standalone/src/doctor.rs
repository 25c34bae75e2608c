//! The checks of `chairsync doctor`.

pub mod machine;
pub mod pms;
pub mod redis;

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::render::time;

/// How long one check may take.
const LIMIT: Duration = Duration::from_secs(10);
/// A clock that is off by more makes freshness wrong.
const CLOCK_LIMIT: Duration = Duration::from_secs(2);

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but should be mended.
    Warn,
    /// Does not work.
    Fail,
}

/// What a check found, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it came out.
    pub level: Level,
    /// What was checked.
    pub part: &'static str,
    /// What was found and what to do.
    pub said: String,
}

impl Finding {
    fn ok(part: &'static str, said: impl Into<String>) -> Self {
        Self { level: Level::Ok, part, said: said.into() }
    }

    fn warn(part: &'static str, said: impl Into<String>) -> Self {
        Self { level: Level::Warn, part, said: said.into() }
    }

    fn fail(part: &'static str, said: impl Into<String>) -> Self {
        Self { level: Level::Fail, part, said: said.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        write!(f, "{level}  {:<8}  {}", self.part, crate::render::printable(&self.said))
    }
}

/// Compares a server's clock with ours.
fn clock(part: &'static str, theirs: Timestamp) -> Finding {
    let off = Timestamp::now().duration_since(theirs).unsigned_abs();
    match off > CLOCK_LIMIT {
        true => {
            Finding::warn(part, format!("its clock is off by {}; let both machines follow NTP", time::duration(off)))
        }
        false => Finding::ok(part, "its clock agrees with this machine's"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_aligned() {
        assert_eq!(Finding::ok("redis", "it answers").to_string(), "ok    redis     it answers");
        assert_eq!(Finding::fail("gateway", "no").to_string(), "fail  gateway   no");
    }

    #[test]
    fn a_clock_far_off_is_a_warning() {
        assert_eq!(clock("pms", Timestamp::now()).level, Level::Ok);
        assert_eq!(clock("pms", Timestamp::UNIX_EPOCH).level, Level::Warn);
    }
}
