//! Computed huddles, kept in memory: each is computed once, however many ask for it at the same time.

use std::{collections::HashMap, future::Future, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// A bounded memory of computed values. The one least recently asked for goes first.
pub struct Cache<K, V> {
    entries: Mutex<Entries<K, V>>,
    most: usize,
}

/// A value that is there, or being computed by one for all.
type Cell<V> = Arc<OnceCell<Arc<V>>>;

/// The cells, each with the turn in which it was last asked for.
struct Entries<K, V> {
    turn: u64,
    cells: HashMap<K, (u64, Cell<V>)>,
}

impl<K: std::hash::Hash + Eq + Clone, V> Cache<K, V> {
    /// An empty one for at most `most` values.
    pub fn new(most: usize) -> Self {
        Self { entries: Mutex::new(Entries { turn: 0, cells: HashMap::new() }), most: most.max(1) }
    }

    /// The value under `key`: from memory, from whoever computes it now, or computed here. A failure is not kept; one
    /// of those who wait tries again.
    ///
    /// # Errors
    /// What `compute` returns.
    pub async fn get<E>(&self, key: K, compute: impl Future<Output = Result<V, E>>) -> Result<Arc<V>, E> {
        let cell = self.cell(key);
        cell.get_or_try_init(|| async { compute.await.map(Arc::new) }).await.cloned()
    }

    fn cell(&self, key: K) -> Cell<V> {
        let mut entries = self.entries.lock();
        entries.turn += 1;
        let turn = entries.turn;
        if let Some((used, cell)) = entries.cells.get_mut(&key) {
            *used = turn;
            return cell.clone();
        }
        if entries.cells.len() >= self.most {
            let oldest = entries.cells.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|key| entries.cells.remove(&key));
        }
        let cell = Arc::new(OnceCell::new());
        entries.cells.insert(key, (turn, cell.clone()));
        cell
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[tokio::test]
    async fn one_computes_and_all_get_it() {
        let (cache, computed) = (Cache::new(2), AtomicUsize::new(0));
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
    async fn a_failure_is_not_kept() {
        let cache: Cache<u32, u32> = Cache::new(2);
        assert_eq!(cache.get(1, async { Err::<u32, _>("no") }).await.unwrap_err(), "no");
        assert_eq!(*cache.get(1, async { Ok::<_, ()>(5) }).await.unwrap(), 5);
    }
}
