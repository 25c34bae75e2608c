//! Who gets the workers: nobody starves, nothing is over its limit, what was asked for by hand goes first.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sync_state::core::{
    fair::{Limits, Offer, UnderWay, Work, choose},
    run::Priority,
};

const WIDE: Limits = Limits { host: 1000, fleet: 1000 };

fn now() -> Timestamp {
    "2026-03-02T15:00:00Z".parse().unwrap()
}

fn work<'a>(practice: &'a str, group: &'a str, priority: Priority, waits: i64) -> Work<'a> {
    let due_at = now() - SignedDuration::from_secs(waits);
    Work { practice, group, host: "db", offer: Offer { run: 1, priority, due_at, instead: false } }
}

#[test]
fn a_group_with_much_work_does_not_starve_a_small_one() {
    let names: Vec<String> = (0..500).map(|n| format!("big-{n}")).collect();
    let mut due: Vec<Work<'_>> = names.iter().map(|name| work(name, "big", Priority::Normal, 3600)).collect();
    due.push(work("alone", "", Priority::Normal, 1));
    due.push(work("small", "chain", Priority::Normal, 1));
    let chosen = choose(&due, &UnderWay::default(), WIDE, 4, 0);
    let who: BTreeSet<&str> = chosen.iter().map(|place| due[*place].practice).collect();
    assert!(who.contains("alone") && who.contains("small"), "{who:?}");
    let mut under_way = UnderWay::default();
    (0..50).for_each(|_| under_way.add("x", "big", "other"));
    let chosen = choose(&due, &under_way, WIDE, 2, 0);
    assert!(chosen.iter().all(|place| due[*place].group != "big"), "those with the least under way come first");
}

#[test]
fn what_is_urgent_goes_first_and_has_hands_of_its_own() {
    let due = [
        work("night", "", Priority::Normal, 3600),
        work("late", "", Priority::Low, 7200),
        work("hand", "", Priority::Urgent, 0),
    ];
    assert_eq!(choose(&due, &UnderWay::default(), WIDE, 3, 0), [2, 0, 1]);
    assert_eq!(choose(&due, &UnderWay::default(), WIDE, 0, 1), [2]);
    assert_eq!(choose(&due, &UnderWay::default(), WIDE, 1, 1), [2], "a hand that is kept free stays free");
}

#[test]
fn what_takes_the_place_of_another_needs_no_room() {
    let mut due = [work("night", "", Priority::Normal, 9), work("hand", "", Priority::Urgent, 0)];
    let mut under_way = UnderWay::default();
    under_way.add("hand", "", "db");
    let full = Limits { host: 1, fleet: 1 };
    assert!(choose(&due, &under_way, full, 5, 5).is_empty());
    due[1].offer.instead = true;
    assert_eq!(choose(&due, &under_way, full, 5, 5), [1]);
}

proptest! {
    /// Never more than is asked for, nothing twice, nothing over a limit, nothing left that would have fitted, nothing
    /// less urgent while something more urgent that would have fitted is left.
    #[test]
    fn limits_hold(
        works in proptest::collection::vec((0_usize..12, 0_usize..4, 0_usize..3, 0_usize..3, 0_i64..100, any::<bool>()), 0..40),
        capacity in 0_usize..12,
        urgent in 0_usize..4,
        host in 0_usize..6,
        fleet in 0_usize..12,
        busy in proptest::collection::vec((0_usize..4, 0_usize..3), 0..8),
    ) {
        let names: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let due: Vec<Work<'_>> = works
            .iter()
            .map(|(practice, group, host, priority, waits, instead)| Work {
                practice: &names[*practice],
                group: ["", "a", "b", "c"][*group],
                host: ["x", "y", "z"][*host],
                offer: Offer {
                    run: 1,
                    priority: Priority::ALL[*priority],
                    due_at: now() - SignedDuration::from_secs(*waits),
                    instead: *instead,
                },
            })
            .collect();
        let mut under_way = UnderWay::default();
        for (group, host) in &busy {
            under_way.add("p", ["", "a", "b", "c"][*group], ["x", "y", "z"][*host]);
        }
        let limits = Limits { host, fleet };
        let chosen = choose(&due, &under_way, limits, capacity, urgent);
        let places: BTreeSet<usize> = chosen.iter().copied().collect();
        prop_assert_eq!(places.len(), chosen.len());
        let by_hand = chosen.iter().filter(|place| due[**place].offer.priority == Priority::Urgent).count();
        prop_assert!(chosen.len() <= capacity + urgent && chosen.len() - by_hand <= capacity);
        let mut hosts: BTreeMap<&str, usize> = under_way.hosts.iter().map(|(host, n)| (*host, *n)).collect();
        let mut all = under_way.fleet;
        for place in &chosen {
            if !due[*place].offer.instead {
                *hosts.entry(due[*place].host).or_default() += 1;
                all += 1;
                prop_assert!(hosts[due[*place].host] <= host && all <= fleet);
            }
        }
        for (place, left) in due.iter().enumerate().filter(|(place, _)| !places.contains(place)) {
            let room = left.offer.instead || all < fleet && hosts.get(left.host).copied().unwrap_or_default() < host;
            let hands = chosen.len() < capacity || left.offer.priority == Priority::Urgent && chosen.len() < capacity + urgent;
            prop_assert!(!(room && hands), "{} would have fitted", place);
        }
        let order: Vec<Priority> = chosen.iter().map(|place| due[*place].offer.priority).collect();
        prop_assert!(order.is_sorted());
    }
}
