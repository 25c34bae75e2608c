//! What was computed, kept in memory: each is computed once, however many ask for it at the same time.

use std::{collections::HashMap, future::Future, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// A memory of computed values, bounded by their weight. The ones least recently asked for go first.
pub struct Cache<K, V> {
    entries: Mutex<Entries<K, V>>,
    most: usize,
    weigh: fn(&V) -> usize,
}

/// A value that is there, or being computed by one for all.
type Cell<V> = Arc<OnceCell<Arc<V>>>;

struct Entry<V> {
    /// The turn in which it was last asked for.
    used: u64,
    /// 0 until it is computed.
    weight: usize,
    cell: Cell<V>,
}

struct Entries<K, V> {
    turn: u64,
    weight: usize,
    by_key: HashMap<K, Entry<V>>,
}

impl<K: std::hash::Hash + Eq + Clone, V> Cache<K, V> {
    /// An empty one for values that weigh at most `most` together. One heavier than that is computed, and not kept.
    pub fn new(most: usize, weigh: fn(&V) -> usize) -> Self {
        Self { entries: Mutex::new(Entries { turn: 0, weight: 0, by_key: HashMap::new() }), most, weigh }
    }

    /// The value under `key`: from memory, from whoever computes it now, or computed here. A failure is not kept; one
    /// of those who wait tries again.
    ///
    /// # Errors
    /// What `compute` returns.
    pub async fn get<E>(&self, key: K, compute: impl Future<Output = Result<V, E>>) -> Result<Arc<V>, E> {
        let cell = self.cell(&key);
        if let Some(value) = cell.get() {
            return Ok(value.clone());
        }
        let computed = cell.get_or_try_init(|| async { compute.await.map(Arc::new) }).await.cloned();
        self.settle(&key, &cell);
        computed
    }

    fn cell(&self, key: &K) -> Cell<V> {
        let mut entries = self.entries.lock();
        entries.turn += 1;
        let used = entries.turn;
        let entry = entries.by_key.entry(key.clone());
        let entry = entry.or_insert_with(|| Entry { used, weight: 0, cell: Arc::default() });
        entry.used = used;
        entry.cell.clone()
    }

    /// Weighs what was computed and lets go of what has become too much.
    fn settle(&self, key: &K, cell: &Cell<V>) {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.by_key.get_mut(key).filter(|entry| Arc::ptr_eq(&entry.cell, cell)) else { return };
        match cell.get() {
            // One that still waits has a share in the cell and computes it in its turn; two hold it here: the map, this call.
            None if Arc::strong_count(cell) <= 2 => drop(entries.by_key.remove(key)),
            Some(value) if entry.weight == 0 => {
                let weight = (self.weigh)(value).max(1);
                if weight > self.most {
                    entries.by_key.remove(key);
                    return;
                }
                entry.weight = weight;
                entries.weight += weight;
            }
            _ => {}
        }
        while entries.weight > self.most {
            let oldest =
                entries.by_key.iter().filter(|(_, entry)| entry.weight > 0).min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            let gone = entries.by_key.remove(&oldest).map_or(0, |entry| entry.weight);
            entries.weight -= gone;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[tokio::test]
    async fn one_computes_and_all_get_it() {
        let (cache, computed) = (Cache::new(2, |_| 1), AtomicUsize::new(0));
        let computed_now = || computed.load(SeqCst);
        let ask = |key: u32| {
            let computed = &computed;
            cache.get(key, async move {
                tokio::task::yield_now().await;
                computed.fetch_add(1, SeqCst);
                Ok::<_, ()>(key * 10)
            })
        };
        let (a, b) = tokio::join!(ask(1), ask(1));
        assert_eq!((*a.unwrap(), *b.unwrap(), computed_now()), (10, 10, 1));
        ask(2).await.unwrap();
        ask(1).await.unwrap();
        ask(3).await.unwrap();
        assert_eq!(computed_now(), 3);
        ask(1).await.unwrap();
        assert_eq!(computed_now(), 3, "the one asked for lately stayed");
        ask(2).await.unwrap();
        assert_eq!(computed_now(), 4, "the oldest went");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_by_weight() {
        let cache: Cache<u32, Vec<u8>> = Cache::new(100, Vec::len);
        let ask = |key, weight| cache.get(key, async move { Ok::<_, ()>(vec![0; weight]) });
        for key in 0..10 {
            ask(key, 40).await.unwrap();
            assert!(cache.entries.lock().weight <= 100);
        }
        ask(99, 1_000).await.unwrap();
        assert!(!cache.entries.lock().by_key.contains_key(&99), "one that is too heavy is not kept");
        assert_eq!(cache.entries.lock().by_key.len(), 2, "and takes nobody's place");
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let cache: Cache<u32, u32> = Cache::new(1, |_| 1);
        assert_eq!(cache.get(1, async { Err::<u32, _>("no") }).await.unwrap_err(), "no");
        assert!(cache.entries.lock().by_key.is_empty());
        assert_eq!(*cache.get(1, async { Ok::<_, ()>(5) }).await.unwrap(), 5);
    }
}
