//! How commands reach a gateway.

use std::{future::Future, time::Duration};

use anyhow::anyhow;
use mesh::transport::{self, Channel, Endpoint};
use tonic::{Code, Response, Status};

use crate::failure::Failure;

/// How long one answer may take.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// Which gateway a command talks to.
#[derive(Debug, Clone, clap::Args)]
pub struct GatewayArgs {
    /// The gateway to talk to
    #[arg(long, env = "CHAIRSYNC_GATEWAY", default_value = "http://127.0.0.1:50050", global = true)]
    pub gateway: Endpoint,
}

impl GatewayArgs {
    /// A connection, made when first used.
    pub fn channel(&self) -> Channel {
        transport::connect(&self.gateway)
    }

    /// Waits for an answer, for half a minute at most, and turns a refusal into its sentence.
    ///
    /// # Errors
    /// The refusal, or that nothing answers.
    pub async fn ask<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> anyhow::Result<T> {
        match tokio::time::timeout(CALL_LIMIT, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.refused(&status)),
            Err(_) => Err(anyhow!("no answer from {} within {} s", self.gateway, CALL_LIMIT.as_secs())),
        }
    }

    /// A refusal as an error of this command.
    pub fn refused(&self, status: &Status) -> anyhow::Error {
        let failure = Failure::of(status);
        if status.code() == Code::Unavailable && failure.reason.as_deref().is_none_or(|r| r == "UPSTREAM_UNAVAILABLE") {
            return anyhow!(
                "{failure}. Is a gateway running at {}? Start one with `chairsync`, or name another by --gateway",
                self.gateway
            );
        }
        anyhow!("{failure}")
    }
}

/// The full name of a practice that was given as an id or a name.
pub fn practice_name(word: &str) -> String {
    if word.starts_with("practices/") { word.to_owned() } else { format!("practices/{word}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_practice_may_be_named_shortly() {
        assert_eq!(practice_name("north"), "practices/north");
        assert_eq!(practice_name("practices/north"), "practices/north");
    }
}
