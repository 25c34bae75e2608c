//! The other side of the reports: a live view that changes go into, a table that runs write, a PMS that gets writes. Each
//! says at once when something was done to it that the promises forbid.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use parking_lot::Mutex;

/// What one practice's sinks hold. Nothing here is ever lost: a sink is durable before it is reported.
#[derive(Debug, Default)]
pub struct Sinks {
    view: Mutex<View>,
    table: Mutex<Table>,
    pms: Mutex<Pms>,
}

#[derive(Debug, Default)]
struct View {
    epoch: u64,
    owners: HashMap<u64, String>,
    /// Changes up to here were applied, each once.
    cursor: u64,
}

#[derive(Debug, Default)]
struct Table {
    owners: HashMap<u64, String>,
    /// Runs by fence: when they were asked for.
    runs: BTreeMap<u64, Timestamp>,
    fence: u64,
    epoch: u64,
}

#[derive(Debug, Default)]
struct Pms {
    /// How often each write was done, and in which order by patient.
    done: HashMap<String, u32>,
    order: HashMap<String, Vec<u32>>,
}

impl Sinks {
    /// A worker begins to follow the changes after `cursor`: whatever it was told, nothing may be left out.
    pub fn follow(&self, owner: &str, epoch: u64, cursor: u64) {
        let mut view = self.view.lock();
        assert!(cursor <= view.cursor, "epoch {epoch} begins at {cursor}, the view is at {}: skipped", view.cursor);
        let first = view.owners.entry(epoch).or_insert_with(|| owner.to_owned());
        assert_eq!(first, owner, "epoch {epoch} was given twice");
    }

    /// Applies the changes from `from` to `to` under an epoch. The view's own place comes back where it is another.
    pub fn change(&self, epoch: u64, from: u64, to: u64) -> Result<(), Fenced> {
        let mut view = self.view.lock();
        if epoch < view.epoch {
            return Err(Fenced::Epoch);
        }
        view.epoch = epoch;
        if from != view.cursor {
            return Err(Fenced::At(view.cursor));
        }
        view.cursor = to;
        Ok(())
    }

    /// How far the view is.
    pub fn cursor(&self) -> u64 {
        self.view.lock().cursor
    }

    /// A worker writes a run's result under the run's fence, once. False: a newer worker has written.
    pub fn write_table(&self, owner: &str, epoch: u64, fence: u64, asked_at: Timestamp) -> bool {
        let mut table = self.table.lock();
        let first = table.owners.entry(epoch).or_insert_with(|| owner.to_owned());
        assert_eq!(first, owner, "epoch {epoch} was given twice");
        if epoch < table.epoch {
            return false;
        }
        table.epoch = epoch;
        if let Some(first) = table.runs.get(&fence) {
            assert_eq!(*first, asked_at, "fence {fence} stands for two runs: the second one's data would be left out");
            return true;
        }
        assert!(
            fence > table.fence,
            "fence {fence} after {}: a newer run would be taken for an older one",
            table.fence
        );
        table.fence = fence;
        table.runs.insert(fence, asked_at);
        true
    }

    /// Does a write to the PMS. A PMS does what it is told, also twice.
    pub fn write_pms(&self, key: &str, patient: &str, number: u32) {
        let mut pms = self.pms.lock();
        let done = pms.done.entry(key.to_owned()).or_default();
        *done += 1;
        if *done == 1 {
            pms.order.entry(patient.to_owned()).or_default().push(number);
        }
    }

    /// Looks whether the PMS has a write.
    pub fn read_back(&self, key: &str) -> bool {
        self.pms.lock().done.contains_key(key)
    }

    /// The writes that the PMS did more than once.
    pub fn doubled(&self) -> Vec<String> {
        self.pms.lock().done.iter().filter(|(_, done)| **done > 1).map(|(key, _)| key.clone()).collect()
    }

    /// Whether each patient's writes were done in the order of their numbers.
    pub fn in_order(&self) -> bool {
        self.pms.lock().order.values().all(|numbers| numbers.is_sorted())
    }
}

/// Why the view refuses changes.
#[derive(Debug)]
pub enum Fenced {
    /// A newer worker has written.
    Epoch,
    /// It is at another place.
    At(u64),
}
