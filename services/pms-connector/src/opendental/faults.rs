//! What can go wrong with a PMS's server, as refusals that say the way out. The server's own words are never passed on:
//! they may quote values.

use std::{future::Future, time::Duration};

use mesh::{ErrorReason, Refusal};
use mysql_async::Error;
use tonic::Code;

/// When to try again after the server did not answer.
const RETRY: Duration = Duration::from_secs(5);

/// The refusal of an error of the database client.
pub(super) fn refusal(error: Error) -> Refusal {
    match error {
        Error::Server(server) => of_code(server.code),
        Error::Io(_) | Error::Driver(_) => {
            unreachable("the PMS's server does not answer; check the address, the network and that the server runs")
        }
        Error::Url(_) => Refusal::invalid("source.open_dental.uri", "must be mysql://user@host:port/database"),
        Error::Other(_) => Refusal::internal("the database client failed"),
    }
}

fn of_code(code: u16) -> Refusal {
    let precondition = |reason, message: &str| Refusal::new(Code::FailedPrecondition, reason, message);
    match code {
        1045 | 1698 | 1862 | 1820 => precondition(
            ErrorReason::PmsAccessDenied,
            "the PMS's server refused the user or the password; check the user in `uri` and the credential's file",
        ),
        1044 | 1142 | 1143 => precondition(
            ErrorReason::PmsAccessDenied,
            "the user may not read the database; grant it SELECT on the whole database",
        ),
        1129 | 1130 => precondition(
            ErrorReason::PmsAccessDenied,
            "the PMS's server does not accept this host; create the user for the connector's address",
        ),
        1049 | 1046 => {
            precondition(ErrorReason::PmsNotRecognized, "the server has no such database; check the name in `uri`")
        }
        1146 => precondition(
            ErrorReason::PmsTableMissing,
            "a table vanished from the PMS since it was described; run `Describe` to see what is missing",
        ),
        1054 => precondition(
            ErrorReason::PmsColumnMissing,
            "a column vanished from the PMS since it was described; run `Describe` to see what is missing",
        ),
        1412 | 1615 => unreachable("the PMS's tables are being changed; they are read again later"),
        1969 | 3024 | 1317 | 1205 => timeout("a query took too long on the PMS's server; it is tried again later"),
        1040 | 1053 | 1077 | 1079 | 1203 | 1213 | 1226 | 1927 | 3159 | 4031 => {
            unreachable("the PMS's server is starting, stopping or has too many connections; it is tried again later")
        }
        _ => {
            tracing::error!(code, "the PMS's server reported an error");
            Refusal::internal("the PMS's server reported an error")
        }
    }
}

fn unreachable(message: &str) -> Refusal {
    Refusal::new(Code::Unavailable, ErrorReason::PmsUnreachable, message).retry_after(RETRY)
}

/// The server took too long.
pub(super) fn timeout(message: &str) -> Refusal {
    Refusal::new(Code::Unavailable, ErrorReason::PmsTimeout, message).retry_after(RETRY)
}

/// The position or token is of another server or database.
pub(super) fn source_changed() -> Refusal {
    let message = "the database is not the one that the position came from (another server, or a restored backup); \
                   read it whole again";
    Refusal::new(Code::FailedPrecondition, ErrorReason::SourceChanged, message)
}

/// Waits for the database no longer than `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = mysql_async::Result<T>>,
) -> Result<T, Refusal> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(refusal),
        Err(_) => Err(timeout("the PMS's server took too long to answer; it is tried again later")),
    }
}
