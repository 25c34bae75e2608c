//! What shall go wrong: by chance, with a seed, or next.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// One thing that goes wrong with a call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Done, and never answered.
    TimeoutAfter,
    /// Never done, and never answered.
    TimeoutBefore,
    /// Done, and answered with 500.
    ErrorAfter,
    /// Not done, and answered with 500.
    ErrorBefore,
    /// Done, and the connection is closed instead of an answer.
    DropAfter,
    /// Not done, and the connection is closed.
    DropBefore,
    /// Not done: 429 with `Retry-After: 1`.
    Throttled,
    /// The request comes a second time, as from a network that repeats it.
    Twice,
    /// Done late, perhaps when nobody waits any more.
    Slow,
    /// Done with another patient's row.
    WrongRow,
    /// Refused with an explanation that names a patient.
    Refused,
    /// All connections are closed, and none is taken for a moment.
    Restart,
}

/// Chances in a thousand.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Chances {
    /// The same seed gives the same faults to the same order of calls.
    pub seed: u64,
    /// For each fault.
    pub per_mille: BTreeMap<Fault, u32>,
}

/// Faults that come next.
#[derive(Debug, Deserialize)]
pub(crate) struct Next {
    /// What.
    pub fault: Fault,
    /// For calls whose path begins so; empty: any.
    #[serde(default)]
    pub path: String,
    /// How often. Default: once.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// The switches.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: VecDeque<(String, Fault)>,
    chances: Option<(StdRng, BTreeMap<Fault, u32>)>,
    happened: BTreeMap<Fault, u64>,
    calls: u64,
}

impl Faults {
    /// From now on by chance.
    pub(crate) fn by_chance(&self, chances: Chances) {
        self.0.lock().chances = Some((StdRng::seed_from_u64(chances.seed), chances.per_mille));
    }

    /// These come next.
    pub(crate) fn next(&self, next: &Next) {
        let mut state = self.0.lock();
        for _ in 0..next.times {
            state.next.push_back((next.path.clone(), next.fault));
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn clear(&self) {
        let mut state = self.0.lock();
        state.next.clear();
        state.chances = None;
    }

    /// What goes wrong with a call.
    pub(crate) fn of(&self, path: &str) -> Option<Fault> {
        let mut state = self.0.lock();
        state.calls += 1;
        let place = state.next.iter().position(|(begin, _)| path.starts_with(begin.as_str()));
        let scripted = place.and_then(|place| state.next.remove(place)).map(|(_, fault)| fault);
        let fault = scripted.or_else(|| {
            let (dice, chances) = state.chances.as_mut()?;
            let mut rolled = dice.random_range(0..1_000);
            chances.iter().find_map(|(fault, chance)| match rolled < *chance {
                true => Some(*fault),
                false => {
                    rolled -= chance;
                    None
                }
            })
        })?;
        *state.happened.entry(fault).or_default() += 1;
        Some(fault)
    }

    /// Calls that change something, and what went wrong with them, so far.
    pub(crate) fn counted(&self) -> serde_json::Value {
        let state = self.0.lock();
        serde_json::json!({"calls": state.calls, "faults": state.happened})
    }
}
