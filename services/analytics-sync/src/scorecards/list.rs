//! Lists of scorecards: which ones, in which order, which page.

use std::cmp::Ordering;

use chairsync_proto::analytics::{Scorecard, ScorecardList};
use mesh::{
    Refusal,
    caller::Caller,
    pages::{self, List},
};

use super::card::{may_open, owns};

const PAGE: i32 = 100;
const PAGE_MAX: i32 = 1_000;

/// A column to sort by, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    column: Column,
    falling: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    DisplayName,
    Focus,
    Owner,
    CreateTime,
    UpdateTime,
}

impl Order {
    /// Reads `order_by`.
    ///
    /// # Errors
    /// `INVALID_FIELD` on `order_by`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut words = text.split_whitespace();
        let column = match words.next().unwrap_or("display_name") {
            "display_name" => Column::DisplayName,
            "focus" => Column::Focus,
            "owner" => Column::Owner,
            "create_time" => Column::CreateTime,
            "update_time" => Column::UpdateTime,
            _ => {
                let fault = "must be display_name, focus, owner, create_time or update_time, \"desc\" after it or not";
                return Err(Refusal::invalid("order_by", fault));
            }
        };
        let falling = match (words.next(), words.next()) {
            (None, _) => false,
            (Some("desc"), None) => true,
            _ => return Err(Refusal::invalid("order_by", "must be one column, \"desc\" after it or not")),
        };
        Ok(Self { column, falling })
    }

    /// What is compared: ordered text, then the name, which no two share.
    fn key(self, scorecard: &Scorecard) -> (String, String) {
        let time = |at: &Option<prost_types::Timestamp>| {
            at.as_ref().map_or_else(String::new, |at| format!("{:020}.{:09}", at.seconds, at.nanos))
        };
        let key = match self.column {
            Column::DisplayName => scorecard.display_name.to_lowercase(),
            Column::Focus => scorecard.focus.to_string(),
            Column::Owner => scorecard.owner.to_lowercase(),
            Column::CreateTime => time(&scorecard.create_time),
            Column::UpdateTime => time(&scorecard.update_time),
        };
        (key, scorecard.name.clone())
    }

    fn compare(self, a: &(String, String), b: &(String, String)) -> Ordering {
        let by_column = match self.falling {
            true => b.0.cmp(&a.0),
            false => a.0.cmp(&b.0),
        };
        by_column.then_with(|| a.1.cmp(&b.1))
    }
}

/// Which page of which list is asked for.
#[derive(Clone)]
pub struct Wanted<'a> {
    /// The practice's id.
    pub practice: &'a str,
    /// Who asks.
    pub caller: &'a Caller,
    /// Which list.
    pub list: ScorecardList,
    /// In which order.
    pub order_by: &'a str,
    /// How many.
    pub page_size: i32,
    /// From the page before.
    pub page_token: &'a str,
}

