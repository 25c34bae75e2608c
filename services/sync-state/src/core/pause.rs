//! Settings, pause among them.

use mesh::calendar;

use super::{
    act::Act,
    apply::Stop,
    command::Outcome,
    nightly,
    refusal::Refusal,
    runs,
    shared::Shared,
    state::{Settings, Since, Turn},
};

pub(super) fn update(act: &mut Act<'_>, settings: &Settings, edition: Option<u64>) -> Result<Outcome, Stop> {
    act.durable = true;
    if edition.is_some_and(|edition| edition != act.state.edition) {
        return Err(Refusal::EtagMismatch.into());
    }
    if *settings != *act.state.settings {
        change(act, settings.clone());
    }
    Ok(Outcome::Done)
}

pub(super) fn set_paused(act: &mut Act<'_>, paused: bool, note: &str) -> Result<Outcome, Stop> {
    act.durable = true;
    let old = &act.state.settings;
    let note = if paused { note } else { old.pause_note.as_str() };
    if (old.paused, old.pause_note.as_str()) == (paused, note) {
        return Ok(Outcome::Nothing);
    }
    let settings = Settings { paused, pause_note: note.to_owned(), ..(**old).clone() };
    change(act, settings);
    Ok(Outcome::Done)
}

fn change(act: &mut Act<'_>, new: Settings) {
    let old = std::mem::replace(&mut act.state.settings, Shared::new(new));
    let (now, state) = (act.now, &mut act.state);
    let new = &state.settings;
    let schedule = |s: &Settings| (s.time_zone.clone(), s.window_start, s.window_end);
    if schedule(&old) != schedule(new) {
        state.since = Some(Since { at: now, what: Turn::Rescheduled });
    }
    if old.paused && !new.paused {
        state.since = Some(Since { at: now, what: Turn::Resumed });
        // Dates that passed meanwhile are not made up for; today's still is.
        if let (Some(last), Ok(yesterday)) = (state.last_night, calendar::date_at(now, &nightly::zone(new)).yesterday())
        {
            state.last_night = Some(last.max(yesterday));
        }
    }
    if new.paused {
        // Whoever works on it notices at the next report.
        state.runs.iter_mut().for_each(runs::requeue);
        state.stream.lease = None;
    }
    state.edition += 1;
    state.updated_at = now;
}
