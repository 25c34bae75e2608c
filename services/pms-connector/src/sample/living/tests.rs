//! The living day.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use super::*;
use crate::sample::{generator::tests::config, tables};

fn day(seed: u64, events: usize) -> (Store, Vec<Event>) {
    let config = config(seed, 200);
    let mut store = Store::generated(&config);
    let mut living = Living::new(&config, &store);
    let events = (0..events).map(|_| living.step(&mut store)).collect();
    (store, events)
}

#[test]
fn the_same_seed_lives_the_same_day() {
    let ((one, events), (other, same)) = (day(3, 300), day(3, 300));
    assert_eq!(events, same);
    assert!(tables::ALL.iter().all(|t| one.rows(t) == other.rows(t)));
    assert_ne!(day(4, 300).1, events);
}

#[test]
fn a_day_has_everything() {
    let (_, events) = day(6, 1_000);
    for event in [
        Event::Arrived,
        Event::Seated,
        Event::Completed,
        Event::Booked,
        Event::Confirmed,
        Event::Broken,
        Event::Deleted,
        Event::Paid,
        Event::Received,
        Event::Sent,
        Event::NewPatient,
    ] {
        assert!(events.contains(&event), "{event:?}");
    }
}

#[test]
fn what_the_log_names_is_all_that_changed() {
    let config = config(9, 150);
    let before = Store::generated(&config);
    let mut store = Store::generated(&config);
    let mut living = Living::new(&config, &store);
    for _ in 0..500 {
        living.step(&mut store);
    }
    for table in tables::ALL {
        let named = store.changed(table, 0).unwrap();
        let keys: BTreeSet<_> = before.rows(table).keys().chain(store.rows(table).keys()).cloned().collect();
        for key in keys {
            let changed = before.rows(table).get(&key) != store.rows(table).get(&key);
            assert!(!changed || named.contains(&key), "{}", table.name);
        }
    }
    // A position of the past that is still remembered, and one that never was.
    assert!(store.changed(tables::ALL[0], store.position()).unwrap().is_empty());
    assert!(store.changed(tables::ALL[0], store.position() + 1).is_none());
}

#[test]
fn every_change_sets_its_change_column() {
    let (store, _) = day(12, 600);
    let start = config(12, 200).as_of_day().at(8 * 60).0;
    for table in tables::ALL {
        let Some(stamp) = table.stamp() else { continue };
        for key in store.changed(table, 0).unwrap() {
            if let Some(row) = store.rows(table).get(&key) {
                assert!(matches!(row[stamp], Value::Stamp(Stamp(at)) if at > start), "{}", table.name);
            }
        }
    }
}
