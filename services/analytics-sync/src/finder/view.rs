//! A practice's table with what was refreshed since over it, and the pages of it that pass.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    field::AsOf,
    filter::Condition,
    order::{Order, Spot},
    page::Place,
    row::Row,
    search::Query,
    table::Table,
};

/// The rows of families that were read again after the table.
#[derive(Debug, Default)]
pub struct Patch {
    /// The PMS's time when they were read.
    pub read_at: Timestamp,
    /// Everybody whose row is meant, also those who are gone.
    pub patients: BTreeSet<i64>,
    /// The rows of those who are there, by number.
    pub rows: Vec<Row>,
}

impl Patch {
    /// The memory that it takes.
    pub fn bytes(&self) -> usize {
        2 * size_of::<i64>() * self.patients.len() + self.rows.iter().map(Row::bytes).sum::<usize>()
    }
}

/// A table and what lies over it.
#[derive(Debug, Clone)]
pub struct View {
    /// The table.
    pub table: Arc<Table>,
    /// The PMS's time up to which its changes are in the table.
    pub synced_through: Option<Timestamp>,
    /// What was read later, in order.
    pub patches: Vec<Arc<Patch>>,
}

/// A row, and when it was read.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The row.
    pub row: &'a Row,
    /// The PMS's time up to which its changes are in the row.
    pub synced_at: Option<Timestamp>,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Search {
    /// All of these must hold.
    pub conditions: Vec<Condition>,
    /// This must be found.
    pub query: Query,
    /// How rows are sorted.
    pub order: Order,
    /// As of when.
    pub as_of: AsOf,
}

impl Search {
    fn finds(&self, row: &Row) -> bool {
        self.conditions.iter().all(|condition| condition.holds(row, self.as_of)) && self.query.finds(row)
    }
}

/// A page.
#[derive(Debug)]
pub struct Page<'a> {
    /// Its rows.
    pub rows: Vec<Seen<'a>>,
    /// All that pass, over all pages.
    pub total: usize,
    /// Where it ended; none on the last page.
    pub end: Option<Place>,
}

