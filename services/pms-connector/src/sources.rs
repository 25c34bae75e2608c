//! From a practice's source to an open connector: kept while it is used, closed when it is not.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chairsync_proto::practice::{OpenDentalSource, PmsSource, pms_source::Kind};
use mesh::{ErrorReason, Refusal, secret::Secret};
use parking_lot::Mutex;
use prost::Message as _;
use tonic::Code;

use crate::{
    Config,
    connector::Connector,
    opendental::{OpenDental, Pace},
    sample::SamplePractices,
};

/// Open Dental databases held open at a time.
const OPEN_LIMIT: usize = 512;
/// An unused connection is closed after this.
const IDLE_LIMIT: Duration = Duration::from_secs(600);
/// The longest password file.
const PASSWORD_BYTES: usize = 1024;

/// Open connectors by practice and source.
#[derive(Clone)]
pub struct Sources(Arc<Inner>);

struct Inner {
    config: Config,
    samples: SamplePractices,
    open: Mutex<HashMap<Key, Kept>>,
}

/// The practice and its encoded source: an edited source is another.
type Key = (String, Vec<u8>);

/// The words that a source's credentials stand for.
#[derive(Clone, PartialEq, Eq)]
struct Secrets {
    password: Option<Secret>,
    keys: Option<Secret>,
}

struct Kept {
    used: Instant,
    secrets: Secrets,
    connector: Arc<OpenDental>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sources")
    }
}

impl Sources {
    /// None is open yet.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(Inner { config, samples: SamplePractices::default(), open: Mutex::default() }))
    }

    /// The connector of a practice's source. It connects when first used.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a malformed source, `CREDENTIAL_NOT_FOUND`, `OVERLOADED` when too many are in use.
    pub async fn open(&self, practice: &str, source: &PmsSource) -> Result<Arc<dyn Connector>, Refusal> {
        match &source.kind {
            None => Err(Refusal::invalid("source.kind", "must be open_dental or sample")),
            Some(Kind::Sample(sample)) => Ok(self.0.samples.open(sample).await?),
            Some(Kind::OpenDental(database)) => {
                let password = self.secret("source.open_dental.credential", &database.credential).await?;
                let keys = match &database.api {
                    Some(api) => self.keys(&api.credential).await,
                    None => None,
                };
                let key = (practice.to_owned(), source.encode_to_vec());
                Ok(self.open_dental(key, database, Secrets { password, keys })?)
            }
        }
    }

    fn open_dental(&self, key: Key, database: &OpenDentalSource, secrets: Secrets) -> Result<Arc<OpenDental>, Refusal> {
        let used = Instant::now();
        let mut open = self.0.open.lock();
        if let Some(kept) = open.get_mut(&key)
            && kept.secrets == secrets
        {
            kept.used = used;
            return Ok(Arc::clone(&kept.connector));
        }
        if open.len() >= OPEN_LIMIT {
            let unused = open.iter().filter(|(_, kept)| Arc::strong_count(&kept.connector) == 1);
            let oldest = unused.min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone()).ok_or_else(|| {
                let message = "this connector serves as many practices at once as it can; run another replica";
                Refusal::new(Code::ResourceExhausted, ErrorReason::Overloaded, message)
                    .retry_after(Duration::from_secs(10))
            })?;
            open.remove(&oldest);
        }
        let pace = Pace {
            poll: Duration::from_millis(self.0.config.poll_interval_ms),
            reconcile: Duration::from_millis(self.0.config.reconcile_interval_ms),
            chunk_rows: self.0.config.chunk_rows,
        };
        let connector = Arc::new(OpenDental::new(
            database,
            secrets.password.as_ref(),
            secrets.keys.as_ref(),
            pace,
            &self.0.config.manners(),
        )?);
        open.insert(key, Kept { used, secrets, connector: Arc::clone(&connector) });
        Ok(connector)
    }

    /// Forgets what nobody has used for a while; its connections close with it.
    pub fn close_idle(&self) {
        let keep = |kept: &Kept| Arc::strong_count(&kept.connector) > 1 || kept.used.elapsed() < IDLE_LIMIT;
        self.0.open.lock().retain(|_, kept| keep(kept));
    }

    /// The keys of the API. Without them the practice is read as before; a write says what is missing.
    async fn keys(&self, name: &str) -> Option<Secret> {
        self.secret("source.open_dental.api.credential", name).await.ok().flatten()
    }

    /// The word that a credential stands for; read anew at each call, so that a changed file takes effect.
    async fn secret(&self, field: &str, name: &str) -> Result<Option<Secret>, Refusal> {
        if name.is_empty() {
            return Ok(None);
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.len() > 63 || !name.bytes().all(plain) {
            let fault = "must be the name of a credential: 1 to 63 of a-z, 0-9 and hyphen";
            return Err(Refusal::invalid(field, fault));
        }
        if let Some(secret) = self.0.config.credentials.get(name) {
            return Ok(Some(secret.clone()));
        }
        let missing = |message: &str| {
            Refusal::new(Code::FailedPrecondition, ErrorReason::CredentialNotFound, message).on_field(field)
        };
        let Some(folder) = &self.0.config.credentials_dir else {
            return Err(missing("the connector has no credentials; start it with --credentials-dir"));
        };
        let text = tokio::fs::read_to_string(folder.join(name)).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                missing("no such credential; put the password into a file of that name in --credentials-dir")
            }
            _ => missing("the credential's file cannot be read; make it readable text for the connector's user"),
        })?;
        let word = text.trim_end_matches(['\r', '\n']);
        if word.is_empty() || word.len() > PASSWORD_BYTES {
            return Err(missing("the credential's file must hold one password of at most 1,024 bytes"));
        }
        Ok(Some(Secret::new(word)))
    }
}
