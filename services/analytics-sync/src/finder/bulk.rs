//! Bulk sync: whom a request means, settled once, so that repeating it means the same patients whatever their filters
//! would choose by then.
//!
//! ```text
//! {root}/{practice}/.refreshed/asked/{request_id}.json
//! ```

use std::io;

use chairsync_proto::analytics::BulkSyncPatientsRequest;
use jiff::{SignedDuration, Timestamp};
use mesh::{Refusal, names};
use serde_json::{Value, json};

use crate::store::Folder;

/// The most patients of a request.
pub const PATIENTS_MAX: usize = 10_000;
/// How long a request is remembered: longer than sync-state remembers its key.
const KEPT: SignedDuration = SignedDuration::from_hours(2 * 24);

/// Whom a request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// A digest of what the request asked for.
    pub contents: u64,
    /// The patients, by number.
    pub patients: Vec<i64>,
}

/// Reads a request's key.
///
/// # Errors
/// `INVALID_FIELD` on `request_id`.
pub fn request_id(text: &str) -> Result<String, Refusal> {
    match uuid::Uuid::try_parse(text) {
        Ok(id) => Ok(id.simple().to_string()),
        Err(_) => Err(Refusal::invalid("request_id", "must be a UUID of the caller's own, e.g. from uuidgen")),
    }
}

/// The patients that a request names; none where filters choose them.
///
/// # Errors
/// `INVALID_FIELD`.
pub fn named(request: &BulkSyncPatientsRequest, practice: &str) -> Result<Option<Vec<i64>>, Refusal> {
    let filtered = !request.filters.is_empty() || !request.filter.trim().is_empty();
    match (request.patients.is_empty(), filtered) {
        (true, false) => return Err(Refusal::invalid("patients", "must name patients, or filters must choose them")),
        (false, true) => return Err(Refusal::invalid("patients", "must be empty where filters choose the patients")),
        (true, true) => return Ok(None),
        (false, false) => {}
    }
    if request.patients.len() > PATIENTS_MAX {
        return Err(Refusal::invalid("patients", format!("must be at most {PATIENTS_MAX}")));
    }
    let mut numbers = Vec::with_capacity(request.patients.len());
    for (place, name) in request.patients.iter().enumerate() {
        let field = format!("patients[{place}]");
        let (of, number) = names::patient(&field, name)?;
        if of != practice {
            return Err(Refusal::invalid(field, "must be a patient of the practice that is asked for"));
        }
        numbers.push(number);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Some(numbers))
}

/// Checks how many patients filters choose.
///
/// # Errors
/// `INVALID_FIELD` on `filters` for none and for too many.
pub fn counted(patients: Vec<i64>) -> Result<Vec<i64>, Refusal> {
    match patients.len() {
        0 => Err(Refusal::invalid("filters", "choose no patient")),
        1..=PATIENTS_MAX => Ok(patients),
        many => {
            Err(Refusal::invalid("filters", format!("choose {many} patients; narrow them to {PATIENTS_MAX} at most")))
        }
    }
}

/// Whom an earlier request of the same key meant. Blocking.
///
/// # Errors
/// When the store fails.
pub fn asked(practice: &Folder, registered: &str, request_id: &str) -> io::Result<Option<Chosen>> {
    let text = match practice.read(&path(request_id)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the file of a bulk request is damaged");
    let head: Value = serde_json::from_slice(&text).map_err(|_| damaged())?;
    if head["registered"] != registered {
        return Ok(None);
    }
    let patients = head["patients"].as_array().and_then(|all| all.iter().map(Value::as_i64).collect::<Option<_>>());
    let contents = head["contents"].as_u64();
    contents.zip(patients).map(|(contents, patients)| Some(Chosen { contents, patients })).ok_or_else(damaged)
}

/// Settles whom a request means: as given, or as another call of the same key settled it first. Blocking.
///
/// # Errors
/// When the store fails.
pub fn ask(practice: &Folder, registered: &str, request_id: &str, chosen: Chosen) -> io::Result<Chosen> {
    forget(practice)?;
    let text =
        json!({ "registered": registered, "contents": chosen.contents, "patients": chosen.patients }).to_string();
    let path = path(request_id);
    if practice.create(&path, text.clone().into())? {
        return Ok(chosen);
    }
    match asked(practice, registered, request_id)? {
        Some(settled) => Ok(settled),
        // Of an earlier registration of the practice.
        None => {
            practice.write(&path, text.into())?;
            Ok(chosen)
        }
    }
}

/// Removes what need not be remembered any more.
fn forget(practice: &Folder) -> io::Result<()> {
    let folder = practice.join(&folder());
    let old = Timestamp::now() - KEPT;
    folder.files()?.into_iter().filter(|file| file.modified < old).try_for_each(|file| folder.remove(&file.name))
}

fn folder() -> String {
    format!("{}/asked", super::overlay::FOLDER)
}

fn path(request_id: &str) -> String {
    format!("{}/{request_id}.json", folder())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_first_call_of_a_key_settles_whom_it_means() {
        crate::testing::both(|folder| settled(&folder)).await;
    }

    fn settled(folder: &Folder) {
        let key = request_id("6F9619FF-8B86-D011-B42D-00CF4FC964FF").unwrap();
        assert_eq!(asked(folder, "1", &key).unwrap(), None);
        let first = Chosen { contents: u64::MAX, patients: vec![1, 7] };
        assert_eq!(ask(folder, "1", &key, first.clone()).unwrap(), first);
        assert_eq!(ask(folder, "1", &key, Chosen { contents: 3, patients: vec![9] }).unwrap(), first);
        assert_eq!(asked(folder, "1", &key).unwrap(), Some(first.clone()));
        let again = Chosen { contents: 3, patients: vec![9] };
        assert_eq!(ask(folder, "2", &key, again.clone()).unwrap(), again, "a practice registered again");
        let names = folder.join(".refreshed/asked").files().unwrap().len();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn requests_name_patients_or_choose_them() {
        let request = |patients: &[&str], filter: &str| BulkSyncPatientsRequest {
            patients: patients.iter().map(|p| (*p).to_owned()).collect(),
            filter: filter.into(),
            ..Default::default()
        };
        let (seven, one) = ("practices/a/patients/7", "practices/a/patients/1");
        assert_eq!(named(&request(&[seven, one, seven], ""), "a").unwrap(), Some(vec![1, 7]));
        assert_eq!(named(&request(&[], "age > 3"), "a").unwrap(), None);
        let many = vec![one; PATIENTS_MAX + 1];
        for (bad, field) in [
            (request(&[], " "), "patients"),
            (request(&[one], "age > 3"), "patients"),
            (request(&[one, "practices/b/patients/7"], ""), "patients[1]"),
            (request(&["practices/a/patients/x"], ""), "patients[0]"),
            (request(&many, ""), "patients"),
        ] {
            assert_eq!(named(&bad, "a").unwrap_err().field.unwrap().0, field);
        }
        assert_eq!(counted(vec![]).unwrap_err().field.unwrap().0, "filters");
        assert!(counted(vec![1; PATIENTS_MAX]).is_ok() && counted(vec![1; PATIENTS_MAX + 1]).is_err());
        for bad in ["", "7", "6f9619ff-8b86-d011-b42d-00cf4fc964f"] {
            assert_eq!(request_id(bad).unwrap_err().field.unwrap().0, "request_id");
        }
    }
}
