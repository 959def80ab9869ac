//! The supported server versions.
//!
//! [`super::server`] sends HELLO on each new connection; unlike INFO, it needs no permissions.
//! Versions newer than those tested are accepted with a warning: new versions are compatible in
//! practice, and a provider's upgrade must not take the ledger down. Other servers and older
//! versions are refused.

use redis::{ErrorKind, RedisError, ServerErrorKind, Value, from_redis_value};
use std::collections::HashMap;
use std::fmt;

/// The supported servers.
const SUPPORTED: [Supported; 2] = [
    Supported { name: "redis", oldest: 7, newest_tested: 8 },
    Supported { name: "valkey", oldest: 7, newest_tested: 9 },
];
/// The most characters of a name or version shown.
const MAX_WORD_CHARS: usize = 32;

/// The supported major versions of one server.
struct Supported {
    name: &'static str,
    oldest: u32,
    newest_tested: u32,
}

/// A server's name and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Software {
    name: String,
    version: String,
}

/// The reason a connection failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The server could not be reached, or refused the connection.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The server is not supported.
    #[error("expected Redis 7.0 or later or Valkey 7.2 or later, found {found}")]
    Unsupported {
        /// The server's name and version.
        found: String,
    },
}

impl Software {
    /// Parses the reply to HELLO.
    ///
    /// # Errors
    /// [`ConnectError::Unsupported`] if the server is not supported.
    pub(crate) fn read(reply: Result<Value, RedisError>) -> Result<Self, ConnectError> {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) if is_unknown_command(&error) => {
                return Err(unsupported("a server that does not know HELLO"));
            }
            Err(error) => return Err(error.into()),
        };
        let mut reply: HashMap<String, Value> = from_redis_value(reply).unwrap_or_default();
        let mut word = |name| {
            let word: String = from_redis_value(reply.remove(name)?).ok()?;
            Some(word.chars().take(MAX_WORD_CHARS).collect())
        };
        let (Some(name), Some(version)) = (word("server"), word("version")) else {
            return Err(unsupported("a server without a name or version"));
        };
        let found = Self { name, version };
        match found.supported() {
            Some(supported) if found.major() >= supported.oldest => Ok(found),
            _ => Err(unsupported(&found.to_string())),
        }
    }

    /// Returns true if this version is newer than those tested.
    pub(crate) fn is_newer_than_tested(&self) -> bool {
        self.supported().is_some_and(|supported| self.major() > supported.newest_tested)
    }

    fn supported(&self) -> Option<&'static Supported> {
        SUPPORTED.iter().find(|supported| supported.name.eq_ignore_ascii_case(&self.name))
    }

    fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    }
}

impl fmt::Display for Software {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Returns true if HELLO is not known (Redis before 6.0), or not without arguments (Redis 6.0).
fn is_unknown_command(error: &RedisError) -> bool {
    let detail = error.detail().unwrap_or_default();
    error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError)
        && (detail.contains("unknown command") || detail.contains("wrong number of arguments"))
}

fn unsupported(found: &str) -> ConnectError {
    ConnectError::Unsupported { found: found.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(name: &str, version: &str) -> Result<Value, RedisError> {
        let text = |word: &str| Value::BulkString(word.as_bytes().to_vec());
        let words = [text("server"), text(name), text("version"), text(version)];
        let rest = [text("proto"), Value::Int(2), text("modules"), Value::Array(Vec::new())];
        Ok(Value::Array(words.into_iter().chain(rest).collect()))
    }

    #[test]
    fn old_and_unknown_servers_are_refused() {
        let check = |name: &str, version: &str, expected: Result<bool, &str>| {
            let found = Software::read(hello(name, version));
            let found = found.map(|found| found.is_newer_than_tested());
            let found = found.map_err(|error| error.to_string());
            let expected = expected.map_err(|found| {
                format!("expected Redis 7.0 or later or Valkey 7.2 or later, found {found}")
            });
            assert_eq!(found, expected, "{name} {version}");
        };
        check("redis", "7.0.15", Ok(false));
        check("redis", "7.4.1", Ok(false));
        check("redis", "8.2.3", Ok(false));
        check("redis", "9.0.0", Ok(true));
        check("redis", "10.0.0", Ok(true));
        check("valkey", "7.2.8", Ok(false));
        check("valkey", "9.1.2", Ok(false));
        check("Valkey", "10.0-rc1", Ok(true));
        check("redis", "6.2.14", Err("redis 6.2.14"));
        check("redis", "255.255.255", Ok(true));
        check("redis", "", Err("redis "));
        check("another", "9.0.0", Err("another 9.0.0"));
        let long = "x".repeat(1_000);
        check(&long, "1", Err(&format!("{} 1", "x".repeat(MAX_WORD_CHARS))));
    }

    #[test]
    fn a_server_without_a_name_is_refused() {
        for reply in [Value::Okay, Value::Array(Vec::new()), Value::Nil] {
            let error = Software::read(Ok(reply)).unwrap_err().to_string();
            assert!(error.ends_with("found a server without a name or version"), "{error}");
        }
    }
}
