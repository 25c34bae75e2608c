//! The API's addresses, in the order in which they are tried: the service, the program on this machine, the cloud.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chairsync_proto::practice::OpenDentalApi;
use http::{Request, header};
use http_body_util::Full;
use mesh::Refusal;

use super::{Call, keys::Keys};

/// An address that could not be reached is passed over for so long, where another one answers.
const DOWN: Duration = Duration::from_secs(60);

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// Where it stands among the others.
    place: usize,
    /// Whether the vendor throttles it.
    throttled: bool,
    /// Whether it is TLS.
    pub encrypted: bool,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What all paths begin with, e.g. `/api/v1`.
    path: String,
}

impl Way {
    /// Whether the vendor allows one request a second.
    pub(super) fn throttled(&self) -> bool {
        self.throttled
    }

    /// The request of a call.
    pub(super) fn request(&self, call: &Call, keys: &Keys, body: Bytes) -> http::Result<Request<Full<Bytes>>> {
        Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.path, call.path))
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::AUTHORIZATION, keys.header())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
    }
}

/// The addresses, and which of them were out of reach lately.
#[derive(Debug)]
pub(super) struct Ways(Vec<(Way, Option<Instant>)>);

impl Ways {
    pub(super) fn new(settings: &OpenDentalApi) -> Result<Self, Refusal> {
        let given = [
            ("service_url", &settings.service_url, false),
            ("local_url", &settings.local_url, false),
            ("remote_url", &settings.remote_url, true),
        ];
        let mut ways = Vec::new();
        for (name, address, throttled) in given.into_iter().filter(|(_, address, _)| !address.is_empty()) {
            let invalid = || {
                let field = format!("source.open_dental.api.{name}");
                Refusal::invalid(field, "must be http://host:port/api/v1 or https://host/api/v1")
            };
            let url = url::Url::parse(address).map_err(|_| invalid())?;
            let encrypted = match url.scheme() {
                "http" => false,
                "https" => true,
                _ => return Err(invalid()),
            };
            // The brackets of an IPv6 address are part of the URL, not of the address.
            let host = url.host_str().ok_or_else(invalid)?.trim_matches(['[', ']']).to_owned();
            let port = url.port_or_known_default().ok_or_else(invalid)?;
            let path = url.path().trim_end_matches('/').to_owned();
            ways.push((Way { place: ways.len(), throttled, encrypted, host, port, path }, None));
        }
        if ways.is_empty() {
            let fault = "at least one of the three addresses must be set";
            return Err(Refusal::invalid("source.open_dental.api.service_url", fault));
        }
        Ok(Self(ways))
    }

    /// Whether one of them needs TLS.
    pub(super) fn encrypted(&self) -> bool {
        self.0.iter().any(|(way, _)| way.encrypted)
    }

    /// Those to try now, in order: those that were out of reach lately come last.
    pub(super) fn open(&self, now: Instant) -> Vec<Way> {
        let down = |at: &Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < DOWN);
        let (last, first): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, at)| down(at));
        first.into_iter().chain(last).map(|(way, _)| way.clone()).collect()
    }

    /// One could not be reached.
    pub(super) fn note_down(&mut self, way: &Way, now: Instant) {
        if let Some((_, at)) = self.0.get_mut(way.place) {
            *at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_out_of_reach_is_tried_last_for_a_while() {
        let settings = OpenDentalApi {
            service_url: "http://server:30223/api/v1/".to_owned(),
            remote_url: "https://api.example.com/api/v1".to_owned(),
            ..Default::default()
        };
        let mut ways = Ways::new(&settings).unwrap();
        let now = Instant::now();
        let hosts = |ways: &Ways, at| ways.open(at).into_iter().map(|way| way.host).collect::<Vec<_>>();
        assert_eq!(hosts(&ways, now), ["server", "api.example.com"]);
        let first = ways.open(now).remove(0);
        assert_eq!((first.port, first.path.as_str(), first.throttled), (30_223, "/api/v1", false));
        ways.note_down(&first, now);
        assert_eq!(hosts(&ways, now), ["api.example.com", "server"]);
        assert_eq!(hosts(&ways, now + DOWN), ["server", "api.example.com"]);
        assert!(ways.encrypted() && ways.open(now)[0].throttled());
    }

    #[test]
    fn an_api_without_an_address_is_refused() {
        let of = |url: &str| Ways::new(&OpenDentalApi { service_url: url.to_owned(), ..Default::default() });
        for bad in ["", "ftp://server/api/v1", "server"] {
            assert!(of(bad).unwrap_err().field.unwrap().0.ends_with("service_url"), "{bad}");
        }
    }
}
