//! Hashes of several parts, so that where one part ends and the next begins is hashed too.
//!
//! Used by [`crate::ai::prompt`] without a key and by [`crate::user_secret`] with one.

use sha2::{Digest, Sha256};

/// Feeds `update` each part after its length, as 8 bytes in network order.
pub(crate) fn each<'a>(parts: impl IntoIterator<Item = &'a [u8]>, mut update: impl FnMut(&[u8])) {
    for part in parts {
        update(&(part.len() as u64).to_be_bytes());
        update(part);
    }
}

/// Returns the SHA-256 of the parts, as hexadecimal digits.
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
    fn a_hash_covers_its_parts_and_where_each_ends() {
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_eq!(of(&[]).len(), 64);
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["c", "ab"]] {
            assert_ne!(of(other), of(&["ab", "c"]));
        }
    }
}
