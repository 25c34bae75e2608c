//! Is a history of concurrent calls explained by some order of them, one after the other, in which each takes effect
//! between its call and its return? (Wing and Gong's search, with Lowe's memory of what was tried.)
//!
//! A call that failed may have taken effect at any time from then on, or never: it returns at infinity, and is only tried
//! where it would change something. A call that changes nothing and is explained here and now needs no second try later.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::Hash,
    time::{Duration, Instant},
};

/// What one thing does when it is called by one client at a time.
pub trait Spec {
    type State: Clone + Eq + Hash + Debug;
    type Call: Debug;
    type Answer: Debug;

    /// The state after a call that is answered so; none when it cannot be answered so. Without an answer: the state after
    /// the call took effect, as it was if it is refused.
    fn step(state: &Self::State, call: &Op<Self::Call, Self::Answer>) -> Option<Self::State>;
}

/// A call and its answer.
#[derive(Debug, Clone)]
pub struct Op<C, A> {
    pub client: usize,
    pub call: C,
    /// None: it failed.
    pub answer: Option<A>,
    pub called: Duration,
    pub returned: Duration,
}

/// A clock and a list that clients share.
pub struct History<C, A> {
    start: Instant,
    ops: parking_lot::Mutex<Vec<Op<C, A>>>,
}

impl<C, A> History<C, A> {
    pub fn new() -> Self {
        Self { start: Instant::now(), ops: parking_lot::Mutex::default() }
    }

    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Writes down a call that was made at `called` and has just returned.
    pub fn add(&self, client: usize, call: C, answer: Option<A>, called: Duration) {
        let returned = self.now();
        self.ops.lock().push(Op { client, call, answer, called, returned });
    }

    pub fn into_ops(self) -> Vec<Op<C, A>> {
        self.ops.into_inner()
    }
}

/// The states of which one must be the last, had the history any order that explains it.
///
/// # Errors
/// The longest part of the history that could be explained, and what could not follow it.
pub fn check<S: Spec>(start: S::State, ops: &[Op<S::Call, S::Answer>]) -> Result<S::State, String> {
    let known = ops.iter().filter(|op| op.answer.is_some()).count();
    let mut seen: HashSet<(Vec<u64>, S::State)> = HashSet::new();
    let mut best: (usize, Vec<usize>, S::State) = (0, Vec::new(), start.clone());
    // The path of choices: what was done, the state after it, and the candidates that are still to be tried.
    let mut path: Vec<(Option<usize>, S::State, Vec<usize>)> = Vec::new();
    let mut done = vec![0_u64; ops.len().div_ceil(64).max(1)];
    let mut explained = 0;
    let first = candidates::<S>(&start, ops, &done);
    path.push((None, start, first));
    loop {
        if explained == known {
            return Ok(path
                .pop()
                .map(|(_, state, _)| state)
                .unwrap_or_else(|| unreachable!("the start is on the path")));
        }
        let Some((last, state, open)) = path.last_mut() else { break };
        let Some(next) = open.pop() else {
            if let Some(last) = *last {
                done[last / 64] &= !(1 << (last % 64));
                explained -= usize::from(ops[last].answer.is_some());
            }
            path.pop();
            continue;
        };
        let Some(after) = S::step(state, &ops[next]) else { continue };
        let unchanged = after == *state;
        if ops[next].answer.is_none() && unchanged {
            continue;
        }
        done[next / 64] |= 1 << (next % 64);
        if !seen.insert((done.clone(), after.clone())) {
            done[next / 64] &= !(1 << (next % 64));
            continue;
        }
        if unchanged {
            open.clear();
        }
        explained += usize::from(ops[next].answer.is_some());
        let open = candidates::<S>(&after, ops, &done);
        path.push((Some(next), after, open));
        if explained > best.0 {
            let order = path.iter().filter_map(|(op, ..)| *op).collect();
            best = (explained, order, path[path.len() - 1].1.clone());
        }
    }
    Err(explain::<S>(ops, &best, known))
}

