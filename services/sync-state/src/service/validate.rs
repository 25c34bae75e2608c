//! What an operator sets, checked field by field.

use chairsync_proto::practice::{
    NightlyWindow, OpenDentalApi, OverlapPolicy, PmsSource, Practice, SampleSource, pms_source::Kind,
};
use jiff::civil::Date;
use mesh::{Refusal, calendar, names};

use crate::core::state::{Api, Overlap, Settings, Source};

const DISPLAY_NAME_MAX: usize = 200;
const PAUSE_NOTE_MAX: usize = 500;
const DAY_MINUTES: i32 = 1440;
const PATIENTS: u32 = 500;
const PATIENTS_MAX: u32 = 1_000_000;
const YEARS: u32 = 3;
const YEARS_MAX: u32 = 30;

/// The settings in a practice, defaults filled in.
///
/// # Errors
/// `INVALID_FIELD` that names the field.
pub(super) fn settings(practice: &Practice) -> Result<Settings, Refusal> {
    let (window_start, window_end) = window(practice.nightly_window.as_ref())?;
    let currency = if practice.currency_code.is_empty() { "USD" } else { &practice.currency_code };
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Refusal::invalid("practice.currency_code", "must be three capital letters (ISO 4217), e.g. USD"));
    }
    Ok(Settings {
        display_name: text("practice.display_name", &practice.display_name, DISPLAY_NAME_MAX)?,
        time_zone: calendar::zone("practice.time_zone", &practice.time_zone).map(|_| practice.time_zone.clone())?,
        window_start,
        window_end,
        source: source(practice.source.as_ref())?,
        automatic_write_back: practice.automatic_write_back,
        paused: practice.paused,
        pause_note: text("practice.pause_note", &practice.pause_note, PAUSE_NOTE_MAX)?,
        currency_code: currency.to_owned(),
        group: group(&practice.group)?,
        overlap: match OverlapPolicy::try_from(practice.overlap_policy) {
            Ok(OverlapPolicy::Unspecified | OverlapPolicy::QueueOne) => Overlap::QueueOne,
            Ok(OverlapPolicy::Skip) => Overlap::Skip,
            Ok(OverlapPolicy::Supersede) => Overlap::Supersede,
            Err(_) => return Err(Refusal::invalid("practice.overlap_policy", "must be one of the API's policies")),
        },
    })
}

fn text(field: &str, value: &str, longest: usize) -> Result<String, Refusal> {
    if value.chars().count() > longest {
        return Err(Refusal::invalid(field, format!("is longer than {longest} characters; shorten it")));
    }
    Ok(value.to_owned())
}

fn group(name: &str) -> Result<String, Refusal> {
    // Groups are named as practices are.
    match name.is_empty() || names::is_practice_id(name) {
        true => Ok(name.to_owned()),
        false => {
            let fault = "must be 1 to 63 of a-z, 0-9 and inner hyphens, starting with a letter; or empty for none";
            Err(Refusal::invalid("practice.group", fault))
        }
    }
}

fn window(window: Option<&NightlyWindow>) -> Result<(u16, u16), Refusal> {
    let NightlyWindow { start_minute, end_minute } =
        *window.unwrap_or(&NightlyWindow { start_minute: 60, end_minute: 300 });
    if !(0..DAY_MINUTES).contains(&start_minute) {
        let fault = "must be 0 to 1439 minutes after local midnight";
        return Err(Refusal::invalid("practice.nightly_window.start_minute", fault));
    }
    if end_minute <= start_minute || end_minute > DAY_MINUTES {
        let fault = "must be later than start_minute and at most 1440 minutes after local midnight";
        return Err(Refusal::invalid("practice.nightly_window.end_minute", fault));
    }
    Ok((start_minute as u16, end_minute as u16)) // both were just found to be 0 to 1440
}

