//! Which practice is kept in sync: the living sample, or a database whose password is taken out of its URL here.

use chairsync_proto::practice::{OpenDentalSource, PmsSource, Practice, SampleSource, pms_source::Kind};
use jiff::tz::TimeZone;
use mesh::{Refusal, calendar, names, secret::Secret};
use url::Url;

use super::Args;

/// The name under which the connector in this process knows the password.
pub const CREDENTIAL: &str = "command-line";
const SAMPLE_SEED: u64 = 1;
const SAMPLE_PATIENTS: u32 = 2_000;
/// The zone when the machine has none of its own: a server in UTC says nothing about where the practice is.
const FALLBACK_ZONE: &str = "America/Chicago";

/// The practice to keep in sync.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// Its settings; without any password.
    pub practice: Practice,
    /// The password of its database.
    pub password: Option<Secret>,
}

impl Source {
    /// What the arguments name.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a malformed id, zone or URL.
    pub fn of(args: &Args) -> Result<Self, Refusal> {
        let fallback = if args.pms.is_some() { "main" } else { "sample" };
        let id = args.practice.clone().unwrap_or_else(|| fallback.to_owned());
        if !names::is_practice_id(&id) {
            let fault = "must be 1 to 63 of a-z, 0-9 and inner hyphens, starting with a letter";
            return Err(Refusal::invalid("--practice", fault));
        }
        let (kind, password, display_name) = match &args.pms {
            None => (sample(), None, "Sample practice"),
            Some(url) => {
                let (source, password) = open_dental(url)?;
                (source, password, "Open Dental practice")
            }
        };
        let practice = Practice {
            display_name: display_name.to_owned(),
            time_zone: zone(args.time_zone.as_deref())?,
            source: Some(PmsSource { kind: Some(kind) }),
            ..Default::default()
        };
        Ok(Self { id, practice, password })
    }

    /// `practices/{id}`.
    pub fn name(&self) -> String {
        format!("practices/{}", self.id)
    }
}

fn sample() -> Kind {
    Kind::Sample(SampleSource { seed: SAMPLE_SEED, patients: SAMPLE_PATIENTS, live: true, ..Default::default() })
}

/// Takes the password out of a database URL.
///
/// # Errors
/// `INVALID_FIELD` on `--pms` that does not quote it.
pub(crate) fn open_dental(secret: &Secret) -> Result<(Kind, Option<Secret>), Refusal> {
    let malformed = || Refusal::invalid("--pms", "must be mysql://user:password@host:port/database");
    let mut url = Url::parse(secret.expose()).map_err(|_| malformed())?;
    let named = url.has_host() && !url.username().is_empty() && url.path().len() > 1;
    if url.scheme() != "mysql" || !named {
        return Err(malformed());
    }
    let password = url.password().map(decoded).transpose()?.filter(|word| !word.is_empty()).map(Secret::new);
    url.set_password(None).map_err(|()| malformed())?;
    let credential = if password.is_some() { CREDENTIAL.to_owned() } else { String::new() };
    Ok((Kind::OpenDental(OpenDentalSource { uri: url.to_string(), credential, api: None }), password))
}

/// A sentence of the connector's about a practice's source, with the flag that the source came from here.
pub(crate) fn as_flags(said: &str) -> String {
    said.replace("`uri`", "--pms").replace("the credential's file", "its password there")
}

/// A percent-encoded word, decoded.
fn decoded(word: &str) -> Result<String, Refusal> {
    let bad = || Refusal::invalid("--pms", "the password is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).ok_or_else(bad);
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).map_err(|_| bad())?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

fn zone(chosen: Option<&str>) -> Result<String, Refusal> {
    if let Some(name) = chosen {
        let known = calendar::zone("--time-zone", name)?;
        return Ok(known.iana_name().unwrap_or(name).to_owned());
    }
    let system = TimeZone::try_system().ok();
    let name = system.as_ref().and_then(|zone| zone.iana_name()).filter(|name| !name.ends_with("UTC"));
    Ok(name.filter(|name| calendar::zone("", name).is_ok()).unwrap_or(FALLBACK_ZONE).to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_password_leaves_the_url() {
        let (kind, password) = open_dental(&Secret::new("mysql://reader:p%40ss%2Fw@db:3307/opendental")).unwrap();
        let Kind::OpenDental(source) = kind else { panic!("not a database") };
        assert_eq!(source.uri, "mysql://reader@db:3307/opendental");
        assert_eq!(source.credential, CREDENTIAL);
        assert_eq!(password.unwrap().expose(), "p@ss/w");
        let (kind, password) = open_dental(&Secret::new("mysql://reader@db/opendental")).unwrap();
        let Kind::OpenDental(source) = kind else { panic!("not a database") };
        assert!(source.credential.is_empty() && password.is_none());
    }

    #[test]
    fn a_malformed_url_is_refused_without_being_quoted() {
        for bad in ["mysql://", "postgres://u:hunter2@h/d", "mysql://u:hunter2@h", "hunter2", "mysql://u:%zz@h/d"] {
            let refusal = open_dental(&Secret::new(bad)).unwrap_err();
            assert!(refusal.message.contains("--pms") && !refusal.message.contains("hunter2"), "{bad}");
        }
    }

    #[test]
    fn what_is_said_of_a_source_names_the_flag() {
        let said = as_flags("check the user in `uri` and the credential's file");
        assert_eq!(said, "check the user in --pms and its password there");
    }

    #[test]
    fn a_zone_is_known_or_refused() {
        assert_eq!(zone(Some("Europe/Berlin")).unwrap(), "Europe/Berlin");
        assert_eq!(zone(Some("Mars/Olympus")).unwrap_err().field.unwrap().0, "--time-zone");
    }
}
