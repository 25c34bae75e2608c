//! Who follows all practices. A follower has the ids of those that changed since it last looked, each once: a slow one
//! misses nothing but intermediate states, and holds at most one id a practice.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Weak},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::core::shared::Text;

/// All followers.
#[derive(Default)]
pub(super) struct Followers(RwLock<Vec<Weak<Follower>>>);

/// One of them; dropping it ends it.
#[derive(Default)]
pub struct Follower {
    changed: Mutex<Changed>,
    wake: Notify,
}

#[derive(Default)]
struct Changed {
    order: VecDeque<Text>,
    there: HashSet<Text>,
}

impl Followers {
    /// A new one, that sees changes from now on.
    pub fn follow(&self) -> Arc<Follower> {
        let new = Arc::new(Follower::default());
        let mut all = self.0.write();
        all.retain(|follower| follower.strong_count() > 0);
        all.push(Arc::downgrade(&new));
        new
    }

    /// Tells all of them.
    pub fn tell(&self, id: &Text) {
        let all = self.0.read();
        for follower in all.iter().filter_map(Weak::upgrade) {
            let mut changed = follower.changed.lock();
            if changed.there.insert(id.clone()) {
                changed.order.push_back(id.clone());
                drop(changed);
                follower.wake.notify_one();
            }
        }
    }
}

impl Follower {
    /// What changed since, at most `limit` of it, longest ago first. Waits until there is something.
    pub async fn next(&self, limit: usize) -> Vec<Text> {
        loop {
            {
                let mut changed = self.changed.lock();
                let count = changed.order.len().min(limit);
                if count > 0 {
                    let ids: Vec<Text> = changed.order.drain(..count).collect();
                    for id in &ids {
                        changed.there.remove(id);
                    }
                    return ids;
                }
            }
            self.wake.notified().await;
        }
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Follower")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_follower_sees_each_practice_once() {
        let followers = Followers::default();
        let follower = followers.follow();
        for id in ["a", "b", "a", "c"] {
            followers.tell(&Text::from(id));
        }
        assert_eq!(follower.next(2).await, [Text::from("a"), Text::from("b")]);
        followers.tell(&Text::from("a"));
        assert_eq!(follower.next(9).await, [Text::from("c"), Text::from("a")]);
    }
}
