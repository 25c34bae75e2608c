//! What was sent of a table that is compared row by row, kept small: a hash for each block of rows instead of one for
//! each row. When a block differs, all of its rows are sent again.

use std::{hash::Hasher as _, vec};

use super::packed::Packed;

/// Rows of a block: few, so that little is sent again for one row that changed.
const ROWS: usize = 32;

/// The rows of a table as they were, in ascending blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks(Vec<Block>);

#[derive(Debug)]
struct Block {
    keys: Packed,
    hash: u64,
}

/// One reading of the table, row by row in ascending order of keys, beside what was known.
#[derive(Debug)]
pub(super) struct Comparison<R> {
    /// What was known and lies ahead.
    ahead: std::iter::Peekable<vec::IntoIter<Block>>,
    /// The known block whose range is being read, and its keys that were not met yet.
    known: Option<Block>,
    unmet: std::iter::Peekable<vec::IntoIter<i64>>,
    /// Rows of the range, held back until it shows whether they differ: key, hash, row.
    held: Vec<(i64, u64, R)>,
    /// The range has shown a difference.
    differs: bool,
    now: Vec<Block>,
    /// Keys that were known and are gone.
    pub gone: Vec<i64>,
    /// Rows to send.
    pub changed: Vec<R>,
}

impl Blocks {
    /// Begins a reading.
    pub(super) fn compare<R>(self) -> Comparison<R> {
        let mut comparison = Comparison {
            ahead: self.0.into_iter().peekable(),
            known: None,
            unmet: Vec::new().into_iter().peekable(),
            held: Vec::new(),
            differs: false,
            now: Vec::new(),
            gone: Vec::new(),
            changed: Vec::new(),
        };
        comparison.enter();
        comparison
    }
}

impl<R> Comparison<R> {
    /// Takes the next row; `hash` is of its contents.
    pub(super) fn row(&mut self, key: i64, hash: u64, row: R) {
        // A block's range ends where the next one begins; before the first and after the last there are no others.
        while self.ahead.peek().is_some_and(|next| key >= next.keys.first()) {
            self.leave();
            self.enter();
        }
        while let Some(unmet) = self.unmet.next_if(|unmet| *unmet <= key) {
            if unmet < key {
                self.gone.push(unmet);
            }
        }
        self.held.push((key, hash, row));
        if self.held.len() > ROWS {
            // More than any block holds.
            self.differs = true;
        }
        if self.differs && self.held.len() >= ROWS {
            self.send();
        }
    }

    /// Ends the reading: no row comes any more.
    pub(super) fn end(&mut self) {
        self.leave();
        while self.ahead.peek().is_some() {
            self.enter();
            self.leave();
        }
    }

    /// What is known after the end.
    pub(super) fn finish(self) -> Blocks {
        Blocks(self.now)
    }

    fn enter(&mut self) {
        self.known = self.ahead.next();
        let keys = self.known.as_ref().map(|block| block.keys.keys()).unwrap_or_default();
        self.unmet = keys.into_iter().peekable();
        self.differs = self.known.is_none();
    }

    fn leave(&mut self) {
        self.gone.extend(self.unmet.by_ref());
        match self.known.take() {
            Some(known) if !self.differs && known.hash == hash(&self.held) => {
                self.held.clear();
                self.now.push(known);
            }
            _ => self.send(),
        }
    }

    /// Gives the rows held back away, as a block of their own.
    fn send(&mut self) {
        for part in self.held.chunks(ROWS) {
            let keys: Vec<i64> = part.iter().map(|(key, ..)| *key).collect();
            self.now.push(Block { keys: Packed::of(&keys), hash: hash(part) });
        }
        self.changed.extend(self.held.drain(..).map(|(.., row)| row));
    }
}

fn hash<R>(rows: &[(i64, u64, R)]) -> u64 {
    let mut all = std::hash::DefaultHasher::new();
    for (key, hash, _) in rows {
        all.write_i64(*key);
        all.write_u64(*hash);
    }
    all.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn any_table(most: usize) -> impl Strategy<Value = BTreeMap<i64, u64>> {
        prop::collection::btree_map(prop_oneof![any::<i64>(), -300_i64..300], 0_u64..3, 0..most)
    }

    fn read(known: Blocks, table: &BTreeMap<i64, u64>) -> (Blocks, Vec<(i64, u64)>, Vec<i64>) {
        let mut comparison = known.compare();
        for (&key, &hash) in table {
            comparison.row(key, hash, (key, hash));
        }
        comparison.end();
        let (changed, gone) = (std::mem::take(&mut comparison.changed), std::mem::take(&mut comparison.gone));
        (comparison.finish(), changed, gone)
    }

    proptest! {
        #[test]
        fn whoever_applies_what_is_found_has_the_table(tables in prop::collection::vec(any_table(400), 1..5)) {
            let (mut known, mut view) = (Blocks::default(), BTreeMap::new());
            for table in &tables {
                let (blocks, changed, gone) = read(known, table);
                let met: BTreeSet<i64> = changed.iter().map(|(key, _)| *key).collect();
                prop_assert_eq!(met.len(), changed.len(), "no row twice");
                view.extend(changed);
                for key in &gone {
                    prop_assert!(view.remove(key).is_some(), "only what was there is gone");
                }
                prop_assert_eq!(&view, table);
                prop_assert!(blocks.0.iter().all(|b| (1..=ROWS).contains(&b.keys.keys().len())));
                let (again, changed, gone) = read(blocks, table);
                prop_assert!(changed.is_empty() && gone.is_empty(), "nothing has changed");
                known = again;
            }
        }

        #[test]
        fn one_changed_row_sends_one_block(table in any_table(400), pick in any::<prop::sample::Index>()) {
            prop_assume!(!table.is_empty());
            let (known, ..) = read(Blocks::default(), &table);
            let mut after = table.clone();
            let key = *pick.get(&table.keys().collect::<Vec<_>>());
            after.entry(*key).and_modify(|hash| *hash += 7);
            let (_, changed, gone) = read(known, &after);
            prop_assert!(gone.is_empty() && changed.len() <= ROWS && changed.iter().any(|(k, _)| k == key));
        }
    }
}
