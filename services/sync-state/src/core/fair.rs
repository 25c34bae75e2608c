//! Which of the due work is claimed, so that nobody starves: what is urgent first, then late and backfill work last; and
//! within each, the group and the practice that have the least under way.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use jiff::Timestamp;

use super::{run::Priority, runs, state::PracticeState};

/// How much may be under way at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// On one PMS host.
    pub host: usize,
    /// In the whole fleet.
    pub fleet: usize,
}

/// A run that a practice offers to workers. A practice offers one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The run's number.
    pub run: u64,
    /// How soon it is to be claimed.
    pub priority: Priority,
    /// Since when it is due.
    pub due_at: Timestamp,
    /// Whether a run of the practice that is under way makes room for it, so that no more are under way than before.
    pub instead: bool,
}

/// What a practice offers at `now`.
pub fn offer(state: &PracticeState, now: Timestamp) -> Option<Offer> {
    if state.settings.paused {
        return None;
    }
    let run = runs::claimable(&state.runs, now)?;
    let instead = state.runs.iter().any(|run| run.phase.held());
    Some(Offer { run: run.sequence, priority: run.priority, due_at: run.due_at, instead })
}

/// When the practice offers a run next, if nothing but time passes; in the past while it offers one. What waits behind a
/// run that is under way has no such time.
pub fn offers_at(state: &PracticeState) -> Option<Timestamp> {
    if state.settings.paused {
        return None;
    }
    let queued = state.runs.iter().filter(|run| !run.phase.ended() && !run.phase.held());
    queued.filter(|run| runs::claimable(&state.runs, run.due_at).is_some()).map(|run| run.due_at).min()
}

/// When the practice has a write to claim.
pub fn writes_at(state: &PracticeState) -> Option<Timestamp> {
    let free = !state.settings.paused && state.outbox.claimed.len() < super::write::AT_ONCE_MAX;
    state.outbox.ready_at.filter(|_| free)
}

/// Due work of a practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work<'a> {
    /// The practice.
    pub practice: &'a str,
    /// Its group; empty: it is one of its own.
    pub group: &'a str,
    /// The host of its PMS.
    pub host: &'a str,
    /// What it offers.
    pub offer: Offer,
}

/// Runs that are under way, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnderWay<'a> {
    /// By PMS host.
    pub hosts: HashMap<&'a str, usize>,
    /// By group, a practice without one under its own name.
    pub groups: HashMap<&'a str, usize>,
    /// In the fleet.
    pub fleet: usize,
}

impl<'a> UnderWay<'a> {
    /// Counts one.
    pub fn add(&mut self, practice: &'a str, group: &'a str, host: &'a str) {
        *self.hosts.entry(host).or_default() += 1;
        *self.groups.entry(group_of(practice, group)).or_default() += 1;
        self.fleet += 1;
    }
}

fn group_of<'a>(practice: &'a str, group: &'a str) -> &'a str {
    if group.is_empty() { practice } else { group }
}

/// Which of `due` to claim, by their places in it, in order: at most `capacity`, and beyond that at most `urgent` of those
/// that were asked for by hand.
pub fn choose(
    due: &[Work<'_>],
    under_way: &UnderWay<'_>,
    limits: Limits,
    capacity: usize,
    urgent: usize,
) -> Vec<usize> {
    let mut counts = under_way.clone();
    let mut chosen = Vec::new();
    let (mut capacity, mut urgent) = (capacity, urgent);
    for priority in Priority::ALL {
        let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, work) in due.iter().enumerate().filter(|(_, work)| work.offer.priority == *priority) {
            groups.entry(group_of(work.practice, work.group)).or_default().push(place);
        }
        let mut order = BinaryHeap::with_capacity(groups.len());
        for (group, places) in &mut groups {
            // The one that waits longest is taken first, from the end.
            places.sort_by_key(|place| Reverse((due[*place].offer.due_at, due[*place].practice)));
            if let Some(first) = places.last() {
                order.push(Reverse((turn(&counts, group), due[*first].offer.due_at, *group)));
            }
        }
        while let Some(Reverse((_, _, group))) = order.pop() {
            if capacity == 0 && (*priority != Priority::Urgent || urgent == 0) {
                break;
            }
            let Some(places) = groups.get_mut(group) else { continue };
            let Some(place) = places.pop() else { continue };
            let work = &due[place];
            let room = work.offer.instead
                || counts.fleet < limits.fleet
                    && counts.hosts.get(work.host).copied().unwrap_or_default() < limits.host;
            if room {
                match capacity {
                    0 => urgent -= 1,
                    _ => capacity -= 1,
                }
                if !work.offer.instead {
                    counts.fleet += 1;
                    *counts.hosts.entry(work.host).or_default() += 1;
                    *counts.groups.entry(group).or_default() += 1;
                }
                chosen.push(place);
            }
            if let Some(next) = places.last() {
                order.push(Reverse((turn(&counts, group), due[*next].offer.due_at, group)));
            }
        }
    }
    chosen
}

fn turn(counts: &UnderWay<'_>, group: &str) -> usize {
    counts.groups.get(group).copied().unwrap_or_default()
}
