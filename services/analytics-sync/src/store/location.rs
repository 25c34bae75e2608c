//! Where the tables are, as it is configured: a folder, or the URL of an object store.
//!
//! Credentials are not part of it: they come from the environment under the names that each store's own tools know
//! (`AWS_…`, `GOOGLE_…`, `AZURE_…`), or from the machine's or pod's identity.

use std::{path::PathBuf, sync::Arc, time::Duration};

use mesh::Refusal;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, path::Path as Key,
};
use url::Url;

use super::folder::{Folder, Objects};

/// A request is sent at most once more than this often, and none later than twice the time of one.
const RETRIES: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Where S3 is when nothing says it; what else speaks S3 does not care.
const REGION: &str = "us-east-1";

/// How an object store is reached.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ObjectStoreSettings {
    /// The object store's own address, where it is not the vendor's: https://host:port. For what speaks S3, and for emulators.
    #[arg(id = "store_endpoint", long = "store-endpoint", env = "CHAIRSYNC_STORE_ENDPOINT")]
    pub endpoint: Option<String>,
    /// The region of an S3 bucket; default: AWS_REGION, else us-east-1.
    #[arg(id = "store_region", long = "store-region", env = "CHAIRSYNC_STORE_REGION")]
    pub region: Option<String>,
    /// Whether S3 buckets are named in the path and not in the host; default: where an endpoint is given.
    #[arg(id = "store_path_style", long = "store-path-style", env = "CHAIRSYNC_STORE_PATH_STYLE")]
    pub path_style: Option<bool>,
    /// Reach the object store without TLS: patients' data travels in the clear.
    #[arg(id = "store_allow_http", long = "store-allow-http", env = "CHAIRSYNC_STORE_ALLOW_HTTP")]
    pub allow_http: bool,
    /// How many seconds a request to an object store may take, 1 to 300; what fails is tried again within twice that.
    #[arg(
        id = "store_timeout_seconds",
        long = "store-timeout-seconds",
        env = "CHAIRSYNC_STORE_TIMEOUT_SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=300)
    )]
    pub timeout_seconds: u64,
}

impl Default for ObjectStoreSettings {
    fn default() -> Self {
        Self { endpoint: None, region: None, path_style: None, allow_http: false, timeout_seconds: 30 }
    }
}

/// Reads a location. Nobody is asked yet.
///
/// # Errors
/// `INVALID_FIELD` on `store` for a location that is none, or on `store_endpoint`.
pub fn parse(location: &str, settings: &ObjectStoreSettings) -> Result<Folder, Refusal> {
    const KINDS: &str = "a folder, or a URL: file:///, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or \
                         abfss://container@account.dfs.core.windows.net/prefix";
    let refuse = |fault: String| Err(Refusal::invalid("store", fault));
    if location.is_empty() {
        return refuse(format!("must be {KINDS}"));
    }
    if !location.contains("://") {
        return Ok(Folder::Local(PathBuf::from(location)));
    }
    let Ok(url) = Url::parse(location) else { return refuse(format!("not a URL; must be {KINDS}")) };
    if url.query().is_some() || url.fragment().is_some() || url.password().is_some() {
        return refuse("a URL without query, fragment and password; credentials come from the environment".to_owned());
    }
    let store: Arc<dyn ObjectStore> = match url.scheme() {
        "file" => {
            return match url.to_file_path() {
                Ok(root) => Ok(Folder::Local(root)),
                Err(()) => refuse(
                    "a file URL must have no host and an absolute path, e.g. file:///var/lib/chairsync".to_owned(),
                ),
            };
        }
        "s3" => Arc::new(s3(&url, settings)?),
        "gs" => Arc::new(gcs(&url, settings)?),
        "az" | "abfs" | "abfss" => Arc::new(azure(&url, settings)?),
        other => return refuse(format!("{other}:// is not known; must be {KINDS}")),
    };
    let Ok(prefix) = Key::from_url_path(url.path()) else {
        return refuse("a prefix without empty parts, '.' and '..'".to_owned());
    };
    Ok(Folder::Objects(Objects { store, root: root(&url), prefix, read: Arc::default() }))
}

/// The URL of the bucket.
fn root(url: &Url) -> Url {
    let mut root = url.clone();
    root.set_path("/");
    root
}

fn s3(url: &Url, settings: &ObjectStoreSettings) -> Result<impl ObjectStore + use<>, Refusal> {
    let bucket = bucket(url)?;
    let endpoint = endpoint(settings)?;
    let path_style = settings.path_style.unwrap_or(endpoint.is_some());
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&bucket)
        .with_virtual_hosted_style_request(!path_style)
        .with_client_options(client(settings))
        .with_retry(retry(settings));
    let region = settings.region.clone();
    let region =
        region.or_else(|| ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok()));
    builder = builder.with_region(region.unwrap_or_else(|| REGION.to_owned()));
    if let Some(mut endpoint) = endpoint {
        if !path_style {
            let host = format!("{bucket}.{}", endpoint.host_str().unwrap_or_default());
            let named = endpoint.set_host(Some(&host));
            named.map_err(|_| {
                Refusal::invalid("store_endpoint", "must have a host name where buckets are in the host")
            })?;
        }
        builder = builder.with_endpoint(address(&endpoint));
    }
    builder.build().map_err(unusable)
}

fn gcs(url: &Url, settings: &ObjectStoreSettings) -> Result<impl ObjectStore + use<>, Refusal> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket(url)?)
        .with_client_options(client(settings))
        .with_retry(retry(settings));
    if let Some(endpoint) = endpoint(settings)? {
        builder = builder.with_base_url(&address(&endpoint));
    }
    builder.build().map_err(unusable)
}