impl View {
    /// The row of a patient.
    pub fn get(&self, number: i64) -> Option<Seen<'_>> {
        match self.patches.iter().rev().find(|patch| patch.patients.contains(&number)) {
            Some(patch) => {
                let place = patch.rows.binary_search_by_key(&number, |row| row.number).ok()?;
                Some(Seen { row: &patch.rows[place], synced_at: Some(patch.read_at) })
            }
            None => self.table.get(number).map(|row| Seen { row, synced_at: self.synced_through }),
        }
    }

    /// Every row, in no order.
    pub fn rows(&self) -> impl Iterator<Item = Seen<'_>> {
        let mut newer: HashMap<i64, usize> = HashMap::new();
        for (place, patch) in self.patches.iter().enumerate() {
            newer.extend(patch.patients.iter().map(|patient| (*patient, place)));
        }
        let newest: Vec<Seen<'_>> = self
            .patches
            .iter()
            .enumerate()
            .flat_map(|(place, patch)| patch.rows.iter().map(move |row| (place, patch, row)))
            .filter(|(place, _, row)| newer.get(&row.number) == Some(place))
            .map(|(_, patch, row)| Seen { row, synced_at: Some(patch.read_at) })
            .collect();
        let kept = self.table.rows.iter().filter(move |row| newer.is_empty() || !newer.contains_key(&row.number));
        kept.map(|row| Seen { row, synced_at: self.synced_through }).chain(newest)
    }

    /// The rows that pass, by number.
    pub fn all(&self, search: &Search) -> Vec<Seen<'_>> {
        let mut found: Vec<Seen<'_>> = self.rows().filter(|seen| search.finds(seen.row)).collect();
        found.sort_unstable_by_key(|seen| seen.row.number);
        found
    }

    /// The page of at most `size` rows that begins after a place. `digest` is of what is asked for.
    pub fn page(&self, search: &Search, after: Option<&Place>, size: usize, digest: u64) -> Page<'_> {
        let after = after.map(Place::spot);
        let mut total = 0;
        let mut found: Vec<(Spot<'_>, Seen<'_>)> = Vec::new();
        for seen in self.rows().filter(|seen| search.finds(seen.row)) {
            total += 1;
            let spot = search.order.spot(seen.row, seen.synced_at, search.as_of);
            if after.as_ref().is_none_or(|after| search.order.compare(&spot, after).is_gt()) {
                found.push((spot, seen));
            }
        }
        let more = found.len() > size;
        if more {
            found.select_nth_unstable_by(size, |one, other| search.order.compare(&one.0, &other.0));
            found.truncate(size);
        }
        found.sort_unstable_by(|one, other| search.order.compare(&one.0, &other.0));
        let end = found.last().filter(|_| more).map(|(spot, _)| Place::of(spot, digest));
        Page { rows: found.into_iter().map(|(_, seen)| seen).collect(), total, end }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::{ToSpan as _, civil::date};
    use proptest::prelude::*;

    use super::*;
    use crate::finder::{
        order::Column,
        row::{Words, fold},
    };

    const PAGE: usize = 1_000;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn search(order: &str) -> Search {
        Search {
            conditions: Vec::new(),
            query: Query::default(),
            order: Order::read(order).unwrap(),
            as_of: AsOf { date: date(2026, 3, 31), broken_from: date(2025, 3, 31) },
        }
    }

    /// A row whose values are spread by its number, many of them alike and some absent.
    fn row(number: i64, words: &mut Words) -> Row {
        let mix = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64);
        let some = |of: i64, shift: i64| (mix >> shift).rem_euclid(of);
        let name = format!("Name{} {}", some(5_000, 3), some(7, 20));
        Row {
            number,
            family: number,
            folded_name: fold(&name).into(),
            display_name: name.into(),
            birthdate: (some(10, 9) > 0).then(|| date(1940, 1, 1).saturating_add(some(30_000, 11).days())),
            past_due: (some(3, 5) > 0).then(|| some(100, 13)),
            carrier: words.word(["", "Aetna", "delta", "Delta", "Öst"][some(5, 17) as usize]),
            ..Row::default()
        }
    }

    fn table(numbers: impl IntoIterator<Item = i64>) -> Table {
        let mut words = Words::default();
        Table { rows: numbers.into_iter().map(|number| row(number, &mut words)).collect(), ..Table::default() }
    }

    fn view(table: Table, patches: Vec<Patch>) -> View {
        let patches = patches.into_iter().map(Arc::new).collect();
        View { table: Arc::new(table), synced_through: Some(at("2026-03-31T06:00:00Z")), patches }
    }

    /// All pages in turn; between two, `next` may put another view in place.
    fn turned(
        mut view: View,
        search: &Search,
        size: usize,
        mut next: impl FnMut(usize, &View) -> Option<View>,
    ) -> Vec<i64> {
        let (mut numbers, mut after, mut page) = (Vec::new(), None, 0);
        loop {
            let found = view.page(search, after.as_ref(), size, 1);
            assert!(found.rows.len() <= size);
            numbers.extend(found.rows.iter().map(|seen| seen.row.number));
            let Some(end) = found.end else { return numbers };
            assert_eq!(found.rows.len(), size, "only the last page is shorter");
            after = Place::read(&end.token(), 1).unwrap();
            page += 1;
            if let Some(newer) = next(page, &view) {
                view = newer;
            }
        }
    }

    /// What the order says in so many words.
    fn sorted(view: &View, column: Column, falling: bool) -> Vec<i64> {
        let mut rows: Vec<&Row> = view.rows().map(|seen| seen.row).collect();
        rows.sort_by(|one, other| {
            let order = |one: Option<String>, other: Option<String>| match (one, other) {
                (Some(one), Some(other)) if falling => other.cmp(&one),
                (Some(one), Some(other)) => one.cmp(&other),
                (one, other) => other.is_some().cmp(&one.is_some()),
            };
            let text = |row: &Row| match column {
                Column::DisplayName => Some(row.display_name.to_lowercase()),
                Column::Birthdate => row.birthdate.map(|day| day.to_string()),
                Column::PastDue => row.past_due.map(|cents| format!("{cents:09}")),
                _ => row.carrier.as_ref().map(|word| word.shown().to_lowercase()),
            };
            order(text(one), text(other)).then(one.number.cmp(&other.number))
        });
        rows.iter().map(|row| row.number).collect()
    }

    #[test]
    fn a_hundred_thousand_patients_come_in_order_once_each() {
        let view = view(table(1..=100_000), Vec::new());
        for (order, column, falling) in [
            ("", Column::DisplayName, false),
            ("birthdate desc", Column::Birthdate, true),
            ("past_due", Column::PastDue, false),
            ("past_due desc", Column::PastDue, true),
            ("carrier asc", Column::Carrier, false),
        ] {
            let search = search(order);
            assert_eq!(view.page(&search, None, PAGE, 1).total, 100_000);
            let found = turned(view.clone(), &search, 9_973, |_, _| None);
            assert!(found == sorted(&view, column, falling), "{order}");
        }
    }

    /// Between two pages a commit takes patients away, adds some and changes others: those that stay as they were come
    /// once each, and in order.
    #[test]
    fn pages_are_stable_over_a_commit() {
        for order in ["display_name", "past_due desc", "birthdate", "carrier"] {
            let search = search(order);
            let before = view(table(1..=10_000), Vec::new());
            let found = turned(before, &search, 700, |page, _| {
                (page == 5).then(|| {
                    let mut after = table((1..=10_400).filter(|number| number % 10 != 0));
                    after.rows.iter_mut().filter(|row| row.number % 10 == 1).for_each(|row| {
                        row.past_due = Some(row.number);
                        row.folded_name = format!("changed{}", row.number).into();
                        row.birthdate = None;
                        row.carrier = None;
                    });
                    view(after, Vec::new())
                })
            });
            let unchanged = |number: &i64| *number <= 10_000 && number % 10 > 1;
            let mut seen: Vec<i64> = found.iter().copied().filter(unchanged).collect();
            let in_order = seen.clone();
            seen.sort_unstable();
            assert_eq!(seen, (1..=10_000).filter(unchanged).collect::<Vec<_>>(), "{order}");
            let whole = view(table(1..=10_000), Vec::new());
            let expected: Vec<i64> =
                turned(whole, &search, 10_000, |_, _| None).into_iter().filter(unchanged).collect();
            assert!(in_order == expected, "{order}");
        }
    }

    #[test]
    fn what_was_read_later_lies_over_the_table() {
        let mut words = Words::default();
        let patch = |read: &str, patients: &[i64], rows: &[i64], due: i64, words: &mut Words| Patch {
            read_at: at(read),
            patients: patients.iter().copied().collect(),
            rows: rows.iter().map(|number| Row { past_due: Some(due), ..row(*number, words) }).collect(),
        };
        let patches = vec![
            patch("2026-03-31T10:00:00Z", &[2, 3, 4], &[2, 3], 1_000, &mut words),
            patch("2026-03-31T11:00:00Z", &[3, 9], &[3, 9], 2_000, &mut words),
        ];
        let view = view(table(1..=5), patches);
        let due = |number| view.get(number).map(|seen| (seen.row.past_due, seen.synced_at.unwrap()));
        assert_eq!(due(1).unwrap().1, at("2026-03-31T06:00:00Z"));
        assert_eq!(due(2), Some((Some(1_000), at("2026-03-31T10:00:00Z"))));
        assert_eq!(due(3), Some((Some(2_000), at("2026-03-31T11:00:00Z"))));
        assert_eq!(due(4), None, "gone from the PMS");
        assert_eq!(due(9), Some((Some(2_000), at("2026-03-31T11:00:00Z"))), "new there");
        let all = turned(view.clone(), &search("name"), 2, |_, _| None);
        assert_eq!(all, [1, 2, 3, 5, 9]);
        for number in all {
            let seen = view.rows().find(|seen| seen.row.number == number).unwrap();
            assert_eq!(seen.row, view.get(number).unwrap().row);
        }
        assert_eq!(view.all(&search("")).len(), 5);
    }

    proptest! {
        #[test]
        fn pages_of_any_size_make_the_whole(count in 0..200_i64, size in 1..50_usize, place in 0..Column::ALL.len(), falling in any::<bool>()) {
            let (name, _) = Column::ALL[place];
            let search = search(&format!("{name}{}", if falling { " desc" } else { "" }));
            let view = view(table(1..=count), Vec::new());
            let whole = turned(view.clone(), &search, PAGE, |_, _| None);
            prop_assert_eq!(whole.len() as i64, count);
            prop_assert_eq!(turned(view, &search, size, |_, _| None), whole);
        }
    }

    #[test]
    fn only_columns_with_one_value_are_sorted_by() {
        for bad in ["recall_types", "treatment_codes", "Name", "age down", "age desc desc", "age,name"] {
            assert_eq!(Order::read(bad).unwrap_err().field.unwrap().0, "order_by", "{bad}");
        }
        assert_eq!(Order::read(" past_due  desc ").unwrap(), Order { column: Column::PastDue, falling: true });
    }
}
