//! One request over a connection of its own, so that it is known whether it can have left: there are few, and a connection
//! that is used again may have been closed by the other side with the request on its way.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use mesh::{ErrorReason, Refusal};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use tonic::Code;

use super::ways::Way;

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The longest answer that is read.
const ANSWER_BYTES: usize = 4 << 20;

/// How a request went.
#[derive(Debug)]
pub(super) enum Exchange {
    /// There was no connection on which it could leave.
    NotSent,
    /// It may have left, and no whole answer came.
    Lost,
    /// It was answered.
    Answered {
        /// How.
        status: StatusCode,
        /// When to come again, where the answer says so.
        retry_after: Option<Duration>,
        /// With what.
        body: Bytes,
    },
}

/// Whom to trust with the keys.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// The system's authorities, or those of a file.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, Refusal> {
        let refuse = |message: &str| Refusal::new(Code::FailedPrecondition, ErrorReason::PmsApiMissing, message);
        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(file) => {
                let unreadable = || refuse("the connector's --api-ca-file cannot be read as certificates");
                for certificate in CertificateDer::pem_file_iter(file).map_err(|_| unreadable())? {
                    roots.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
                }
            }
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        if roots.is_empty() {
            return Err(refuse("the connector's system trusts no certificate authority; give one with --api-ca-file"));
        }
        // The provider is named because a process may hold two, and none of them is the default then.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| refuse("TLS cannot be set up"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

/// Sends a request and waits for its answer no longer than `limit`.
pub(super) async fn once(
    way: &Way,
    tls: Option<&Tls>,
    request: http::Result<Request<Full<Bytes>>>,
    limit: Duration,
) -> Exchange {
    let until = tokio::time::Instant::now() + limit;
    let Ok(request) = request else { return Exchange::NotSent };
    let connecting = TcpStream::connect((way.host.as_str(), way.port));
    let Ok(Ok(stream)) = tokio::time::timeout(CONNECT_LIMIT.min(limit), connecting).await else {
        return Exchange::NotSent;
    };
    if stream.set_nodelay(true).is_err() {
        return Exchange::NotSent;
    }
    let exchanged = match (way.encrypted, tls) {
        (false, _) => tokio::time::timeout_at(until, over(stream, request)).await,
        (true, Some(Tls(tls))) => {
            let Ok(name) = ServerName::try_from(way.host.clone()) else { return Exchange::NotSent };
            match tokio::time::timeout_at(until, tls.connect(name, stream)).await {
                Ok(Ok(stream)) => tokio::time::timeout_at(until, over(stream, request)).await,
                _ => return Exchange::NotSent,
            }
        }
        (true, None) => return Exchange::NotSent,
    };
    exchanged.unwrap_or(Exchange::Lost)
}

async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, request: Request<Full<Bytes>>) -> Exchange {
    let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await else {
        return Exchange::NotSent;
    };
    let answered = async move {
        let Ok(answer) = sender.send_request(request).await else { return Exchange::Lost };
        let status = answer.status();
        let wait = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = wait.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        match Limited::new(answer.into_body(), ANSWER_BYTES).collect().await {
            Ok(body) => Exchange::Answered { status, retry_after, body: body.to_bytes() },
            Err(_) => Exchange::Lost,
        }
    };
    let driving = async move {
        // How the connection ends is seen by whoever waits for the answer.
        drop(connection.await);
        std::future::pending::<Exchange>().await
    };
    tokio::select! {
        biased;
        exchanged = answered => exchanged,
        never = driving => never,
    }
}
