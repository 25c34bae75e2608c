//! Times as people say them: "3 s ago", "in 5 h 12 min".

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// What stands where there is no time.
pub const NONE: &str = "-";

/// A wire timestamp as a point in time; `None` when it is unset or out of range.
pub fn timestamp(at: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| mesh::calendar::from_proto("time", at).ok())
}

/// A wire timestamp as RFC 3339 in UTC, or nothing.
pub fn rfc3339(at: Option<&prost_types::Timestamp>) -> Option<String> {
    timestamp(at).map(|at| at.to_string())
}

/// How far a time is from `now`.
pub fn relative(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return NONE.to_owned() };
    let distance = now.duration_since(at);
    match distance.as_secs() {
        0 => "now".to_owned(),
        1.. => format!("{} ago", duration(distance.unsigned_abs())),
        _ => format!("in {}", duration(distance.unsigned_abs())),
    }
}

/// A duration by its two largest units.
pub fn duration(d: Duration) -> String {
    let seconds = d.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let pair = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0 => format!("{} ms", d.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3_600 => pair(minutes, "min", seconds % 60, "s"),
        3_600..86_400 => pair(hours, "h", minutes, "min"),
        _ => pair(days, "d", hours, "h"),
    }
}

/// A wire duration; `None` when it is unset or negative.
pub fn wire_duration(d: Option<&prost_types::Duration>) -> Option<Duration> {
    let d = d?;
    SignedDuration::new(d.seconds, d.nanos).try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn distances_are_said_by_their_two_largest_units() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let cases = [
            (0, "now"),
            (-3, "3 s ago"),
            (-59, "59 s ago"),
            (-60, "1 min ago"),
            (-61, "1 min 1 s ago"),
            (-3_600, "1 h ago"),
            (18_720, "in 5 h 12 min"),
            (90_000, "in 1 d 1 h"),
            (-8_640_000, "100 d ago"),
        ];
        for (offset, said) in cases {
            let at = Timestamp::from_second(1_800_000_000 + offset).ok();
            assert_eq!(relative(at, now), said, "{offset}");
        }
        assert_eq!(relative(None, now), NONE);
    }

    #[test]
    fn wire_times_out_of_range_are_none() {
        let at = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        assert_eq!(timestamp(Some(&at)), None);
        assert_eq!(wire_duration(Some(&prost_types::Duration { seconds: -1, nanos: 0 })), None);
        assert_eq!(wire_duration(Some(&prost_types::Duration { seconds: 2, nanos: 0 })), Some(Duration::from_secs(2)));
    }
}
