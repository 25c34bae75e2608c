//! Digests by which a repeat with the same contents is told from another.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A digest of a value.
pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> [u8; 16] {
    // Writing to memory does not fail, and no type of ours refuses to be written.
    cut(Sha256::digest(rmp_serde::to_vec(value).unwrap_or_default()).as_slice())
}

/// A digest of texts and a body: each part's length is in it, so that no two lists of parts are alike.
pub(super) fn of_parts(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    cut(hash.finalize().as_slice())
}

fn cut(digest: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]); // SHA-256 has 32 bytes
    short
}
