//! Scorecards as they are kept, as they are shown, and who may do what with one.

use chairsync_proto::{analytics::Scorecard, state::SavedThing};
use mesh::{ErrorReason, Refusal, caller::Caller};
use prost::Message;
use tonic::Code;

use super::templates;

/// What a scorecard's id begins with where it is a template.
pub const TEMPLATE: &str = "template-";

/// `practices/{practice}/scorecards/{id}`.
pub fn name(practice: &str, id: &str) -> String {
    format!("practices/{practice}/scorecards/{id}")
}

/// A kept scorecard as it is shown.
///
/// # Errors
/// When what is kept cannot be read.
pub fn shown(practice: &str, thing: &SavedThing) -> Result<Scorecard, Refusal> {
    let kept = Scorecard::decode(thing.body.clone());
    let kept = kept.map_err(|_| Refusal::internal("a kept scorecard could not be read"))?;
    Ok(Scorecard {
        name: name(practice, &thing.id),
        etag: thing.etag.clone(),
        create_time: thing.create_time,
        update_time: thing.update_time,
        ..kept
    })
}

/// The bytes that are kept of a scorecard: all but what its keeper knows.
pub fn body(scorecard: &Scorecard) -> Vec<u8> {
    let kept = Scorecard {
        name: String::new(),
        etag: String::new(),
        create_time: None,
        update_time: None,
        template: false,
        ..scorecard.clone()
    };
    kept.encode_to_vec()
}

/// A template by its id.
pub fn template(practice: &str, id: &str) -> Option<Scorecard> {
    templates::ALL.iter().find(|template| template.id == id).map(|template| template.scorecard(practice))
}

/// Whether the caller may open it.
pub fn may_open(scorecard: &Scorecard, caller: &Caller) -> bool {
    let shared = || scorecard.shared_with.iter().any(|person| person == caller.as_str());
    scorecard.template || owns(scorecard, caller) || shared()
}

/// Whether it is the caller's.
pub fn owns(scorecard: &Scorecard, caller: &Caller) -> bool {
    !scorecard.template && scorecard.owner == caller.as_str()
}

/// Refuses a scorecard that the caller may open and not change.
///
/// # Errors
/// `NOT_EDITABLE`.
pub fn must_own(scorecard: &Scorecard, caller: &Caller) -> Result<(), Refusal> {
    if owns(scorecard, caller) {
        return Ok(());
    }
    let sentence = match scorecard.template {
        true => "a template cannot be changed; `DuplicateScorecard` makes a copy that can",
        false => "only its owner may do that; `DuplicateScorecard` makes a copy that is yours",
    };
    Err(Refusal::new(Code::PermissionDenied, ErrorReason::NotEditable, sentence).on_field("name"))
}

/// A scorecard that is not there, or not for the caller: the same words for both.
pub fn not_found() -> Refusal {
    let sentence = "no scorecard of yours or shared with you has this name; `ListScorecards` lists those";
    Refusal::new(Code::NotFound, ErrorReason::ResourceNotFound, sentence).on_field("name")
}
