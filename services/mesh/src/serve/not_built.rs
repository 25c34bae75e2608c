//! A sentence for methods that are part of the API but not built yet: the generated stubs say only that.

use chairsync_proto::feature::ErrorReason;
use tonic::{Code, Status, body::Body};

use super::trace::code_of;
use crate::error::Refusal;

/// What the generated stubs answer.
const STUB: &str = "Not yet implemented";

/// The answer of `method`, with a sentence in place of a stub's.
pub(super) fn explained(answer: http::Response<Body>, method: &'static str) -> http::Response<Body> {
    if code_of(answer.headers()) != Some(Code::Unimplemented) {
        return answer;
    }
    match Status::from_header_map(answer.headers()) {
        Some(status) if status.message() == STUB => sentence(method).into_http(),
        _ => answer,
    }
}

fn sentence(method: &str) -> Status {
    let sentence = format!("{method} is part of the API but not built yet; the README says what is.");
    Refusal::new(Code::Unimplemented, ErrorReason::NotBuilt, sentence).into()
}
