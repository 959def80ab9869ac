//! The key that the service knows us by: never shown.
//!
//! Part of [`crate::Settings`], sent by [`crate::http`].

use http::HeaderValue;
use std::fmt;
use std::str::FromStr;

/// The longest key.
const MAX_KEY_BYTES: usize = 512;

/// An API key.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

/// A text that is no [`ApiKey`]. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an API key of 1 to {MAX_KEY_BYTES} visible ASCII characters, found {found}")]
pub struct BadApiKey {
    found: &'static str,
}

impl ApiKey {
    /// The value of its header, marked so that nobody prints or compresses it.
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
    fn what_is_no_key_is_refused_and_not_repeated() {
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
