//! Resource names: `practices/{practice}` and what stands under it.

use crate::error::Refusal;

/// The longest id of a practice.
pub const PRACTICE_ID_MAX: usize = 63;

/// Whether an id is well formed: 1 to 63 of a-z, 0-9 and inner hyphens, starting with a letter.
pub fn is_practice_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=PRACTICE_ID_MAX).contains(&id.len())
        && id.bytes().all(allowed)
        && id.as_bytes()[0].is_ascii_lowercase()
        && !id.ends_with('-')
}

/// Reads `practices/{practice}`.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub fn practice<'a>(field: &str, name: &'a str) -> Result<&'a str, Refusal> {
    name.strip_prefix("practices/").filter(|id| is_practice_id(id)).ok_or_else(|| {
        Refusal::invalid(field, "must be practices/{practice}, the id being 1 to 63 of a-z, 0-9 and inner hyphens")
    })
}

/// Reads `practices/{practice}/{collection}/{id}`.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub fn under<'a>(field: &str, name: &'a str, collection: &str) -> Result<(&'a str, &'a str), Refusal> {
    let read = || {
        let (practice, rest) = name.strip_prefix("practices/")?.split_once('/')?;
        let id = rest.strip_prefix(collection)?.strip_prefix('/')?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let well_formed = is_practice_id(practice) && (1..=128).contains(&id.len()) && id.bytes().all(plain);
        well_formed.then_some((practice, id))
    };
    read().ok_or_else(|| Refusal::invalid(field, format!("must be practices/{{practice}}/{collection}/{{id}}")))
}

/// Reads `practices/{practice}/patients/{number}`.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub fn patient<'a>(field: &str, name: &'a str) -> Result<(&'a str, i64), Refusal> {
    let (practice, id) = under(field, name, "patients")?;
    let number = id.parse::<i64>().ok().filter(|n| *n > 0);
    let number = number.ok_or_else(|| Refusal::invalid(field, "the patient's id must be the PMS's number, above 0"))?;
    Ok((practice, number))
}

/// The id of the practice that any resource name stands under.
///
/// # Errors
/// `INVALID_FIELD` that names `field`.
pub fn practice_of<'a>(field: &str, name: &'a str) -> Result<&'a str, Refusal> {
    let end = name.match_indices('/').nth(1).map_or(name.len(), |(at, _)| at);
    practice(field, &name[..end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_read_and_refused() {
        assert_eq!(practice("name", "practices/north-side2").unwrap(), "north-side2");
        assert_eq!(under("name", "practices/a/runs/r1", "runs").unwrap(), ("a", "r1"));
        assert_eq!(patient("name", "practices/a/patients/12").unwrap(), ("a", 12));
        assert_eq!(practice_of("name", "practices/a/runs/r1").unwrap(), "a");
        for bad in ["", "practices/", "practices/A", "practices/1a", "practices/a-", "practice/a", "practices/a/", "a"]
        {
            assert_eq!(practice("practice", bad).unwrap_err().field.unwrap().0, "practice", "{bad}");
        }
        for bad in ["practices/a/patients/0", "practices/a/patients/-1", "practices/a/patients/x", "practices/a/runs/1"]
        {
            assert!(patient("name", bad).is_err(), "{bad}");
        }
    }
}
