//! Fields of requests, read and refused by name.

use std::time::Duration;

use chairsync_proto::{feature::ErrorReason, google_type};
use jiff::{SignedDuration, Timestamp, civil::Date};
use mesh::{Refusal, calendar, names};
use tonic::Code;

use crate::core::{command::Resource, dataset::DatasetId, shared::Text};

const LEASE_LEAST: SignedDuration = SignedDuration::from_secs(1);
const LEASE_MOST: SignedDuration = SignedDuration::from_mins(5);
const LEASE_DEFAULT: SignedDuration = SignedDuration::from_secs(30);
const WAIT_MOST: Duration = Duration::from_secs(30);
/// What people are told of a failure, cut there.
const MESSAGE_CHARS_MAX: usize = 1000;

/// `practices/{practice}/{collection}/{number}`: the practice and the number.
///
/// # Errors
/// `INVALID_FIELD` or, where the id is another word than a number, `RESOURCE_NOT_FOUND`; both name `field`.
pub(super) fn numbered<'a>(field: &str, name: &'a str, collection: &str) -> Result<(&'a str, u64), Refusal> {
    let (practice, number) = names::under(field, name, collection)?;
    let number = number.parse().map_err(|_| {
        let sentence =
            "names nothing: its id is a number, and another word names none; the list has those that are there";
        Refusal::new(Code::NotFound, ErrorReason::ResourceNotFound, sentence).on_field(field)
    })?;
    Ok((practice, number))
}

/// What a lease is for: the practice, and what of it.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub(super) fn resource<'a>(field: &str, name: &'a str) -> Result<(&'a str, Resource), Refusal> {
    let practice = names::practice_of(field, name)?;
    match name.rsplit_once('/').map_or(name, |(parent, last)| if last == "stream" { last } else { parent }) {
        "stream" => Ok((practice, Resource::Stream)),
        parent if parent.ends_with("/writes") => {
            numbered(field, name, "writes").map(|(practice, number)| (practice, Resource::Write(number)))
        }
        _ => numbered(field, name, "runs").map(|(practice, number)| (practice, Resource::Run(number))),
    }
}

/// Until when a claim waits.
pub(super) fn wait_until(wait: Option<prost_types::Duration>) -> tokio::time::Instant {
    let wait = wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default();
    tokio::time::Instant::now() + wait.min(WAIT_MOST)
}

/// How long a lease shall last; none where nothing was said.
///
/// # Errors
/// `INVALID_FIELD`.
pub(super) fn lease_duration(asked: Option<prost_types::Duration>) -> Result<Option<SignedDuration>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    let length = i32::try_from(asked.seconds).map(|seconds| SignedDuration::new(seconds.into(), asked.nanos));
    match length {
        Ok(length) if (LEASE_LEAST..=LEASE_MOST).contains(&length) => Ok(Some(length)),
        _ => Err(Refusal::invalid("lease_duration", "must be 1 second to 5 minutes")),
    }
}

/// The same for claims, which have a default.
///
/// # Errors
/// `INVALID_FIELD`.
pub(super) fn claimed_for(asked: Option<prost_types::Duration>) -> Result<SignedDuration, Refusal> {
    Ok(lease_duration(asked)?.unwrap_or(LEASE_DEFAULT))
}

/// A worker's name.
///
/// # Errors
/// `INVALID_FIELD`.
pub(super) fn worker(name: String) -> Result<Text, Refusal> {
    match name.len() {
        1..=200 => Ok(Text::from(name)),
        _ => Err(Refusal::invalid("worker", "must be a unique name of 1 to 200 bytes")),
    }
}

/// How many to lease, 1 to `most`.
///
/// # Errors
/// `INVALID_FIELD`.
pub(super) fn capacity(asked: i32, most: i32) -> Result<usize, Refusal> {
    match usize::try_from(asked) {
        Ok(capacity) if (1..=most).contains(&asked) => Ok(capacity),
        _ => Err(Refusal::invalid("capacity", format!("must be 1 to {most}"))),
    }
}

/// A canonical dataset.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub(super) fn dataset(field: &str, name: &str) -> Result<DatasetId, Refusal> {
    DatasetId::named(name).ok_or_else(|| Refusal::invalid(field, "must be a canonical dataset's name"))
}

/// A date, if one was given.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub(super) fn date(field: &str, date: Option<google_type::Date>) -> Result<Option<Date>, Refusal> {
    date.map(|date| calendar::date_from_proto(field, &date)).transpose()
}

/// A moment, if one was given.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub(super) fn moment(field: &str, at: Option<prost_types::Timestamp>) -> Result<Option<Timestamp>, Refusal> {
    at.map(|at| calendar::from_proto(field, &at)).transpose()
}

/// A text of at most `longest` characters.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub(super) fn text(field: &str, value: String, longest: usize) -> Result<String, Refusal> {
    if value.len() > longest && value.chars().count() > longest {
        return Err(Refusal::invalid(field, format!("is longer than {longest} characters; shorten it")));
    }
    Ok(value)
}

/// A source's own token, kept as it is.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub(super) fn token(field: &str, value: String, longest: usize) -> Result<Text, Refusal> {
    match value.len() <= longest {
        true => Ok(Text::from(value)),
        false => Err(Refusal::invalid(field, format!("must be at most {longest} bytes"))),
    }
}

/// What a worker tells people, cut where it is too long to keep.
pub(super) fn message(told: &str) -> Text {
    match told.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => Text::from(&told[..end]),
        None => Text::from(told),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn leased_resources_are_told_apart() {
        assert_eq!(resource("r", "practices/a/runs/7").unwrap(), ("a", Resource::Run(7)));
        assert_eq!(resource("r", "practices/a/writes/7").unwrap(), ("a", Resource::Write(7)));
        assert_eq!(resource("r", "practices/a/stream").unwrap(), ("a", Resource::Stream));
        for bad in ["", "practices/a", "practices/a/runs/x", "practices/a/runs/7/stream/8", "practices/A/stream"] {
            assert_eq!(resource("r", bad).unwrap_err().field.unwrap().0, "r", "{bad}");
        }
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(message(&"ü".repeat(2000)).chars().count(), 1000);
    }

    #[test]
    fn a_lease_has_bounds() {
        let of = |seconds, nanos| lease_duration(Some(prost_types::Duration { seconds, nanos }));
        assert!(of(1, 0).is_ok() && of(300, 0).is_ok());
        for (seconds, nanos) in [(0, 999_999_999), (301, 0), (i64::MAX, i32::MAX), (i64::MIN, 0), (-5, 0)] {
            assert!(of(seconds, nanos).is_err(), "{seconds} {nanos}");
        }
    }
}
