//! Who needs attention when: practices in the order of a moment, each once.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::core::shared::Text;

/// An index by moments.
#[derive(Default)]
pub(super) struct Due {
    inner: Mutex<Inner>,
    /// Told when something became due earlier than everything else.
    pub sooner: Notify,
}

#[derive(Default)]
struct Inner {
    order: BTreeSet<(Timestamp, Text)>,
    at: HashMap<Text, Timestamp>,
}

impl Due {
    /// Says when a practice is due; none: never.
    pub fn set(&self, id: &Text, at: Option<Timestamp>) {
        let first = {
            let mut inner = self.inner.lock();
            let old = inner.at.get(id).copied();
            if old == at {
                return;
            }
            if let Some(old) = old {
                inner.order.remove(&(old, id.clone()));
            }
            match at {
                Some(at) => {
                    inner.at.insert(id.clone(), at);
                    inner.order.insert((at, id.clone()));
                    inner.order.first().is_some_and(|(_, first)| first == id)
                }
                None => {
                    inner.at.remove(id);
                    false
                }
            }
        };
        if first {
            self.sooner.notify_one();
        }
    }

    /// Takes what is due at `now` out, at most `limit`, the longest due first.
    pub fn take(&self, now: Timestamp, limit: usize) -> Vec<Text> {
        let mut inner = self.inner.lock();
        let mut taken = Vec::new();
        while taken.len() < limit && inner.order.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, id)) = inner.order.pop_first() {
                inner.at.remove(&id);
                taken.push(id);
            }
        }
        taken
    }

    /// Puts one back that was taken, unless it was set meanwhile.
    pub fn put_back(&self, id: &Text, at: Timestamp) {
        if !self.inner.lock().at.contains_key(id) {
            self.set(id, Some(at));
        }
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.inner.lock().order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_practice_is_due_once_in_order() {
        let due = Due::default();
        for (id, second) in [("b", 2), ("a", 1), ("c", 9), ("a", 3)] {
            due.set(&Text::from(id), Some(at(second)));
        }
        assert_eq!(due.next(), Some(at(2)));
        due.set(&Text::from("b"), None);
        assert_eq!(due.take(at(8), 10), [Text::from("a")]);
        assert!(due.take(at(8), 10).is_empty());
        due.put_back(&Text::from("c"), at(1));
        assert_eq!(due.next(), Some(at(9)), "one that is there stays where it is");
        due.put_back(&Text::from("a"), at(4));
        assert_eq!(due.take(at(9), 1), [Text::from("a")]);
    }
}