/// A page of the scorecards that the caller may open, and the next one's token.
///
/// # Errors
/// `INVALID_FIELD` on `order_by` or `page_size`, `PAGE_TOKEN_INVALID`.
pub fn page(all: Vec<Scorecard>, wanted: &Wanted<'_>) -> Result<(Vec<Scorecard>, String), Refusal> {
    let Wanted { practice, caller, list, order_by, page_size, page_token } = wanted;
    let order = Order::parse(order_by)?;
    let size = pages::size(*page_size, PAGE, PAGE_MAX)?;
    let of = format!("{practice}?{}&{:?}&{}", list.as_str_name(), order, caller.as_str());
    let pages = List { what: "scorecards", of: &of };
    let after = pages.position(page_token)?.map(|position| {
        let (key, name) = position.split_once('\n').unwrap_or_default();
        (key.to_owned(), name.to_owned())
    });
    let listed = |scorecard: &Scorecard| match list {
        ScorecardList::Unspecified => may_open(scorecard, caller),
        ScorecardList::Mine => owns(scorecard, caller),
        ScorecardList::Shared => may_open(scorecard, caller) && !owns(scorecard, caller) && !scorecard.template,
        ScorecardList::Templates => scorecard.template,
    };
    let keyed = all.into_iter().filter(listed).map(|scorecard| (order.key(&scorecard), scorecard));
    let later = |(key, _): &((String, String), Scorecard)| {
        after.as_ref().is_none_or(|after| order.compare(key, after) == Ordering::Greater)
    };
    let mut left: Vec<_> = keyed.filter(later).collect();
    left.sort_by(|(a, _), (b, _)| order.compare(a, b));
    let more = left.len() > size;
    left.truncate(size);
    let next = left.last().filter(|_| more).map(|((key, name), _)| pages.token(&format!("{key}\n{name}")));
    Ok((left.into_iter().map(|(_, scorecard)| scorecard).collect(), next.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mesh::ErrorReason;

    use super::*;

    fn scorecard(id: u32, display_name: &str, owner: &str, shared_with: &[&str], seconds: i64) -> Scorecard {
        Scorecard {
            name: format!("practices/p/scorecards/{id}"),
            display_name: display_name.to_owned(),
            owner: owner.to_owned(),
            template: owner.is_empty(),
            shared_with: shared_with.iter().map(|person| (*person).to_owned()).collect(),
            create_time: (!owner.is_empty()).then_some(prost_types::Timestamp { seconds, nanos: 0 }),
            focus: i32::try_from(id % 3).unwrap() + 1,
            ..Default::default()
        }
    }

    fn all() -> Vec<Scorecard> {
        vec![
            scorecard(1, "beta", "ann", &[], 30),
            scorecard(2, "Alpha", "ann", &["bob"], 9),
            scorecard(3, "gamma", "bob", &["ann"], 20),
            scorecard(4, "delta", "bob", &[], 40),
            scorecard(5, "Template", "", &[], 0),
            scorecard(6, "alpha", "ann", &[], 50),
        ]
    }

    fn ids(scorecards: &[Scorecard]) -> Vec<u32> {
        scorecards.iter().map(|s| s.name.rsplit('/').next().unwrap().parse().unwrap()).collect()
    }

    fn listed(list: ScorecardList, order_by: &str, size: i32) -> Vec<u32> {
        let caller = Caller::named("ann");
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let wanted = Wanted { practice: "p", caller: &caller, list, order_by, page_size: size, page_token: &token };
            let (page, next) = super::page(all(), &wanted).unwrap();
            assert!(size == 0 || page.len() <= usize::try_from(size).unwrap());
            found.extend(ids(&page));
            match next.is_empty() {
                true => return found,
                false => token = next,
            }
        }
    }

    #[test]
    fn lists_are_of_the_caller_and_every_column_sorts() {
        for size in [0, 1, 2, 1_000] {
            assert_eq!(listed(ScorecardList::Unspecified, "", size), [2, 6, 1, 3, 5]);
            assert_eq!(listed(ScorecardList::Unspecified, "display_name desc", size), [5, 3, 1, 2, 6]);
            assert_eq!(listed(ScorecardList::Mine, "create_time", size), [2, 1, 6]);
            assert_eq!(listed(ScorecardList::Mine, "create_time desc", size), [6, 1, 2]);
            assert_eq!(listed(ScorecardList::Mine, "focus", size), [6, 1, 2]);
            assert_eq!(listed(ScorecardList::Mine, "update_time", size), [1, 2, 6]);
            assert_eq!(listed(ScorecardList::Shared, "owner", size), [3]);
            assert_eq!(listed(ScorecardList::Templates, "", size), [5]);
        }
    }

    #[test]
    fn a_page_token_is_of_its_list_and_a_column_is_one_of_those() {
        let (ann, bob) = (Caller::named("ann"), Caller::named("bob"));
        let first = Wanted {
            practice: "p",
            caller: &ann,
            list: ScorecardList::Mine,
            order_by: "owner",
            page_size: 1,
            page_token: "",
        };
        let (_, token) = page(all(), &first).unwrap();
        let first = Wanted { page_token: &token, ..first };
        assert!(page(all(), &first).is_ok());
        assert!(page(all(), &Wanted { page_size: 5, ..first.clone() }).is_ok(), "pages may differ in size");
        for (what, other) in [
            ("practice", Wanted { practice: "q", ..first.clone() }),
            ("caller", Wanted { caller: &bob, ..first.clone() }),
            ("list", Wanted { list: ScorecardList::Unspecified, ..first.clone() }),
            ("order", Wanted { order_by: "owner desc", ..first.clone() }),
            ("token", Wanted { page_token: "x", ..first.clone() }),
        ] {
            assert_eq!(page(all(), &other).unwrap_err().reason, ErrorReason::PageTokenInvalid, "another {what}");
        }
        for order_by in ["name", "owner asc", "owner desc, focus", "desc"] {
            let refusal = page(all(), &Wanted { order_by, page_token: "", ..first.clone() }).unwrap_err();
            assert_eq!(refusal.field.unwrap().0, "order_by");
        }
        let refusal = page(all(), &Wanted { page_size: -1, page_token: "", ..first }).unwrap_err();
        assert_eq!(refusal.field.unwrap().0, "page_size");
    }
}