/// What may come next: calls that were made before the first return of those that are not done yet.
fn candidates<S: Spec>(state: &S::State, ops: &[Op<S::Call, S::Answer>], done: &[u64]) -> Vec<usize> {
    let open = |n: &usize| done[n / 64] & (1 << (n % 64)) == 0;
    let returns = (0..ops.len()).filter(open).filter(|n| ops[*n].answer.is_some()).map(|n| ops[n].returned).min();
    let Some(first) = returns else { return Vec::new() };
    let mut found: Vec<usize> = (0..ops.len()).filter(open).filter(|n| ops[*n].called <= first).collect();
    // Tried from the end: what changes nothing first, what failed last.
    found.sort_by_key(|n| match (&ops[*n].answer, S::step(state, &ops[*n])) {
        (Some(_), Some(after)) if after == *state => 2,
        (Some(_), _) => 1,
        (None, _) => 0,
    });
    found
}

fn explain<S: Spec>(ops: &[Op<S::Call, S::Answer>], best: &(usize, Vec<usize>, S::State), known: usize) -> String {
    let line = |n: &usize| {
        let Op { client, call, answer, called, returned } = &ops[*n];
        format!("{called:>12.6?} {returned:>12.6?} client {client}: {call:?} -> {answer:?}")
    };
    let (explained, order, state) = best;
    let last: Vec<String> = order.iter().rev().take(12).rev().map(line).collect();
    let open: HashSet<usize> = (0..ops.len()).filter(|n| !order.contains(n)).collect();
    let mut next: Vec<usize> = open.into_iter().filter(|n| ops[*n].answer.is_some()).collect();
    next.sort_by_key(|n| ops[*n].called);
    let next: Vec<String> = next.iter().take(8).map(line).collect();
    format!(
        "{explained} of {known} calls have an order, the rest has none.\nthe last of them:\n{}\nthe state then: {state:?}\nwhat comes next:\n{}",
        last.join("\n"),
        next.join("\n")
    )
}

/// The checker itself: it accepts what a register may do and refuses what it may not.
mod tests {
    use super::*;

    struct Register;

    #[derive(Debug, Clone)]
    enum Call {
        Write(u32),
        Read,
    }

    impl Spec for Register {
        type State = u32;
        type Call = Call;
        type Answer = u32;

        fn step(state: &u32, op: &Op<Call, u32>) -> Option<u32> {
            match (&op.call, op.answer) {
                (Call::Write(value), _) => Some(*value),
                (Call::Read, Some(read)) => (read == *state).then_some(*state),
                (Call::Read, None) => Some(*state),
            }
        }
    }

    fn op(call: Call, answer: Option<u32>, called: u64, returned: u64) -> Op<Call, u32> {
        let (called, returned) = (Duration::from_secs(called), Duration::from_secs(returned));
        Op { client: 0, call, answer, called, returned }
    }

    #[test]
    fn an_old_value_after_a_new_one_is_refused() {
        let good = [op(Call::Write(1), Some(0), 0, 10), op(Call::Read, Some(0), 1, 2), op(Call::Read, Some(1), 3, 4)];
        assert_eq!(check::<Register>(0, &good), Ok(1));
        let bad = [op(Call::Write(1), Some(0), 0, 10), op(Call::Read, Some(1), 1, 2), op(Call::Read, Some(0), 3, 4)];
        assert!(check::<Register>(0, &bad).is_err());
    }

    #[test]
    fn a_failed_call_may_have_happened_later_or_never() {
        for read in [0, 1] {
            let history = [op(Call::Write(1), None, 0, 1), op(Call::Read, Some(read), 5, 6)];
            assert!(check::<Register>(0, &history).is_ok());
        }
        let early = [op(Call::Read, Some(1), 0, 1), op(Call::Write(1), None, 2, 3)];
        assert!(check::<Register>(0, &early).is_err(), "not before it was called");
        let twice = [
            op(Call::Write(1), None, 0, 1),
            op(Call::Read, Some(1), 2, 3),
            op(Call::Write(2), Some(0), 4, 5),
            op(Call::Read, Some(1), 6, 7),
        ];
        assert!(check::<Register>(0, &twice).is_err(), "and once");
    }
}
