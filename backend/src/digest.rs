//! Hashes of several parts. The boundaries between parts are hashed too.
//!
//! Used by [`crate::ai::prompt`] without a key and by [`crate::user_secret`] with one.

use sha2::{Digest, Sha256};

/// Feeds each part to `update`, after its length as 8 bytes in network byte order.
pub(crate) fn each<'a>(parts: impl IntoIterator<Item = &'a [u8]>, mut update: impl FnMut(&[u8])) {
    for part in parts {
        update(&(part.len() as u64).to_be_bytes());
        update(part);
    }
}

/// Returns the SHA-256 of the parts in hexadecimal.
#[must_use]
pub(crate) fn of(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    each(parts.iter().map(|part| part.as_bytes()), |bytes| hasher.update(bytes));
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_covers_the_parts_and_their_boundaries() {
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_eq!(of(&[]).len(), 64);
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["c", "ab"]] {
            assert_ne!(of(other), of(&["ab", "c"]));
        }
    }
}
