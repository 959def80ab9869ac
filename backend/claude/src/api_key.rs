//! The API key. It is never printed.
//!
//! Part of [`crate::Settings`], sent by [`crate::http`].

use http::HeaderValue;
use std::fmt;
use std::str::FromStr;

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 512;

/// An API key.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

/// The error for a malformed [`ApiKey`]. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an API key of 1 to {MAX_KEY_BYTES} visible ASCII characters, found {found}")]
pub struct BadApiKey {
    found: &'static str,
}

impl ApiKey {
    /// Returns the header value, marked sensitive so that it is neither logged nor compressed.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromStr for ApiKey {
    type Err = BadApiKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(BadApiKey { found: "nothing" });
        }
        if text.len() > MAX_KEY_BYTES {
            return Err(BadApiKey { found: "a longer one" });
        }
        let other = BadApiKey { found: "another character" };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(other);
        }
        let mut value = HeaderValue::from_str(text).map_err(|_invalid| other)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_and_not_shown() {
        let key: ApiKey = "sk-ant-1".parse().unwrap();
        assert_eq!(key.header().as_bytes(), b"sk-ant-1");
        assert_eq!(format!("{key:?} {:?}", key.header()), "ApiKey(…) Sensitive");
    }

    #[test]
    fn a_malformed_key_is_rejected_and_not_repeated() {
        let check = |text: &str, found: &str| {
            let error = text.parse::<ApiKey>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("found {found}")), "{error}");
            assert!(text.is_empty() || !error.contains(text));
        };
        check("", "nothing");
        check("sk ant", "another character");
        check("sk-ant\n", "another character");
        check("sk-é", "another character");
        check(&"x".repeat(513), "a longer one");
    }
}
