//! Whom to trust when the connection to Redis is TLS.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// Files in PEM form.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Files<'a> {
    /// Authorities to trust instead of the system's.
    pub ca: Option<&'a Path>,
    /// This client's own certificate chain, for a Redis that wants one.
    pub certificate: Option<&'a Path>,
    /// Its key.
    pub key: Option<&'a Path>,
}

/// Reads the files.
///
/// # Errors
/// When one cannot be read or holds something else, or a certificate comes without its key.
pub(super) fn connector(files: Files<'_>) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    match files.ca {
        Some(file) => {
            for certificate in certificates(file, "--redis-ca-file")? {
                roots
                    .add(certificate)
                    .with_context(|| format!("--redis-ca-file {} holds no authority's certificate", file.display()))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() {
        bail!("the system trusts no certificate authority; give one with --redis-ca-file");
    }
    // The provider is named because a process may hold two, and none of them is the default then.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?
        .with_root_certificates(roots);
    let config = match (files.certificate, files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(chain), Some(key)) => {
            let chain = certificates(chain, "--redis-cert-file")?;
            let key = PrivateKeyDer::from_pem_file(key)
                .with_context(|| format!("--redis-key-file {} cannot be read as a PEM key", key.display()))?;
            builder.with_client_auth_cert(chain, key).context("--redis-cert-file and --redis-key-file do not match")?
        }
        _ => bail!("--redis-cert-file and --redis-key-file go together"),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(file: &Path, flag: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let wrong = || format!("{flag} {} cannot be read as PEM certificates", file.display());
    let found: Vec<_> =
        CertificateDer::pem_file_iter(file).with_context(wrong)?.collect::<Result<_, _>>().with_context(wrong)?;
    if found.is_empty() {
        bail!("{}: it holds none", wrong());
    }
    Ok(found)
}
