//! Redis: reachable, durable, never forgetting by itself.

use std::collections::HashMap;

use jiff::Timestamp;
use mesh::secret::Secret;
use redis::{RedisResult, aio::MultiplexedConnection};
use tokio::time::timeout;

use super::{Finding, LIMIT, clock};

const PART: &str = "redis";

/// Connects and looks at what chairsync depends on.
pub async fn check(url: &Secret) -> Vec<Finding> {
    let Ok(client) = redis::Client::open(url.expose()) else {
        return vec![Finding::fail(PART, "the URL must be redis://[user:password@]host:port")];
    };
    match timeout(LIMIT, look(client)).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) if error.kind() == redis::ErrorKind::AuthenticationFailed => {
            vec![Finding::fail(PART, "it refused the user or the password")]
        }
        _ => vec![Finding::fail(PART, "it does not answer; check host and port, that it runs, and user and password")],
    }
}

async fn look(client: redis::Client) -> RedisResult<Vec<Finding>> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").query_async(&mut connection).await?;
    let facts = facts(&info);
    let mut findings = judge(&facts);
    let (seconds, _): (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await?;
    findings.extend(Timestamp::from_second(seconds).ok().map(|theirs| clock(PART, theirs)));
    findings.push(fsync(&mut connection).await);
    Ok(findings)
}

fn facts(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

fn judge(facts: &HashMap<&str, &str>) -> Vec<Finding> {
    let fact = |name: &str| facts.get(name).copied().unwrap_or("unknown");
    let version = fact("redis_version");
    let part = |n: usize| version.split('.').nth(n).and_then(|p| p.parse::<u32>().ok()).unwrap_or(0);
    vec![
        match (part(0), part(1)) {
            (7, 2..) | (8.., _) => Finding::ok(PART, format!("version {version}")),
            _ => Finding::warn(
                PART,
                format!("version {version}; 7.2 or later can confirm that a write is on disk (WAITAOF)"),
            ),
        },
        match fact("aof_enabled") {
            "1" => Finding::ok(PART, "append-only file is on"),
            _ => Finding::fail(PART, "append-only file is off: a crash loses practices; set `appendonly yes`"),
        },
        match fact("maxmemory_policy") {
            "noeviction" => Finding::ok(PART, "maxmemory-policy is noeviction"),
            policy => Finding::fail(
                PART,
                format!("maxmemory-policy is {policy}: it may drop state; set `maxmemory-policy noeviction`"),
            ),
        },
    ]
}

async fn fsync(connection: &mut MultiplexedConnection) -> Finding {
    let asked = redis::cmd("CONFIG").arg("GET").arg("appendfsync").query_async(connection).await;
    let found: RedisResult<HashMap<String, String>> = asked;
    match found.ok().and_then(|mut map| map.remove("appendfsync")).as_deref() {
        Some("no") => {
            Finding::warn(PART, "appendfsync is no: a power cut loses up to half a minute; set everysec or always")
        }
        Some(policy) => Finding::ok(PART, format!("appendfsync is {policy}")),
        None => {
            Finding::warn(PART, "appendfsync cannot be read (CONFIG is not allowed); it should be everysec or always")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn what_would_lose_state_fails() {
        let levels = |info: &str| judge(&facts(info)).iter().map(|f| f.level).collect::<Vec<_>>();
        let good = "# Server\r\nredis_version:7.2.4\r\naof_enabled:1\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(levels(good), [Level::Ok; 3]);
        let bad = "redis_version:6.0.16\r\naof_enabled:0\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(levels(bad), [Level::Warn, Level::Fail, Level::Fail]);
    }
}
