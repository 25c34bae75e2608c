//! Practices of the fleet by a filter: paused and resumed, each by a command of its own. A call that is cut off has changed
//! some; its repeat passes over those.

use std::{collections::BTreeSet, sync::Arc};

use chairsync_proto::practice::PracticeFilter;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mesh::{ErrorReason, Refusal, names};

use super::states::{Done, States};
use crate::core::{
    command::{Command, Outcome},
    state::Settings,
};

const NAMES_MAX: usize = 1000;
/// Practices that are changed at the same time.
const AT_ONCE: usize = 64;

/// How many practices of a filter are as asked for now, and how many were before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub changed: i32,
    pub unchanged: i32,
}

/// A filter, read.
struct Filter<'a> {
    names: BTreeSet<&'a str>,
    of: &'a PracticeFilter,
}

impl<'a> Filter<'a> {
    fn read(filter: Option<&'a PracticeFilter>) -> Result<Self, Refusal> {
        let of = filter.ok_or_else(|| Refusal::invalid("filter", "is missing: name practices, or say `all`"))?;
        let parts =
            !of.names.is_empty() || [&of.group, &of.pms_host, &of.time_zone].iter().any(|part| !part.is_empty());
        match (of.all, parts) {
            (true, true) => return Err(Refusal::invalid("filter.all", "must stand alone")),
            (false, false) => return Err(Refusal::invalid("filter", "is empty: name practices, or say `all`")),
            _ => {}
        }
        if of.names.len() > NAMES_MAX {
            return Err(Refusal::invalid("filter.names", format!("must be at most {NAMES_MAX}")));
        }
        let names = of.names.iter().map(|name| names::practice("filter.names", name)).collect::<Result<_, _>>()?;
        Ok(Self { names, of })
    }

    fn matches(&self, id: &str, settings: &Settings) -> bool {
        let part = |asked: &str, is: &str| asked.is_empty() || asked == is;
        (self.names.is_empty() || self.names.contains(id))
            && part(&self.of.group, &settings.group)
            && part(&self.of.pms_host, settings.pms_host())
            && part(&self.of.time_zone, &settings.time_zone)
    }
}

/// Pauses with a note, or resumes, all practices that match.
///
/// # Errors
/// `INVALID_FIELD` for the filter; what refused the first of the practices that could not be changed.
pub(super) async fn set_paused(
    states: &Arc<States>,
    filter: Option<&PracticeFilter>,
    paused: bool,
    note: &str,
) -> Result<Counts, Refusal> {
    let filter = Filter::read(filter)?;
    let command = Command::SetPaused { paused, note: note.to_owned() };
    let mut matching = Vec::new();
    let mut counts = Counts::default();
    for state in states.ids().iter().filter_map(|id| states.get(id)) {
        let settings = &state.settings;
        if !filter.matches(&state.id, settings) {
            continue;
        }
        match settings.paused == paused && (!paused || settings.pause_note == note) {
            true => counts.unchanged += 1,
            false => matching.push((state.id.clone(), settings.paused)),
        }
    }
    let changes = matching.into_iter().map(|(id, was)| {
        let (states, command) = (states.clone(), command.clone());
        async move {
            match states.execute(&id, &command).await {
                Ok(Done { outcome: Outcome::Nothing, .. }) => Ok(Some(false)),
                Ok(_) => Ok(Some(was != paused)),
                Err(refusal) if refusal.reason == ErrorReason::PracticeNotFound => Ok(None),
                Err(refusal) => Err(refusal),
            }
        }
    });
    let changed: Vec<Option<bool>> = stream::iter(changes).buffer_unordered(AT_ONCE).try_collect().await?;
    for changed in changed.into_iter().flatten() {
        match changed {
            true => counts.changed += 1,
            false => counts.unchanged += 1,
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::core::state::{Overlap, Source};

    fn settings(group: &str, uri: &str) -> Settings {
        Settings {
            display_name: String::new(),
            time_zone: "America/Chicago".to_owned(),
            window_start: 60,
            window_end: 300,
            source: Source::OpenDental { uri: uri.to_owned(), credential: String::new(), api: None },
            automatic_write_back: false,
            paused: false,
            pause_note: String::new(),
            currency_code: "USD".to_owned(),
            group: group.to_owned(),
            overlap: Overlap::QueueOne,
        }
    }

    #[test]
    fn every_part_of_a_filter_must_match() {
        let north = settings("chain", "mysql://r@db1:3306/north");
        let filter = |filter: PracticeFilter| Filter::read(Some(&filter)).unwrap().matches("north", &north);
        assert!(filter(PracticeFilter { all: true, ..Default::default() }));
        assert!(filter(PracticeFilter { group: "chain".to_owned(), pms_host: "db1".to_owned(), ..Default::default() }));
        assert!(!filter(PracticeFilter {
            group: "chain".to_owned(),
            pms_host: "db2".to_owned(),
            ..Default::default()
        }));
        assert!(filter(PracticeFilter { names: vec!["practices/north".to_owned()], ..Default::default() }));
        assert!(!filter(PracticeFilter { names: vec!["practices/south".to_owned()], ..Default::default() }));
    }

    #[test]
    fn a_filter_that_says_nothing_is_refused() {
        let named = |filter: Option<PracticeFilter>| Filter::read(filter.as_ref()).err().unwrap().field.unwrap().0;
        assert_eq!(named(None), "filter");
        assert_eq!(named(Some(PracticeFilter::default())), "filter");
        let both = PracticeFilter { all: true, group: "a".to_owned(), ..Default::default() };
        assert_eq!(named(Some(both)), "filter.all");
        assert_eq!(named(Some(PracticeFilter { names: vec!["x".to_owned()], ..Default::default() })), "filter.names");
    }
}
