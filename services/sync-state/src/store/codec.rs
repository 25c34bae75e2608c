//! How a practice is stored: a byte for the state's format, its version, the state in MessagePack.

use std::sync::Arc;

use super::{StoreError, Stored, Version};
use crate::core::state::{FORMAT, PracticeState};

/// Bytes before the state.
const HEAD: usize = 9;

/// What is stored.
pub(super) fn encode(state: &PracticeState, version: Version) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(1024);
    bytes.push(FORMAT as u8);
    bytes.extend_from_slice(&version.to_be_bytes());
    rmp_serde::encode::write(&mut bytes, state)
        .map_err(|e| StoreError::Unavailable(format!("a state cannot be written: {e}")))?;
    Ok(bytes)
}

/// The version alone. None: what is stored is damaged.
pub(super) fn version(bytes: &[u8]) -> Option<Version> {
    Some(Version::from_be_bytes(bytes.get(1..HEAD)?.try_into().ok()?))
}

/// What was stored.
pub(super) fn decode(bytes: &[u8]) -> Result<Stored, StoreError> {
    let damaged = || StoreError::Unavailable("a stored state is damaged; restore it from a backup".to_owned());
    let format = bytes.first().copied().ok_or_else(damaged)?;
    if u32::from(format) != FORMAT {
        return Err(StoreError::Format { found: u64::from(format) });
    }
    let version = version(bytes).ok_or_else(damaged)?;
    let state = rmp_serde::from_slice(&bytes[HEAD..]).map_err(|_| damaged())?;
    Ok(Stored { state: Arc::new(state), version })
}

/// Many of them, on a thread that may be kept busy.
pub(super) async fn decode_all(values: Vec<Vec<u8>>) -> Result<Vec<Stored>, StoreError> {
    let work = move || values.iter().map(|bytes| decode(bytes)).collect();
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Unavailable("a stored state could not be read".to_owned()))?
}
