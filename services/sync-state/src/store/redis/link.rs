//! One connection to one server. Its server never changes, so a save and the wait for its durability that travel on it
//! are answered by the same one.

use std::{sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Cmd, RedisConnectionInfo, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
};
use tokio::{
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{address::Node, failure::Failure};

/// A connection that is not there by then will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How to enter a server.
#[derive(Clone)]
pub(super) struct Login {
    /// User, password, database.
    pub settings: RedisConnectionInfo,
    /// TLS, with whom to trust; none: plain TCP.
    pub tls: Option<TlsConnector>,
}

/// A connection. Many may ask at the same time.
pub(super) struct Link {
    /// Where it leads.
    pub node: Node,
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// Connects and logs in.
    pub async fn open(node: &Node, login: &Login, until: Instant) -> Result<Arc<Self>, Failure> {
        let deadline = until.min(Instant::now() + CONNECT_TIMEOUT);
        let opened = timeout_at(deadline, Self::connect(node, login)).await;
        opened.map_err(|_| {
            Failure::Lost("Redis does not answer in time; is it running at the given address?".to_owned())
        })?
    }

    async fn connect(node: &Node, login: &Login) -> Result<Arc<Self>, Failure> {
        let unreachable = |error: std::io::Error| {
            Failure::Lost(format!("Redis cannot be reached ({}); is it running at the given address?", error.kind()))
        };
        let stream = TcpStream::connect((node.host.as_str(), node.port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        // Every call has a time-out of its own, for the blocking ones differ.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) = match &login.tls {
            None => {
                let (connection, driver) =
                    MultiplexedConnection::new_with_config(&login.settings, stream, config).await?;
                (connection, tokio::spawn(driver))
            }
            Some(tls) => {
                let name = ServerName::try_from(node.host.clone()).map_err(|_| {
                    Failure::Refused("the host of Redis is no name that a certificate could have".into())
                })?;
                let stream = tls.connect(name, stream).await.map_err(tls_failure)?;
                let (connection, driver) =
                    MultiplexedConnection::new_with_config(&login.settings, stream, config).await?;
                (connection, tokio::spawn(driver))
            }
        };
        Ok(Arc::new(Self { node: node.clone(), connection, driver }))
    }

    /// Sends commands as one piece and waits at most `wait` for all replies. The first error reply is the outcome of all.
    pub async fn ask(&self, commands: &[Cmd], wait: Duration) -> Result<Vec<Value>, Failure> {
        let mut pipeline = redis::Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        let mut connection = self.connection.clone();
        let asked = connection.req_packed_commands(&pipeline, 0, commands.len());
        let replies = match timeout(wait, asked).await {
            Ok(replies) => replies?,
            Err(_) => {
                let words = "Redis does not answer in time; is it overloaded, or its disk slow?";
                return Err(Failure::Lost(words.to_owned()));
            }
        };
        if replies.len() != commands.len() {
            return Err(Failure::Lost("Redis answered something else than was asked".to_owned()));
        }
        match replies.iter().find_map(|reply| if let Value::ServerError(error) = reply { Some(error) } else { None }) {
            Some(error) => Err(Failure::from(error)),
            None => Ok(replies),
        }
    }
}

/// A wrong certificate stays wrong; a connection that broke may come back.
fn tls_failure(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::InvalidData {
        let words = "Redis's certificate is not accepted; give the authority that signed it with --redis-ca-file, and a \
                     host name that it is for";
        return Failure::Refused(words.to_owned());
    }
    Failure::Lost(format!("the TLS connection to Redis failed ({})", error.kind()))
}
