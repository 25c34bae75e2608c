//! Sets of minutes of a day as sorted, disjoint, half-open intervals.

/// Minutes `[start, end)` after midnight.
pub type Interval = (i32, i32);

/// The union: sorted, disjoint, neighbours joined, empty ones left out.
pub fn union(intervals: impl IntoIterator<Item = Interval>) -> Vec<Interval> {
    let mut sorted: Vec<Interval> = intervals.into_iter().filter(|(start, end)| start < end).collect();
    sorted.sort_unstable();
    let mut joined: Vec<Interval> = Vec::with_capacity(sorted.len());
    for (start, end) in sorted {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// What is in both; both as [`union`] makes them.
pub fn intersect(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let common = |x: &Interval, y: &Interval| (x.0.max(y.0), x.1.min(y.1));
    union(a.iter().flat_map(|x| b.iter().map(move |y| common(x, y))))
}

/// What is in `a` and not in `b`; both as [`union`] makes them.
pub fn subtract(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let mut left = Vec::new();
    for &(start, end) in a {
        let mut from = start;
        for &(s, e) in b.iter().filter(|(s, e)| *s < end && *e > start) {
            if s > from {
                left.push((from, s));
            }
            from = from.max(e);
        }
        if from < end {
            left.push((from, end));
        }
    }
    left
}

/// What stands in more than one of the intervals: each time beyond the first, so that a minute in three of them is there
/// twice.
pub fn surplus(intervals: &[Interval]) -> Vec<Interval> {
    let (mut seen, mut again) = (Vec::new(), Vec::new());
    for each in intervals.iter().filter(|(start, end)| start < end) {
        again.extend(intersect(&[*each], &seen));
        seen = union(seen.into_iter().chain([*each]));
    }
    again
}

/// The minutes in a set as [`union`] makes it.
pub fn minutes(set: &[Interval]) -> i64 {
    set.iter().map(|(start, end)| i64::from(end - start)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set() -> impl Strategy<Value = Vec<Interval>> {
        prop::collection::vec((0..200_i32, 0..200_i32), 0..12).prop_map(union)
    }
    fn has(set: &[Interval], minute: i32) -> bool {
        set.iter().any(|(start, end)| (*start..*end).contains(&minute))
    }

    proptest! {
        #[test]
        fn sets_of_minutes_behave_like_sets(a in set(), b in set()) {
            let (both, less, all) = (intersect(&a, &b), subtract(&a, &b), union(a.iter().chain(&b).copied()));
            for m in 0..200 {
                prop_assert_eq!(has(&both, m), has(&a, m) && has(&b, m));
                prop_assert_eq!(has(&less, m), has(&a, m) && !has(&b, m));
                prop_assert_eq!(has(&all, m), has(&a, m) || has(&b, m));
            }
            prop_assert_eq!(minutes(&both) + minutes(&less), minutes(&a));
        }

        #[test]
        fn the_surplus_is_each_time_beyond_the_first(all in prop::collection::vec((0..60_i32, 0..60_i32), 0..8)) {
            let again = surplus(&all);
            let times = |list: &[Interval], minute: i32| list.iter().filter(|(s, e)| (*s..*e).contains(&minute)).count();
            for m in 0..60 {
                prop_assert_eq!(times(&again, m), times(&all, m).saturating_sub(1));
            }
        }
    }
}
