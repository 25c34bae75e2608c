//! The keys that a table had, kept small: ascending blocks, each with its count and checksums, so that the server's own
//! checksums say which block to list again.

use std::collections::BTreeSet;

use chairsync_proto::pms::KeyRange;
use mesh::key_sums::KeySums;

use super::packed::Packed;

/// Keys of a block.
const BLOCK: usize = 8_192;

/// The keys of a table.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    blocks: Vec<Block>,
    /// Keys seen since the last comparison.
    recent: BTreeSet<i64>,
}

#[derive(Debug)]
struct Block {
    last: i64,
    packed: Packed,
    sums: KeySums,
}

impl KeySet {
    /// Adds the next keys of a listing in ascending order.
    pub(super) fn append(&mut self, keys: &[i64]) {
        self.blocks.extend(keys.chunks(BLOCK).map(Block::of));
    }

    /// Remembers keys that were seen.
    pub(super) fn saw(&mut self, key: i64) {
        self.recent.insert(key);
    }

    /// Puts the keys seen lately into their blocks.
    pub(super) fn settle(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        let mut recent = recent.into_iter().peekable();
        let mut blocks = Vec::with_capacity(self.blocks.len() + 1);
        let mut old = std::mem::take(&mut self.blocks).into_iter().peekable();
        while let Some(block) = old.next() {
            // What lies between two blocks goes to the former.
            let end = old.peek().map_or(i64::MAX, |next| next.first().saturating_sub(1));
            let mut added = Vec::new();
            while let Some(key) = recent.next_if(|key| *key <= end) {
                added.push(key);
            }
            if added.is_empty() {
                blocks.push(block);
                continue;
            }
            let mut keys = block.keys();
            keys.extend(added);
            keys.sort_unstable();
            keys.dedup();
            blocks.extend(keys.chunks(BLOCK).map(Block::of));
        }
        let rest: Vec<i64> = recent.collect();
        blocks.extend(rest.chunks(BLOCK).map(Block::of));
        self.blocks = blocks;
    }

    /// The sums of all keys; only after [`KeySet::settle`].
    pub(super) fn sums(&self) -> KeySums {
        self.blocks.iter().fold(KeySums::default(), |all, block| all.with(block.sums))
    }

    /// Ranges that together cover every key there can be, with the sums of what is known in them.
    pub(super) fn ranges(&self) -> Vec<(KeyRange, KeySums)> {
        let mut ranges = Vec::with_capacity(self.blocks.len() + 1);
        let mut first = None;
        for (place, block) in self.blocks.iter().enumerate() {
            let last = self.blocks.get(place + 1).map(|next| next.first().saturating_sub(1));
            ranges.push((KeyRange { first, last }, block.sums));
            first = last.map(|last| last.saturating_add(1));
        }
        if ranges.is_empty() {
            ranges.push((KeyRange::default(), KeySums::default()));
        }
        ranges
    }

    /// Replaces what is known of a range of [`KeySet::ranges`] and returns the keys that are gone and those that are new.
    pub(super) fn replace(&mut self, range: KeyRange, listed: &[i64]) -> (Vec<i64>, Vec<i64>) {
        let within = |key: i64| range.first.is_none_or(|f| key >= f) && range.last.is_none_or(|l| key <= l);
        let from = self.blocks.partition_point(|b| range.first.is_some_and(|f| b.last < f));
        let to = from + self.blocks[from..].iter().take_while(|b| within(b.first())).count();
        let known: Vec<i64> = self.blocks[from..to].iter().flat_map(Block::keys).collect();
        self.blocks.splice(from..to, listed.chunks(BLOCK).map(Block::of));
        let gone = known.iter().copied().filter(|k| listed.binary_search(k).is_err()).collect();
        let new = listed.iter().copied().filter(|k| known.binary_search(k).is_err()).collect();
        (gone, new)
    }
}

impl Block {
    /// A block of ascending keys, at least one.
    fn of(keys: &[i64]) -> Self {
        let sums = keys.iter().copied().collect();
        Self { last: keys.last().copied().unwrap_or_default(), packed: Packed::of(keys), sums }
    }

    fn first(&self) -> i64 {
        self.packed.first()
    }

    fn keys(&self) -> Vec<i64> {
        self.packed.keys()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn any_keys(most: usize) -> impl Strategy<Value = BTreeSet<i64>> {
        prop::collection::btree_set(prop_oneof![any::<i64>(), -50_i64..50], 0..most)
    }

    #[test]
    fn keys_that_a_crc_and_a_sum_confuse_are_found() {
        assert_ne!(Block::of(&[3, 15]).sums, Block::of(&[5, 13]).sums);
    }

    proptest! {
        #[test]
        fn what_was_deleted_and_inserted_is_found(
            before in any_keys(300), seen in any_keys(50), gone in any_keys(50), new in any_keys(50),
        ) {
            let mut set = KeySet::default();
            let listed: Vec<i64> = before.iter().copied().collect();
            for part in listed.chunks(7) {
                set.append(part);
            }
            seen.iter().for_each(|&key| set.saw(key));
            set.settle();
            let known: BTreeSet<i64> = before.union(&seen).copied().collect();
            prop_assert_eq!(set.sums(), Block::of(&known.iter().copied().collect::<Vec<_>>()).sums);
            let after: BTreeSet<i64> = known.difference(&gone).chain(&new).copied().collect();
            let (mut all_gone, mut all_new) = (BTreeSet::new(), BTreeSet::new());
            for (range, sums) in set.ranges() {
                let inside = |k: &i64| range.first.is_none_or(|f| *k >= f) && range.last.is_none_or(|l| *k <= l);
                let now: Vec<i64> = after.iter().copied().filter(inside).collect();
                if Block::of(&now).sums != sums {
                    let (gone, new) = set.replace(range, &now);
                    all_gone.extend(gone);
                    all_new.extend(new);
                }
            }
            prop_assert_eq!(all_gone, known.difference(&after).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(all_new, after.difference(&known).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(set.sums(), Block::of(&after.iter().copied().collect::<Vec<_>>()).sums);
        }
    }
}