fn source(source: Option<&PmsSource>) -> Result<Source, Refusal> {
    match source.and_then(|source| source.kind.as_ref()) {
        None => Err(Refusal::invalid("practice.source", "is missing: name an Open Dental database or a sample")),
        Some(Kind::OpenDental(found)) => {
            check_uri(&found.uri)?;
            check_credential("practice.source.open_dental.credential", &found.credential)?;
            let api = found.api.as_ref().map(api).transpose()?;
            Ok(Source::OpenDental { uri: found.uri.clone(), credential: found.credential.clone(), api })
        }
        Some(Kind::Sample(found)) => sample(found),
    }
}

fn check_credential(field: &str, name: &str) -> Result<(), Refusal> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.len() > 63 || !name.bytes().all(allowed) {
        return Err(Refusal::invalid(field, "must be the name of a credential: up to 63 of a-z, 0-9 and hyphens"));
    }
    Ok(())
}

fn api(found: &OpenDentalApi) -> Result<Api, Refusal> {
    let field = |name: &str| format!("practice.source.open_dental.api.{name}");
    let ways =
        [("service_url", &found.service_url), ("local_url", &found.local_url), ("remote_url", &found.remote_url)];
    if ways.iter().all(|(_, address)| address.is_empty()) {
        return Err(Refusal::invalid(field("service_url"), "at least one of the three addresses must be set"));
    }
    for (name, address) in ways.into_iter().filter(|(_, address)| !address.is_empty()) {
        let form = "must be http://host:port/api/v1 or https://host/api/v1, without user, password and query";
        let url = url::Url::parse(address).map_err(|_| Refusal::invalid(field(name), form))?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain || url.fragment().is_some() {
            return Err(Refusal::invalid(field(name), form));
        }
    }
    let loopback = url::Url::parse(&found.remote_url).is_ok_and(|url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    });
    if found.remote_url.starts_with("http:") && !loopback {
        return Err(Refusal::invalid(field("remote_url"), "must be https: patient data and keys leave the practice"));
    }
    check_credential(&field("credential"), &found.credential)?;
    if found.credential.is_empty() {
        return Err(Refusal::invalid(field("credential"), "must name the credential that holds the API's keys"));
    }
    Ok(Api {
        service_url: found.service_url.clone(),
        local_url: found.local_url.clone(),
        remote_url: found.remote_url.clone(),
        credential: found.credential.clone(),
    })
}

fn check_uri(uri: &str) -> Result<(), Refusal> {
    let refuse = |fault: &str| Err(Refusal::invalid("practice.source.open_dental.uri", fault));
    let form = "must be mysql://user@host:port/database";
    let Ok(url) = url::Url::parse(uri) else { return refuse(form) };
    if url.scheme() != "mysql" || url.host_str().is_none_or(str::is_empty) || url.username().is_empty() {
        return refuse(form);
    }
    if url.path().trim_start_matches('/').is_empty() || url.path().matches('/').count() != 1 {
        return refuse(form);
    }
    if url.password().is_some() {
        return refuse("must not hold a password: name a credential that the connector knows instead");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("must have no options after the database's name");
    }
    Ok(())
}

fn sample(found: &SampleSource) -> Result<Source, Refusal> {
    let patients = if found.patients == 0 { PATIENTS } else { found.patients };
    if patients > PATIENTS_MAX {
        return Err(Refusal::invalid("practice.source.sample.patients", "must be 1 to 1,000,000"));
    }
    let years = if found.years == 0 { YEARS } else { found.years };
    if years > YEARS_MAX {
        return Err(Refusal::invalid("practice.source.sample.years", "must be 1 to 30"));
    }
    if !found.as_of_date.is_empty() && found.as_of_date.parse::<Date>().is_err() {
        return Err(Refusal::invalid("practice.source.sample.as_of_date", "must be a date, yyyy-mm-dd, or empty"));
    }
    let as_of_date = found.as_of_date.clone();
    Ok(Source::Sample { seed: found.seed, patients, live: found.live, as_of_date, years })
}
