//! What waits for a worker: due runs in an order that is fair to groups, free change streams, due writes. And who waits
//! for such work, so that only those are woken for whom there is some.
//!
//! Which of the due runs are handed out is decided by [`fair`]; here they are kept so that a claim looks at some of
//! each group and not at the fleet. What is handed out is set aside until the claim is saved or given up, so that two
//! claims at the same time do not want the same.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::core::{
    fair::{self, Limits, Offer, UnderWay},
    run::Priority,
    shared::Text,
    state::{PracticeState, Source},
};

/// Practices that one claim looks at, and how many of a group.
const LOOKED_AT: usize = 2048;
const LOOKED_AT_OF_GROUP: usize = 32;

/// Kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Runs.
    Runs,
    /// Change streams.
    Streams,
    /// Writes to the PMS.
    Writes,
}

/// See the module's words.
pub(super) struct Work {
    limits: Limits,
    inner: Mutex<Inner>,
    wake: [Notify; 3],
    sooner: Notify,
}

#[derive(Default)]
struct Inner {
    practices: HashMap<Text, Entry>,
    /// Due runs by group.
    groups: HashMap<Text, BTreeSet<Place>>,
    /// The first of each group.
    heads: BTreeSet<(Priority, Timestamp, Text)>,
    /// Runs and writes that become due.
    later: BTreeSet<(Timestamp, Text)>,
    streams: BTreeSet<Text>,
    writes: BTreeSet<(Timestamp, Text)>,
    /// Runs under way.
    hosts: HashMap<Text, usize>,
    group_runs: HashMap<Text, usize>,
    fleet: usize,
}

/// A practice in its group's order.
type Place = (Priority, Timestamp, Text);

/// What is known of a practice's work.
#[derive(Clone, PartialEq)]
struct Entry {
    host: Text,
    group: Text,
    run_at: Option<Timestamp>,
    offer: Option<Offer>,
    write_at: Option<Timestamp>,
    stream: bool,
    held: bool,
    /// A claim has taken it out.
    taken: [bool; 3],
}

impl Entry {
    /// What a practice offers; `old` lends its texts, which hardly ever change.
    fn of(state: &PracticeState, now: Timestamp, old: Option<&Self>) -> Self {
        let settings = &state.settings;
        let text = |new: &str, old: Option<&Text>| match old {
            Some(old) if **old == *new => old.clone(),
            _ => Text::from(new),
        };
        let group = if settings.group.is_empty() { &state.id } else { settings.group.as_str() };
        // A generated practice has no server to be spared.
        let host = if matches!(settings.source, Source::Sample { .. }) { &state.id } else { settings.pms_host() };
        let run_at = fair::offers_at(state);
        Self {
            host: text(host, old.map(|old| &old.host)),
            group: text(group, old.map(|old| &old.group)),
            run_at,
            offer: run_at.filter(|at| *at <= now).and_then(|_| fair::offer(state, now)),
            write_at: fair::writes_at(state),
            stream: !settings.paused && state.initial_sync_at.is_some() && state.stream.lease.is_none(),
            held: state.runs.iter().any(|run| run.phase.held()),
            taken: [false; 3],
        }
    }

    fn place(&self, id: &Text) -> Option<Place> {
        let offer = self.offer.filter(|_| !self.taken[Kind::Runs as usize])?;
        Some((offer.priority, offer.due_at, id.clone()))
    }

    /// The practice counts against the limits.
    fn counts(&self) -> bool {
        self.held || self.taken[Kind::Runs as usize]
    }
}

impl Inner {
    fn put(&mut self, id: &Text, entry: Entry, now: Timestamp) {
        if let Some(place) = entry.place(id) {
            self.place(&entry.group, |places| places.insert(place));
        }
        let run_later = entry.run_at.filter(|_| entry.offer.is_none() && !entry.taken[Kind::Runs as usize]);
        let write = entry.write_at.filter(|_| !entry.taken[Kind::Writes as usize]);
        if let Some(at) = write.filter(|at| *at <= now) {
            self.writes.insert((at, id.clone()));
        }
        if let Some(at) = run_later.into_iter().chain(write).filter(|at| *at > now).min() {
            self.later.insert((at, id.clone()));
        }
        if entry.stream && !entry.taken[Kind::Streams as usize] {
            self.streams.insert(id.clone());
        }
        if entry.counts() {
            self.fleet += 1;
            *self.hosts.entry(entry.host.clone()).or_default() += 1;
            *self.group_runs.entry(entry.group.clone()).or_default() += 1;
        }
        self.practices.insert(id.clone(), entry);
    }

