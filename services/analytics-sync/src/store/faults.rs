//! What went wrong in a store, in one word: what errors and logs say of it. The errors themselves may quote addresses with
//! signatures, and stay here.

use std::{error::Error, io};

use object_store::client::{HttpError, HttpErrorKind};

/// An object store's error as one of a file system, of which nothing is left but its kind.
pub fn io(error: object_store::Error) -> io::Error {
    let kind = kind(&error);
    io::Error::new(kind, words(kind))
}

/// The kind of whatever is at the bottom of an error.
pub fn kind(error: &(dyn Error + 'static)) -> io::ErrorKind {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(known) = known(error) {
            return known;
        }
        next = error.source();
    }
    io::ErrorKind::Other
}

fn known(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    if let Some(error) = error.downcast_ref::<object_store::Error>() {
        return match error {
            object_store::Error::NotFound { .. } => Some(io::ErrorKind::NotFound),
            object_store::Error::AlreadyExists { .. } => Some(io::ErrorKind::AlreadyExists),
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Some(io::ErrorKind::PermissionDenied)
            }
            object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. } => {
                Some(io::ErrorKind::Unsupported)
            }
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<HttpError>() {
        return match error.kind() {
            HttpErrorKind::Timeout => Some(io::ErrorKind::TimedOut),
            HttpErrorKind::Connect => Some(io::ErrorKind::ConnectionRefused),
            HttpErrorKind::Interrupted | HttpErrorKind::Request => Some(io::ErrorKind::ConnectionReset),
            _ => None,
        };
    }
    let error = error.downcast_ref::<io::Error>()?;
    match (error.kind(), error.get_ref()) {
        // What it wraps is not its source.
        (io::ErrorKind::Other, Some(wrapped)) => Some(kind(wrapped)).filter(|kind| *kind != io::ErrorKind::Other),
        (io::ErrorKind::Other, None) => None,
        (kind, _) => Some(kind),
    }
}

/// A kind in words, with the way out.
pub fn words(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => "it refuses the credentials or the permission; look at them",
        io::ErrorKind::NotFound => "something of it is not there; look at the bucket or folder",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "it is full; make room",
        io::ErrorKind::TimedOut => "it does not answer in time; look at it and at --store-timeout-seconds",
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
            "it cannot be reached; look at its address"
        }
        io::ErrorKind::Unsupported => "it does not know what is asked of it",
        io::ErrorKind::AlreadyExists => "another writer was there first",
        _ => "it fails; look at disk, permissions and the store's own log",
    }
}
