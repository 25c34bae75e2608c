//! How the address of a Redis is written.
//!
//! | Form | What it is |
//! | --- | --- |
//! | `redis://[user[:password]@]host[:6379][/database]` | one server |
//! | `redis+sentinel://[user[:password]@]host[:26379],…/service[/database]` | the primary that Sentinels name |
//! | `redis+cluster://[user[:password]@]host[:6379],…` | a cluster, found through any of its nodes |
//!
//! With `rediss` instead of `redis` every connection is TLS. `valkey` and `valkeys` say the same.

use std::fmt;

use mesh::secret::Secret;
use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// A server's place in the network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// A host name or an IP address.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Which servers there are and who of them is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Standalone(Node),
    /// The primary of this service, which any of the Sentinels knows.
    Sentinel {
        /// Where Sentinels are.
        sentinels: Vec<Node>,
        /// The name under which they watch the primary.
        service: String,
    },
    /// A cluster; these nodes tell of the others.
    Cluster(Vec<Node>),
}

/// A parsed address, with who to log in as.
#[derive(Clone)]
pub struct Address {
    /// Which servers.
    pub topology: Topology,
    /// Whether connections are TLS.
    pub tls: bool,
    /// User, password, database.
    pub login: RedisConnectionInfo,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("topology", &self.topology).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// What is wrong with an address. It shows nothing of the address itself, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The scheme.
    #[error(
        "the address must begin with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or \
         rediss+cluster://"
    )]
    Scheme,
    /// A host, port, user or database.
    #[error("the address must look like {0}")]
    Form(&'static str),
}

const ONE: &str = "redis://[user[:password]@]host[:port][/database]";
const SENTINELS: &str = "redis+sentinel://[user[:password]@]host[:port],host[:port]/service[/database]";
const CLUSTER: &str = "redis+cluster://[user[:password]@]host[:port],host[:port], without a database";

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is none of the forms.
    pub fn parse(url: &Secret) -> Result<Self, AddressError> {
        let (scheme, rest) = url.expose().split_once("://").ok_or(AddressError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let (family, kind) = scheme.split_once('+').map_or((scheme.as_str(), ""), |(family, kind)| (family, kind));
        let tls = match family {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(AddressError::Scheme),
        };
        // A password may hold a slash only percent-encoded, so the first one ends the hosts.
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = place.rsplit_once('@').map_or(("", place), |(user, hosts)| (user, hosts));
        let parse = |default_port, database: &str, form| -> Result<(Vec<Node>, RedisConnectionInfo), AddressError> {
            let mut nodes = Vec::new();
            let mut login = RedisConnectionInfo::default();
            for host in hosts.split(',') {
                let (node, found) = one(user, host.trim(), default_port, database).ok_or(AddressError::Form(form))?;
                nodes.push(node);
                login = found;
            }
            Ok((nodes, login))
        };
        let (topology, login) = match kind {
            "" => {
                let (mut nodes, login) = parse(REDIS_PORT, path, ONE)?;
                match (nodes.pop(), nodes.is_empty()) {
                    (Some(node), true) => (Topology::Standalone(node), login),
                    _ => return Err(AddressError::Form(ONE)),
                }
            }
            "sentinel" => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err(AddressError::Form(SENTINELS));
                }
                let (sentinels, login) = parse(SENTINEL_PORT, database, SENTINELS)?;
                (Topology::Sentinel { sentinels, service: service.to_owned() }, login)
            }
            "cluster" if path.is_empty() => {
                let (nodes, login) = parse(REDIS_PORT, "", CLUSTER)?;
                (Topology::Cluster(nodes), login)
            }
            "cluster" => return Err(AddressError::Form(CLUSTER)),
            _ => return Err(AddressError::Scheme),
        };
        Ok(Self { topology, tls, login })
    }

    /// The same with a password from elsewhere.
    #[must_use]
    pub fn with_password(mut self, password: &Secret) -> Self {
        self.login = self.login.set_password(password.expose());
        self
    }
}

/// One host with its login, read by the client library's own rules.
fn one(user: &str, host: &str, default_port: u16, database: &str) -> Option<(Node, RedisConnectionInfo)> {
    // A port may follow the last colon outside of an IPv6 address's brackets.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = if has_port { String::new() } else { format!(":{default_port}") };
    let at = if user.is_empty() { "" } else { "@" };
    let info = format!("redis://{user}{at}{host}{port}/{database}").into_connection_info().ok()?;
    match info.addr() {
        ConnectionAddr::Tcp(host, port) if !host.is_empty() => {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Some((Node { host, port: *port }, info.redis_settings().clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, AddressError> {
        Address::parse(&Secret::new(text))
    }

    fn node(host: &str, port: u16) -> Node {
        Node { host: host.to_owned(), port }
    }

    #[test]
    fn one_server() {
        let address = parse("redis://127.0.0.1").unwrap();
        assert_eq!(address.topology, Topology::Standalone(node("127.0.0.1", 6379)));
        assert!(!address.tls && address.login.username().is_none() && address.login.password().is_none());
        let address = parse("rediss://dental:p%40ss%2Fword@redis.data:7000/3").unwrap();
        assert_eq!(address.topology, Topology::Standalone(node("redis.data", 7000)));
        assert_eq!(
            (address.tls, address.login.username(), address.login.password(), address.login.db()),
            (true, Some("dental"), Some("p@ss/word"), 3)
        );
        assert_eq!(parse("valkey://[::1]:7001").unwrap().topology, Topology::Standalone(node("::1", 7001)));
        assert_eq!(node("::1", 7001).to_string(), "[::1]:7001");
    }

    #[test]
    fn sentinels_and_clusters() {
        let address = parse("redis+sentinel://:word@a,b:26380/primary/2").unwrap();
        let sentinels = vec![node("a", 26379), node("b", 26380)];
        assert_eq!(address.topology, Topology::Sentinel { sentinels, service: "primary".to_owned() });
        assert_eq!((address.login.password(), address.login.db()), (Some("word"), 2));
        let address = parse("rediss+cluster://a:7000,b").unwrap();
        assert_eq!(address.topology, Topology::Cluster(vec![node("a", 7000), node("b", 6379)]));
        assert!(address.tls);
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_shown() {
        for wrong in [
            "",
            "127.0.0.1:6379",
            "http://a",
            "redis+ring://a",
            "redis://",
            "redis://a,b",
            "redis://hidden@a:port",
            "redis://a/database",
            "redis+sentinel://a",
            "redis+sentinel://a,/primary",
            "redis+cluster://a/1",
        ] {
            let error = parse(wrong).expect_err(wrong).to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
        let address = parse("redis://user:hidden@a").unwrap();
        assert!(!format!("{address:?}").contains("hidden"), "{address:?}");
    }
}