    fn take_out(&mut self, id: &Text) -> Option<Entry> {
        let entry = self.practices.remove(id)?;
        if let Some(place) = entry.place(id) {
            self.place(&entry.group, |places| places.remove(&place));
        }
        for at in [entry.run_at, entry.write_at].into_iter().flatten() {
            self.later.remove(&(at, id.clone()));
            self.writes.remove(&(at, id.clone()));
        }
        self.streams.remove(id);
        if entry.counts() {
            self.fleet -= 1;
            less(&mut self.hosts, &entry.host);
            less(&mut self.group_runs, &entry.group);
        }
        Some(entry)
    }

    /// Changes a group's order, and its place among the groups with it.
    fn place(&mut self, group: &Text, change: impl FnOnce(&mut BTreeSet<Place>) -> bool) {
        let places = self.groups.entry(group.clone()).or_default();
        let head = |places: &BTreeSet<Place>| places.first().map(|(priority, at, _)| (*priority, *at, group.clone()));
        let before = head(places);
        change(places);
        let after = head(places);
        if places.is_empty() {
            self.groups.remove(group);
        }
        if before != after {
            if let Some(head) = before {
                self.heads.remove(&head);
            }
            self.heads.extend(after);
        }
    }

    fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Runs => !self.heads.is_empty(),
            Kind::Streams => !self.streams.is_empty(),
            Kind::Writes => !self.writes.is_empty(),
        }
    }
}

fn less(counts: &mut HashMap<Text, usize>, of: &Text) {
    if let Some(count) = counts.get_mut(of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(of);
        }
    }
}

impl Work {
    pub fn new(limits: Limits) -> Self {
        Self { limits, inner: Mutex::default(), wake: std::array::from_fn(|_| Notify::new()), sooner: Notify::new() }
    }

    /// Takes in what a practice is; none: it is gone.
    pub fn set(&self, id: &Text, state: Option<&PracticeState>) {
        let now = Timestamp::now();
        let mut inner = self.inner.lock();
        let new = state.map(|state| Entry::of(state, now, inner.practices.get(id)));
        if inner.practices.get(id) == new.as_ref() {
            return;
        }
        let counted = inner.take_out(id).is_some_and(|old| old.counts());
        let mut offers = [false; 3];
        if let Some(new) = new {
            offers = [new.offer.is_some(), new.stream, new.write_at.is_some_and(|at| at <= now)];
            inner.put(id, new, now);
        }
        // A run that is over makes room for another's, where a limit was reached.
        let frees = counted && !inner.practices.get(id).is_some_and(Entry::counts);
        offers[Kind::Runs as usize] |= frees && inner.has(Kind::Runs);
        let first = inner.later.first().is_some_and(|(_, first)| first == id);
        drop(inner);
        for (offers, wake) in offers.into_iter().zip(&self.wake) {
            if offers {
                wake.notify_one();
            }
        }
        if first {
            self.sooner.notify_one();
        }
    }

