//! The admin API's token: never shown, compared in constant time.
//!
//! Parsed by [`crate::cli`], asked for by [`crate::admin`], sent by [`crate::operator`].

use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// The shortest token: with 64 kinds of characters, 96 bits.
pub(crate) const MIN_TOKEN_BYTES: usize = 16;
/// The longest.
pub(crate) const MAX_TOKEN_BYTES: usize = 256;

/// A bearer token.
#[derive(Clone)]
pub(crate) struct Token(String);

/// A text that is no [`Token`]. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a token of {MIN_TOKEN_BYTES} to {MAX_TOKEN_BYTES} visible ASCII characters, as from \
     `openssl rand -hex 32`; found {found}"
)]
pub(crate) struct BadToken {
    found: &'static str,
}

impl Token {
    /// Whether `offered` is this token. How long it takes tells at most their lengths.
    #[must_use]
    pub(crate) fn is(&self, offered: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(offered).into()
    }

    /// The `Authorization` header that offers it.
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
            MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES => Err(BadToken { found: "another character" }),
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
    fn only_the_same_token_is_the_token() {
        let token: Token = "0123456789abcdef".parse().unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in ["", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef0"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn short_long_and_odd_tokens_are_refused() {
        for bad in
            ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdeé", &"x".repeat(257)]
        {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
