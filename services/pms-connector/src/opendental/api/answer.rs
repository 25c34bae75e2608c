//! What an answer of the API means for the write, and its explanation without what may be patient data.

use std::time::Duration;

use http::StatusCode;
use mesh::{ErrorReason, Refusal};
use tonic::Code;

use super::{Failure, busy};

/// The longest explanation that is passed on, in characters.
const SAID_MAX: usize = 200;
/// Parts of explanations that are no refusals: the request may still be on its way through the office.
const OFFICE: [&str; 8] =
    ["econnector", "timeout", "timed out", "time-out", "connect", "network", "unavailable", "try again"];
/// Words of explanations that say nothing of a patient. All others are left out.
const WORDS: &str = "a about above after already amount amounts an and any appointment appointments are as at attached \
    be before been belong belongs below broken can cannot category charge charges clinic commlog complete date dates day \
    days definition deleted digits document does duplicate each eligible enabled equal equate exist existing exists \
    extension failed false family field fields for format found future greater has have hidden if in invalid is it key \
    length less list long longer matching max maximum minimum missing must negative no not number of office one only \
    operatory or outstanding overlap partial past patient pattern payment payments permission plan plans positive \
    preference procedure procedures provider range refund refunded required resource scheduled sheet sheets so split \
    splits status string sum supported template than that the their there this time to total true type unscheduled unique \
    update use valid value version was were with without you zero";

/// What an answer means; `cloud` when the vendor passes requests on, whose failures may be reported as bad requests.
pub(super) fn meaning(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
    cloud: bool,
) -> Result<(), Failure> {
    match status.as_u16() {
        200..=299 => Ok(()),
        429 => Err(Failure::NotTaken(busy(retry_after.unwrap_or(Duration::from_secs(1))))),
        401 | 403 => Err(Failure::NotTaken(denied())),
        404 | 410 => Err(Failure::Refused(rejected("it knows no such thing", body))),
        400 if cloud && of_the_office(body) => Err(Failure::Unknown),
        400..=499 => Err(Failure::Refused(rejected("it does not take it", body))),
        _ => Err(Failure::Unknown),
    }
}

fn of_the_office(body: &[u8]) -> bool {
    let said = String::from_utf8_lossy(body).to_lowercase();
    OFFICE.iter().any(|part| said.contains(part))
}

fn denied() -> Refusal {
    let message =
        "the PMS's API refused the keys or they lack the permission; check the credential and the PMS's setup";
    Refusal::new(Code::FailedPrecondition, ErrorReason::PmsAccessDenied, message)
}

fn rejected(what: &str, body: &[u8]) -> Refusal {
    let said = plain(&String::from_utf8_lossy(body));
    let message = match said.is_empty() {
        true => format!("the PMS refused the write: {what}"),
        false => format!("the PMS refused the write: {what} (\"{said}\")"),
    };
    Refusal::new(Code::FailedPrecondition, ErrorReason::WriteRejected, message)
}

/// An explanation with its plain words and the names of fields; the rest, numbers included, becomes an ellipsis.
fn plain(said: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in said.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()) {
        let known = WORDS.split_ascii_whitespace().any(|w| w.eq_ignore_ascii_case(word)) || is_field(word);
        match known {
            true => words.push(word),
            false if words.last() != Some(&"…") => words.push("…"),
            false => {}
        }
    }
    words.join(" ").chars().take(SAID_MAX).collect()
}

/// Whether a word is a name of a field of those that we send.
fn is_field(word: &str) -> bool {
    const FIELDS: &str = "PayAmt PatNum PayType PayDate PayNote ClinicNum PayNum ProcNum procNumsAndAmounts Op \
        AptDateTime AptStatus AptNum Pattern Confirmed defNum Note ProvNum ProvHyg IsHygiene IsNewPatient \
        AppointmentTypeNum sendToUnscheduledList CommDateTime CommType Mode_ SentOrReceived rawBase64 DocCategory ImgType \
        DateCreated Description SheetDefNum InternalNote LName FName Birthdate WirelessPhone HmPhone WkPhone Email Address \
        Address2 City State Zip";
    FIELDS.split_ascii_whitespace().any(|field| field == word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(status: u16, body: &str, cloud: bool) -> Result<(), Failure> {
        meaning(StatusCode::from_u16(status).unwrap(), None, body.as_bytes(), cloud)
    }

    #[test]
    fn an_explanation_reaches_the_caller_without_patients() {
        let Err(Failure::Refused(refusal)) = of(400, "\"PatNum 4711 is invalid for Miller, Anna.\"", false) else {
            panic!("a refusal");
        };
        assert_eq!(refusal.reason, ErrorReason::WriteRejected);
        assert_eq!(refusal.message, "the PMS refused the write: it does not take it (\"PatNum … is invalid for …\")");
    }

    #[test]
    fn what_may_have_been_done_is_not_called_refused() {
        for (status, body, cloud) in [
            (504, "", true),
            (500, "", false),
            (502, "", false),
            (400, "The request timed out.", true),
            (400, "eConnector is not running", true),
        ] {
            assert_eq!(of(status, body, cloud), Err(Failure::Unknown), "{status} {body}");
        }
        assert!(matches!(of(400, "PayAmt is invalid", true), Err(Failure::Refused(_))));
        assert!(matches!(of(401, "", true), Err(Failure::NotTaken(_))));
        assert_eq!(of(201, "{}", false), Ok(()));
    }

    #[test]
    fn a_throttled_call_says_when_to_come_again() {
        let wait = Duration::from_secs(7);
        let Err(Failure::NotTaken(refusal)) = meaning(StatusCode::TOO_MANY_REQUESTS, Some(wait), b"", true) else {
            panic!("not taken");
        };
        assert_eq!((refusal.reason, refusal.retry_after), (ErrorReason::Overloaded, Some(wait)));
    }
}