    /// Due runs to be claimed, set aside for who asks.
    pub fn take_runs(
        &self,
        now: Timestamp,
        capacity: usize,
        urgent: usize,
        state: impl Fn(&str) -> Option<Arc<PracticeState>>,
    ) -> Vec<(Text, Offer)> {
        self.become_due(now, &state);
        let mut inner = self.inner.lock();
        let looked_at: Vec<(Text, Offer, Text, Text)> = inner
            .heads
            .iter()
            .filter_map(|(_, _, group)| inner.groups.get(group))
            .flat_map(|places| places.iter().take(LOOKED_AT_OF_GROUP.max(capacity)))
            .take(LOOKED_AT)
            .filter_map(|(_, _, id)| {
                let entry = inner.practices.get(id)?;
                Some((id.clone(), entry.offer?, entry.group.clone(), entry.host.clone()))
            })
            .collect();
        let due: Vec<fair::Work<'_>> = looked_at
            .iter()
            .map(|(id, offer, group, host)| fair::Work { practice: id, group, host, offer: *offer })
            .collect();
        let mut under_way = UnderWay { fleet: inner.fleet, ..UnderWay::default() };
        for work in &due {
            let host = inner.hosts.get(work.host).copied().unwrap_or_default();
            under_way.hosts.insert(work.host, host);
            under_way.groups.insert(work.group, inner.group_runs.get(work.group).copied().unwrap_or_default());
        }
        let chosen = fair::choose(&due, &under_way, self.limits, capacity, urgent);
        let chosen: Vec<(Text, Offer)> =
            chosen.into_iter().map(|place| (looked_at[place].0.clone(), looked_at[place].1)).collect();
        chosen.iter().for_each(|(id, _)| set_aside(&mut inner, id, Kind::Runs, now));
        chosen
    }

    /// Free streams or due writes to be claimed, of at most `limit` practices, set aside for who asks.
    pub fn take(
        &self,
        kind: Kind,
        now: Timestamp,
        limit: usize,
        state: impl Fn(&str) -> Option<Arc<PracticeState>>,
    ) -> Vec<Text> {
        self.become_due(now, &state);
        let mut inner = self.inner.lock();
        let ids: Vec<Text> = match kind {
            Kind::Streams => inner.streams.iter().take(limit).cloned().collect(),
            Kind::Writes => inner.writes.iter().take(limit).map(|(_, id)| id.clone()).collect(),
            Kind::Runs => Vec::new(),
        };
        ids.iter().for_each(|id| set_aside(&mut inner, id, kind, now));
        ids
    }

    /// Puts back what was set aside, as the practice now is.
    pub fn put_back(&self, ids: &[Text], state: impl Fn(&str) -> Option<Arc<PracticeState>>) {
        for id in ids {
            self.set(id, state(id).as_deref());
        }
    }

    /// What was due later and is due now.
    fn become_due(&self, now: Timestamp, state: impl Fn(&str) -> Option<Arc<PracticeState>>) {
        loop {
            let id = {
                let mut inner = self.inner.lock();
                match inner.later.first() {
                    Some((at, _)) if *at <= now => inner.later.pop_first().map(|(_, id)| id),
                    _ => None,
                }
            };
            let Some(id) = id else { return };
            let found = state(&id);
            let mut inner = self.inner.lock();
            let taken = inner.take_out(&id).map_or([false; 3], |entry| entry.taken);
            if let Some(found) = found {
                inner.put(&id, Entry { taken, ..Entry::of(&found, now, None) }, now);
            }
        }
    }

    /// Wakes one of those that wait, where there is work for it.
    pub fn wake(&self, now: Timestamp, state: impl Fn(&str) -> Option<Arc<PracticeState>>) {
        self.become_due(now, state);
        let inner = self.inner.lock();
        for kind in [Kind::Runs, Kind::Streams, Kind::Writes] {
            if inner.has(kind) {
                self.wake[kind as usize].notify_one();
            }
        }
    }

    /// When something becomes due by time.
    pub fn next(&self) -> Option<Timestamp> {
        self.inner.lock().later.first().map(|(at, _)| *at)
    }

    /// Something becomes due before everything else.
    pub async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// Wakes the next of those that wait, where there is more work for it than one has taken.
    pub fn pass_on(&self, kind: Kind) {
        if self.inner.lock().has(kind) {
            self.wake[kind as usize].notify_one();
        }
    }

    /// Waits for work of a kind.
    pub async fn wait(&self, kind: Kind) {
        self.wake[kind as usize].notified().await;
    }
}

fn set_aside(inner: &mut Inner, id: &Text, kind: Kind, now: Timestamp) {
    if let Some(mut entry) = inner.take_out(id) {
        entry.taken[kind as usize] = true;
        inner.put(id, entry, now);
    }
}
