//! Streams of what changes in one practice. A slow reader sees fewer of the states in between, and always the last.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chairsync_proto::{
    feature::ErrorReason,
    sync::{FeatureStatus, WatchFeatureStatusesResponse, WatchRunResponse},
};
use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use mesh::Refusal;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{convert, runs, states::States};
use crate::core::{freshness, state::PracticeState};

/// The pause after each message, but for a last one: progress is reported many times a second.
const PAUSE: Duration = Duration::from_millis(200);
const TOKEN_BYTES_MAX: usize = 256;

/// All features' statuses, after `seen`, each time something of them changes.
pub(super) fn statuses(
    states: &Arc<States>,
    id: &str,
    seen: Option<Token>,
    shutdown: CancellationToken,
) -> impl Stream<Item = Result<WatchFeatureStatusesResponse, Refusal>> + Send + use<> {
    let practices = until(states.follow_one(id), shutdown);
    async_stream::try_stream! {
        let mut seen = seen;
        for await state in practices {
            let state = state?;
            let statuses = freshness::statuses(&state, Timestamp::now());
            let token = Token::of(&state, &statuses);
            if seen.as_ref() != Some(&token) {
                let resume_token = token.encode(&state.id);
                seen = Some(token);
                yield WatchFeatureStatusesResponse { statuses, resume_token };
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A run, each time it changes, until it ends.
pub(super) fn run(
    states: &Arc<States>,
    id: &str,
    sequence: u64,
    shutdown: CancellationToken,
) -> impl Stream<Item = Result<WatchRunResponse, Refusal>> + Send + use<> {
    let (states, practices) = (states.clone(), until(states.follow_one(id), shutdown));
    async_stream::try_stream! {
        let mut last = None;
        for await state in practices {
            let state = state?;
            let run = runs::find(&states, &state, sequence).await?;
            let ended = run.phase.ended();
            let run = Some(convert::run(&state.id, &run));
            if run != last {
                last.clone_from(&run);
                yield WatchRunResponse { run };
            }
            if ended {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The same until the service stops, which is told.
fn until<T: Send>(
    stream: impl Stream<Item = Result<T, Refusal>> + Send,
    shutdown: CancellationToken,
) -> impl Stream<Item = Result<T, Refusal>> + Send {
    async_stream::stream! {
        tokio::pin!(stream);
        loop {
            let next = tokio::select! {
                () = shutdown.cancelled() => Some(Err(Refusal::upstream_unavailable("the service is restarting; watch again"))),
                next = stream.next() => next,
            };
            let Some(next) = next else { return };
            let over = next.is_err();
            yield next;
            if over {
                return;
            }
        }
    }
}

/// What a watcher has seen: of which registration of a practice, and a digest of the statuses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    registered: i64,
    digest: u64,
}

impl Token {
    fn of(state: &PracticeState, statuses: &[FeatureStatus]) -> Self {
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let digest = statuses
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash, status| status.encode_length_delimited_to_vec().iter().fold(hash, fnv));
        Self { registered: state.created_at.as_millisecond(), digest }
    }

    fn encode(&self, id: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("statuses\n{id}\n{:x}\n{:x}", self.registered, self.digest))
    }

    /// Reads a token of the practice `id`; none for none.
    ///
    /// # Errors
    /// `RESUME_TOKEN_INVALID` for what is no token, and for another practice's.
    pub fn read(id: &str, token: &str) -> Result<Option<Self>, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        let read = || {
            let bytes = Some(token).filter(|token| token.len() <= TOKEN_BYTES_MAX)?;
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(bytes).ok()?).ok()?;
            let rest = text.strip_prefix("statuses\n")?.strip_prefix(id)?.strip_prefix('\n')?;
            let (registered, digest) = rest.split_once('\n')?;
            let registered = i64::from_str_radix(registered, 16).ok()?;
            Some(Self { registered, digest: u64::from_str_radix(digest, 16).ok()? })
        };
        read().map(Some).ok_or_else(|| {
            let sentence = "is not a token of this practice's statuses; leave it empty to start over";
            Refusal::new(Code::InvalidArgument, ErrorReason::ResumeTokenInvalid, sentence).on_field("resume_token")
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_of_one_practice() {
        let token = Token { registered: 17, digest: u64::MAX };
        let text = token.encode("north");
        assert_eq!(Token::read("north", &text).unwrap().unwrap(), token);
        assert_eq!(Token::read("north", "").unwrap(), None);
        for (id, bad) in [("south", text.as_str()), ("nort", &text), ("north", "x"), ("north", &"a".repeat(999))] {
            assert_eq!(Token::read(id, bad).unwrap_err().reason, ErrorReason::ResumeTokenInvalid);
        }
    }
}
