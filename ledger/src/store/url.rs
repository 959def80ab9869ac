//! Ledger URLs: the values of `--ledger`.
//!
//! Parsed by front-ends, and opened by [`super::Store::open`].

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use std::fmt;
use std::str::FromStr;

/// The forms of `--ledger`, for error messages and `--help`.
pub const FORMS: &str = "memory:, redis://HOST:PORT, rediss://HOST:PORT (TLS), \
redis+cluster://HOST:PORT,HOST:PORT or rediss+cluster://…; all except memory: accept USER:PASSWORD@ \
and, outside a Cluster, /DB";

/// A ledger's address. Displayed without its password.
#[derive(Clone)]
pub enum LedgerUrl {
    /// Counters in this process's memory.
    Memory,
    /// One Redis or Valkey server.
    Single(Box<ConnectionInfo>),
    /// A Redis Cluster, given by at least one of its nodes.
    Cluster(Vec<ConnectionInfo>),
}

/// An invalid [`LedgerUrl`]. The text is not repeated, because it may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {FORMS}; found {found}")]
pub struct BadLedgerUrl {
    found: &'static str,
}

impl FromStr for LedgerUrl {
    type Err = BadLedgerUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        let bad = |found| BadLedgerUrl { found };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("no scheme"))?;
        match scheme {
            "redis" | "rediss" => Ok(Self::Single(Box::new(server(text)?))),
            "redis+cluster" => cluster("redis", rest),
            "rediss+cluster" => cluster("rediss", rest),
            _ => Err(bad("an unknown scheme")),
        }
    }
}

/// Parses the seeds of a Cluster: `[user[:password]@]host:port,host:port…`.
fn cluster(scheme: &str, rest: &str) -> Result<LedgerUrl, BadLedgerUrl> {
    let rest = rest.trim_end_matches('/');
    let (user, hosts) = match rest.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), rest),
    };
    if hosts.contains('/') {
        return Err(BadLedgerUrl { found: "a database number, which a Cluster does not support" });
    }
    let seeds = hosts.split(',').map(|host| server(&format!("{scheme}://{user}{host}")));
    Ok(LedgerUrl::Cluster(seeds.collect::<Result<_, _>>()?))
}

fn server(url: &str) -> Result<ConnectionInfo, BadLedgerUrl> {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if host.is_empty() || host.starts_with([':', '/']) {
        return Err(BadLedgerUrl { found: "no host" });
    }
    let info = url
        .into_connection_info()
        .map_err(|_| BadLedgerUrl { found: "an invalid host, port, user or database" })?;
    // CLIENT SETINFO would need a permission that Redis 7.0 does not know.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

impl fmt::Display for LedgerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = |info: &ConnectionInfo| match info.addr() {
            ConnectionAddr::TcpTls { .. } => "rediss",
            _ => "redis",
        };
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Single(info) => {
                write!(f, "{}://{}", scheme(info), info.addr())?;
                match info.redis_settings().db() {
                    0 => Ok(()),
                    db => write!(f, "/{db}"),
                }
            }
            Self::Cluster(seeds) => {
                let hosts: Vec<_> = seeds.iter().map(|seed| seed.addr().to_string()).collect();
                let scheme = seeds.first().map_or("redis", scheme);
                write!(f, "{scheme}+cluster://{}", hosts.join(","))
            }
        }
    }
}

impl fmt::Debug for LedgerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_accepted_and_passwords_are_hidden() {
        for (text, shown) in [
            ("memory:", "memory:"),
            ("redis://127.0.0.1:6390", "redis://127.0.0.1:6390"),
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://:secret@localhost:6390/3", "redis://localhost:6390/3"),
            ("rediss://shim:s%40cret@redis.example:6380", "rediss://redis.example:6380"),
            ("redis+cluster://a:7000,b:7001", "redis+cluster://a:7000,b:7001"),
            ("rediss+cluster://u:se@cret@a:7000,b:7001/", "rediss+cluster://a:7000,b:7001"),
        ] {
            let url = text.parse::<LedgerUrl>().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(format!("{url:?}"), shown, "{text}");
        }
    }

    #[test]
    fn every_seed_of_a_cluster_has_the_password() {
        let url = "redis+cluster://u:p@a:7000,b:7001".parse::<LedgerUrl>().unwrap();
        let LedgerUrl::Cluster(seeds) = url else { panic!("{url}") };
        for seed in &seeds {
            assert_eq!(seed.redis_settings().username(), Some("u"));
            assert_eq!(seed.redis_settings().password(), Some("p"));
        }
    }

    #[test]
    fn invalid_urls_are_refused_without_repeating_them() {
        for text in [
            "",
            "memory",
            "memory:x",
            "127.0.0.1:6390",
            "http://secret@127.0.0.1",
            "redis://",
            "redis://:secret@",
            "redis://host:99999999",
            "redis://secret@host:6390/zero",
            "redis+cluster://",
            "redis+cluster://a:7000,,b:7000",
            "redis+cluster://secret@a:7000/1",
            "redis+sentinel://secret@a:26379",
        ] {
            let error = text.parse::<LedgerUrl>().expect_err(text).to_string();
            assert!(!error.contains("secret"), "{text}: {error}");
            assert!(error.starts_with("expected memory:, redis://"), "{text}: {error}");
        }
    }
}
