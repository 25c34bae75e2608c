//! What the decisions promise, over sequences of faults of a scripted server.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What the server does with the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Does it and says so.
    None,
    /// Does it, and the answer is lost.
    AfterApplying,
    /// Does not get it, and nobody knows.
    BeforeApplying,
    /// Is not reached, and that is known.
    NotReached,
    /// Refuses it.
    Refuses,
    /// Says that it did it and did not.
    Lies,
}

/// A PMS with one thing to write; `marked` needs a second call, as a refund does.
struct Scripted {
    faults: Vec<Fault>,
    /// What the database holds: how often it was made, how often it was marked.
    made: u32,
    marked: Option<u32>,
    blind: bool,
    sent: u32,
}

#[async_trait]
impl Pms for Scripted {
    async fn look(&mut self, known: Known) -> Result<Seen, Refusal> {
        if self.blind && self.sent > 0 {
            return Err(Refusal::new(Code::Unavailable, ErrorReason::PmsUnreachable, "the database is away"));
        }
        Ok(match (self.made, self.marked) {
            (0, _) => Seen::Missing(Call::post("/things", json!({}))),
            (1, Some(0)) if known == Known::NeverSent => Seen::Conflict(super::super::conflict("somebody else's")),
            (1, Some(0)) => Seen::Half(Call::put("/things/1", json!({}))),
            (1, _) => Seen::There(Found { key: "1".to_owned(), splits: Vec::new() }),
            _ => Seen::Conflict(super::super::conflict("twice")),
        })
    }

    async fn send(&mut self, call: &Call) -> Result<(), Failure> {
        self.sent += 1;
        let refusal = |reason| Refusal::new(Code::Unavailable, reason, "no");
        let fault = if self.faults.is_empty() { Fault::None } else { self.faults.remove(0) };
        if matches!(fault, Fault::None | Fault::AfterApplying) {
            match call.path.as_str() {
                "/things" => self.made += 1,
                _ => self.marked = self.marked.map(|n| n + 1),
            }
        }
        match fault {
            Fault::None | Fault::Lies => Ok(()),
            Fault::AfterApplying | Fault::BeforeApplying => Err(Failure::Unknown),
            Fault::NotReached => Err(Failure::NotTaken(refusal(ErrorReason::PmsUnreachable))),
            Fault::Refuses => Err(Failure::Refused(refusal(ErrorReason::WriteRejected))),
        }
    }
}

fn pms(faults: &[Fault], two_calls: bool) -> Scripted {
    Scripted { faults: faults.to_vec(), made: 0, marked: two_calls.then_some(0), blind: false, sent: 0 }
}

fn run(pms: &mut Scripted, step: WriteStep, perhaps_sent: bool) -> Result<&'static str, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(bring_about(pms, step, perhaps_sent)).map(|answer| name(answer.outcome()))
}

fn name(outcome: WriteOutcome) -> &'static str {
    outcome.as_str_name()
}

fn fault() -> impl Strategy<Value = Fault> {
    use Fault::*;
    prop::sample::select(vec![None, AfterApplying, BeforeApplying, NotReached, Refuses, Lies])
}

proptest! {
    /// A caller who repeats, saying that it may have been sent, gets it in once, whatever the server does meanwhile.
    #[test]
    fn whatever_fails_it_is_done_once(faults in prop::collection::vec(fault(), 0..20), two_calls: bool) {
        let mut pms = pms(&faults, two_calls);
        let mut perhaps_sent = false;
        let mut ended = None;
        for _ in 0..faults.len() + 2 {
            let answer = run(&mut pms, WriteStep::Apply, perhaps_sent);
            prop_assert!(pms.made <= 1);
            let is_there = pms.made == 1 && pms.marked != Some(0);
            match answer {
                Ok(outcome) => {
                    prop_assert!(is_there, "{outcome:?} of what is not there");
                    ended = Some(outcome);
                    break;
                }
                // What is said to be refused, to conflict or not to be taken is not there; a half of it is never refused.
                Err(refusal) if refusal.reason != ErrorReason::WriteOutcomeUnknown => {
                    prop_assert!(!is_there && (pms.made == 0 || refusal.reason == ErrorReason::WriteConflict));
                }
                Err(_) => {}
            }
            perhaps_sent = true;
        }
        prop_assert!(ended.is_some(), "it got in at last");
        prop_assert_eq!(run(&mut pms, WriteStep::Apply, false), Ok(name(WriteOutcome::Found)), "a repeat finds it");
        prop_assert_eq!(pms.made, 1);
    }

    #[test]
    fn looking_sends_nothing(made in 0u32..3, perhaps_sent: bool) {
        let mut pms = pms(&[], false);
        pms.made = made;
        let answer = run(&mut pms, WriteStep::Look, perhaps_sent);
        prop_assert_eq!(pms.sent, 0);
        match made {
            0 => prop_assert_eq!(answer, Ok(name(WriteOutcome::Absent))),
            1 => prop_assert_eq!(answer, Ok(name(WriteOutcome::Found))),
            _ => prop_assert_eq!(answer.unwrap_err().reason, ErrorReason::WriteConflict),
        }
    }
}

#[test]
fn what_the_pms_took_and_cannot_be_read_back_now_is_not_called_verified() {
    let mut scripted = pms(&[], false);
    scripted.blind = true;
    assert_eq!(run(&mut scripted, WriteStep::Apply, false), Ok(name(WriteOutcome::Taken)));
    let mut lost = pms(&[Fault::AfterApplying], false);
    lost.blind = true;
    assert_eq!(run(&mut lost, WriteStep::Apply, false).unwrap_err().reason, ErrorReason::WriteOutcomeUnknown);
}

#[test]
fn what_was_said_to_be_taken_and_is_not_there_is_a_conflict() {
    let mut scripted = pms(&[Fault::Lies], false);
    assert_eq!(run(&mut scripted, WriteStep::Apply, false).unwrap_err().reason, ErrorReason::WriteConflict);
    assert_eq!(scripted.sent, 1, "it is not sent again by itself");
}
