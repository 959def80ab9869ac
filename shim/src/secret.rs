//! The admin API's token: never shown, compared in constant time.
//!
//! Parsed by [`crate::cli`], required by [`crate::admin`], sent by [`crate::operator`].

use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// The shortest token. With an alphabet of 64 characters it has 96 bits.
pub(crate) const MIN_TOKEN_BYTES: usize = 16;
/// The longest token.
pub(crate) const MAX_TOKEN_BYTES: usize = 256;

/// A bearer token.
#[derive(Clone)]
pub(crate) struct Token(String);

/// The error for an invalid [`Token`]. It does not contain the text, which can be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a token of {MIN_TOKEN_BYTES} to {MAX_TOKEN_BYTES} visible ASCII characters, as from \
     `openssl rand -hex 32`, found {found}"
)]
pub(crate) struct BadToken {
    found: &'static str,
}

impl Token {
    /// Returns true if `offered` is this token. The timing reveals at most the lengths.
    #[must_use]
    pub(crate) fn is(&self, offered: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(offered).into()
    }

    /// Returns the value of the `Authorization` header.
    #[must_use]
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.len() {
            0..MIN_TOKEN_BYTES => Err(BadToken { found: "a shorter one" }),
            MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES if text.bytes().all(|b| b.is_ascii_graphic()) => {
                Ok(Self(text.to_owned()))
            }
            MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES => Err(BadToken { found: "other characters" }),
            _ => Err(BadToken { found: "a longer one" }),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_accepted() {
        let token: Token = "0123456789abcdef".parse().unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in ["", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef0"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn tokens_of_the_wrong_length_or_alphabet_are_refused() {
        for bad in
            ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdeé", &"x".repeat(257)]
        {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