fn azure(url: &Url, settings: &ObjectStoreSettings) -> Result<impl ObjectStore + use<>, Refusal> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_url(root(url).as_str())
        .with_client_options(client(settings))
        .with_retry(retry(settings));
    if let Some(endpoint) = endpoint(settings)? {
        builder = builder.with_endpoint(address(&endpoint));
    }
    builder.build().map_err(unusable)
}

fn bucket(url: &Url) -> Result<String, Refusal> {
    match url.host_str().filter(|host| !host.is_empty() && url.username().is_empty() && url.port().is_none()) {
        Some(bucket) => Ok(bucket.to_owned()),
        None => Err(Refusal::invalid("store", format!("must name a bucket: {}://bucket/prefix", url.scheme()))),
    }
}

/// The address that is given for the store, checked.
fn endpoint(settings: &ObjectStoreSettings) -> Result<Option<Url>, Refusal> {
    let refuse = |fault: &str| Err(Refusal::invalid("store_endpoint", fault));
    let Some(text) = &settings.endpoint else { return Ok(None) };
    let Ok(url) = Url::parse(text) else { return refuse("must be a URL: https://host:port") };
    match url.scheme() {
        "https" => {}
        "http" if settings.allow_http => {}
        "http" => return refuse("is http://, without TLS; --store-allow-http allows it"),
        _ => return refuse("must be a URL: https://host:port"),
    }
    match url.host_str().is_some() && url.query().is_none() && url.username().is_empty() {
        true => Ok(Some(url)),
        false => refuse("must be a URL without a user and a query: https://host:port"),
    }
}

fn address(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn client(settings: &ObjectStoreSettings) -> ClientOptions {
    let timeout = Duration::from_secs(settings.timeout_seconds.max(1));
    ClientOptions::new()
        .with_allow_http(settings.allow_http)
        .with_timeout(timeout)
        .with_connect_timeout(timeout.min(CONNECT_TIMEOUT))
}

fn retry(settings: &ObjectStoreSettings) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: Duration::from_secs(settings.timeout_seconds.max(1)) * 2,
    }
}

/// A store whose settings do not suffice. What it says of them names settings, and no value of a secret one.
fn unusable(error: object_store::Error) -> Refusal {
    tracing::debug!(kind = ?std::mem::discriminant(&error), "the object store cannot be set up");
    let fault =
        "the object store cannot be set up: look at its credentials in the environment (AWS_…, GOOGLE_…, AZURE_…)";
    Refusal::invalid("store", fault)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(endpoint: &str, allow_http: bool) -> ObjectStoreSettings {
        let endpoint = (!endpoint.is_empty()).then(|| endpoint.to_owned());
        ObjectStoreSettings { endpoint, allow_http, ..Default::default() }
    }

    fn objects(location: &str, settings: &ObjectStoreSettings) -> Objects {
        match parse(location, settings).unwrap() {
            Folder::Objects(objects) => objects,
            Folder::Local(_) => panic!("{location} is no folder"),
        }
    }

    #[test]
    fn folders_and_urls_are_read() {
        let plain = ObjectStoreSettings::default();
        for (location, path) in [("data/x", "data/x"), ("file:///srv/x", "/srv/x")] {
            assert_eq!(parse(location, &plain).unwrap().local().unwrap(), PathBuf::from(path));
        }
        let s3 = objects("s3://bucket/some/prefix/", &plain);
        assert_eq!((s3.root.as_str(), s3.prefix.as_ref()), ("s3://bucket/", "some/prefix"));
        assert_eq!(s3.key("north/patient").as_ref(), "some/prefix/north/patient");
        let gs = objects("gs://bucket", &plain);
        assert_eq!((gs.root.as_str(), gs.key("north").as_ref()), ("gs://bucket/", "north"));
        let azure = objects("abfss://tables@account.dfs.core.windows.net/a", &plain);
        assert_eq!((azure.store.to_string().contains("account"), azure.key("north").as_ref()), (true, "a/north"));
    }

    #[test]
    fn what_is_no_place_is_refused_with_the_field() {
        let plain = ObjectStoreSettings::default();
        for bad in [
            "",
            "file://host/x",
            "memory://x",
            "http://host/x",
            "s3:///x",
            "s3://user@bucket/x",
            "s3://bucket/x?a=b",
            "gs:///x",
            "s3://bucket//x",
            "az:///x",
        ] {
            assert_eq!(parse(bad, &plain).unwrap_err().field.unwrap().0, "store", "{bad}");
        }
        for bad in ["nowhere", "ftp://host", "http://127.0.0.1:1", "https://user@host", "https://host/?a=b"] {
            let refusal = parse("s3://bucket/x", &settings(bad, false)).unwrap_err();
            assert_eq!(refusal.field.unwrap().0, "store_endpoint", "{bad}");
        }
        assert!(parse("s3://bucket/x", &settings("http://127.0.0.1:1", true)).is_ok());
    }

    #[test]
    fn buckets_are_in_the_path_where_an_endpoint_is_given_and_in_the_host_where_it_is_asked_for() {
        let mut given = settings("https://objects.example:9000", false);
        assert!(objects("s3://bucket/x", &given).store.to_string().contains("bucket"));
        given.path_style = Some(false);
        assert!(parse("s3://bucket/x", &given).is_ok());
        given.endpoint = Some("https://127.0.0.1:9000".to_owned());
        assert!(parse("s3://bucket/x", &given).is_err(), "an address is no host name");
    }
}
