//! Proof of payment for a plan: a secret shared with the operator's payment system.
//!
//! Configured by [`crate::config`], checked by [`crate::routes::plans`]. This program takes no
//! payments, so the operator's system must vouch for them.

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};
use std::fmt;

/// The header that carries the secret.
pub(crate) const PAYMENT_TOKEN: &str = "Payment-Token";
/// The shortest secret that cannot be guessed.
const MIN_BYTES: usize = 16;
/// The longest secret.
const MAX_BYTES: usize = 255;

/// The secret's hash. Comparing hashes leaks nothing about the secret through timing.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentToken([u8; 32]);

impl PaymentToken {
    /// Parses a secret of 16 to 255 visible ASCII characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (MIN_BYTES..=MAX_BYTES).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        valid.then(|| Self::of(text.as_bytes()))
    }

    /// Returns true if the headers carry the secret.
    #[must_use]
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get(PAYMENT_TOKEN).is_some_and(|value| *self == Self::of(value.as_bytes()))
    }

    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_secrets_are_rejected() {
        let check = |text: &str, expected| {
            assert_eq!(PaymentToken::parse(text).is_some(), expected, "{text:.20}");
        };
        check(&"a".repeat(16), true);
        check(&"a".repeat(255), true);
        check(&"a".repeat(15), false);
        check(&"a".repeat(256), false);
        check("sixteen bytes or more", false);
        check(&"ä".repeat(16), false);
    }
}
