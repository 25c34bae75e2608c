//! What goes wrong between this process and a Redis, and what follows from it.

use redis::{ErrorKind, RedisError, ServerError};

use super::{super::StoreError, address::Node};

/// Why a server did not do as told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection, or no answer in time: what was asked may have been done.
    Lost(String),
    /// A server answered that it cannot just now: it loads its file, is a replica, has no quorum, moves a slot.
    Later(String),
    /// The slot is with this node for good.
    Moved(Node),
    /// The slot is on its way to this node, which has what the caller asked for.
    Ask(Node),
    /// The server has forgotten the script.
    NoScript,
    /// The server refuses until an operator does something, which the words say.
    Refused(String),
}

impl Failure {
    /// Whether the connection is of no more use.
    pub fn breaks_connection(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Later(_) | Self::Moved(_))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(words) | Self::Later(words) | Self::Refused(words) => f.write_str(words),
            Self::Moved(_) | Self::Ask(_) => f.write_str("the cluster moves a slot and has not finished in time"),
            Self::NoScript => f.write_str("Redis forgets its scripts again and again"),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.to_string())
    }
}

impl From<RedisError> for Failure {
    /// Says what failed without the server's own text, which may name keys, users or addresses.
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => {
                answered(error.code().unwrap_or_default(), error.detail().unwrap_or_default())
            }
            ErrorKind::AuthenticationFailed => answered("WRONGPASS", ""),
            ErrorKind::InvalidClientConfig => Self::Refused("the settings for Redis are wrong".to_owned()),
            kind => {
                Self::Lost(format!("the connection to Redis failed ({kind:?}); is it running at the given address?"))
            }
        }
    }
}

impl From<&ServerError> for Failure {
    fn from(error: &ServerError) -> Self {
        answered(error.code(), error.details().unwrap_or_default())
    }
}

/// What an error reply means.
fn answered(code: &str, detail: &str) -> Failure {
    // Before Redis 7 a script's error is `ERR Error running script …: <the error itself>`.
    let code = match code {
        "ERR" => WRAPPED.iter().find(|inner| detail.contains(&format!(" {inner} "))).copied().unwrap_or(code),
        code => code,
    };
    let node = || -> Option<Node> {
        let (_, place) = detail.split_once(' ')?;
        let (host, port) = place.split_whitespace().next()?.rsplit_once(':')?;
        Some(Node { host: host.to_owned(), port: port.parse().ok()? })
    };
    let later = |words: &str| Failure::Later(format!("{words} ({code})"));
    let refused = |words: &str| Failure::Refused(format!("{words} ({code})"));
    match code {
        "MOVED" => node().map_or_else(|| later("the cluster moved a slot"), Failure::Moved),
        "ASK" => node().map_or_else(|| later("the cluster moves a slot"), Failure::Ask),
        "NOSCRIPT" => Failure::NoScript,
        "LOADING" => later("Redis is still loading its file; wait, or raise the time-out"),
        "READONLY" => later("this Redis is a replica; give the primary's address, or that of its Sentinels"),
        "CLUSTERDOWN" => later("the cluster is down; bring its missing primaries back"),
        "MASTERDOWN" => later("the replica has lost its primary"),
        "TRYAGAIN" => later("the cluster moves a slot"),
        "BUSY" => later("a script keeps Redis busy; SCRIPT KILL ends it"),
        "NOREPLICAS" => later("too few replicas follow the primary for its min-replicas-to-write"),
        "UNKILLABLE" => later("a script keeps Redis busy"),
        "OOM" => refused("Redis's memory is full; raise maxmemory, or remove practices"),
        "MISCONF" => refused("Redis cannot write to its disk; make room there"),
        "NOAUTH" => refused("Redis wants a password; give --redis-password-file"),
        "WRONGPASS" => refused("Redis refuses the user or the password; look at --redis-password-file"),
        "NOPERM" => refused("Redis's ACL does not let this user do it; docs/sync-state.md lists what it needs"),
        "CROSSSLOT" => refused("this Redis is a cluster; write its address as redis+cluster://"),
        "WRONGTYPE" => refused("a key of chairsync holds something else; nothing but chairsync may write cs:*"),
        "ERR" if detail.contains("unknown command") => {
            refused("this Redis lacks a command that chairsync needs; it must be 6.0 or later")
        }
        // How Redis 7.0 says NOPERM of a command within a script.
        "ERR" if detail.contains("user executing the script") => {
            refused("Redis's ACL does not let this user do it; docs/sync-state.md lists what it needs")
        }
        // Only a server that runs as Sentinel, or one that has no cluster, answers so.
        "ERR" if detail.contains("cluster support disabled") => {
            refused("this Redis is no cluster; write its address as redis://")
        }
        // A password for a user that has none set, from before ACLs.
        "ERR" if detail.contains("AUTH") => refused("Redis refuses the password; look at --redis-password-file"),
        _ => refused("Redis refused a command"),
    }
}

/// Codes that an older server wraps in a script's error.
const WRAPPED: [&str; 8] =
    ["READONLY", "OOM", "MISCONF", "NOREPLICAS", "NOPERM", "WRONGTYPE", "CLUSTERDOWN", "CROSSSLOT"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_to_wait_and_where_to_go() {
        let node = |port| Node { host: "10.0.0.7".to_owned(), port };
        assert_eq!(answered("MOVED", "866 10.0.0.7:7001"), Failure::Moved(node(7001)));
        assert_eq!(answered("ASK", "866 10.0.0.7:7002"), Failure::Ask(node(7002)));
        assert_eq!(answered("NOSCRIPT", ""), Failure::NoScript);
        for code in ["LOADING", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "BUSY", "NOREPLICAS", "MOVED"] {
            assert!(matches!(answered(code, ""), Failure::Later(_)), "{code}");
        }
        for code in ["OOM", "MISCONF", "NOAUTH", "WRONGPASS", "NOPERM", "CROSSSLOT", "WRONGTYPE", "ERR", "NEW"] {
            assert!(matches!(answered(code, ""), Failure::Refused(_)), "{code}");
        }
        let old = "Error running script (call to f_1): @user_script:7: READONLY You can't write against a replica.";
        assert!(matches!(answered("ERR", old), Failure::Later(_)));
    }

    #[test]
    fn a_server_s_own_words_are_not_repeated() {
        let secret = answered("NOPERM", "User hidden has no permissions to access a key hidden");
        assert!(!secret.to_string().contains("hidden"), "{secret}");
    }
}
