//! The configuration. The only module that reads the environment.
//!
//! An empty variable counts as unset, because `NAME=` is how compose files leave one out. A bad
//! value stops the service before it does anything.

mod claude;
mod table;
mod vars;

pub use claude::ClaudeConfig;
pub use table::{VARIABLES, Variable};
pub use vars::ConfigError;

use crate::cache::{LinkSettings, Ttls};
use crate::payment::PaymentToken;
use crate::plans::AiLimits;
use crate::store::{EXPECTED_PLACE, Place};
use crate::token::{MAX_TTL_S, Terms};
use limits::policy::flag;
use redis::IntoConnectionInfo;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;
use vars::{Vars, number};

const LISTEN_ADDR: &str = "LISTEN_ADDR";
const DATABASE_URL: &str = "DATABASE_URL";
const REDIS_URL: &str = "REDIS_URL";
const REDIS_MAX_CONNECTIONS: &str = "REDIS_MAX_CONNECTIONS";
const REDIS_SOCKET_TIMEOUT: &str = "REDIS_SOCKET_TIMEOUT";
const REDIS_HEALTH_CHECK_INTERVAL: &str = "REDIS_HEALTH_CHECK_INTERVAL";
const ENVIRONMENT: &str = "ENVIRONMENT";
const CACHE_ENABLED: &str = "CACHE_ENABLED";
const CACHE_DEFAULT_TTL: &str = "CACHE_DEFAULT_TTL";
const CACHE_PRICING_TTL: &str = "CACHE_PRICING_TTL";
const CACHE_AI_RESPONSE_TTL: &str = "CACHE_AI_RESPONSE_TTL";
const CACHE_SUBSCRIPTION_TTL: &str = "CACHE_SUBSCRIPTION_TTL";
const CACHE_RESUME_TTL: &str = "CACHE_RESUME_TTL";
const RATE_LIMIT_ENABLED: &str = "RATE_LIMIT_ENABLED";
const FREE_AI_ASSIST_LIMIT: &str = "FREE_AI_ASSIST_LIMIT";
const STARTER_AI_ASSIST_LIMIT: &str = "STARTER_AI_ASSIST_LIMIT";
const PRO_AI_ASSIST_LIMIT: &str = "PRO_AI_ASSIST_LIMIT";
const JWT_ISSUER: &str = "JWT_ISSUER";
const JWT_AUDIENCE: &str = "JWT_AUDIENCE";
const ACCESS_TOKEN_TTL: &str = "ACCESS_TOKEN_TTL";
const REFRESH_TOKEN_TTL: &str = "REFRESH_TOKEN_TTL";
const PAYMENT_TOKEN: &str = "PAYMENT_TOKEN";
const TOLLGATE_URL: &str = "TOLLGATE_URL";
const TOLLGATE_SALT: &str = "TOLLGATE_SALT";
const BACKEND_LOG: &str = "BACKEND_LOG";

/// The range of an access token's lifetime, in seconds.
const TTL_S: RangeInclusive<u32> = 1..=MAX_TTL_S;
/// The range of a session's lifetime, in seconds. At most a year.
const SESSION_TTL_S: RangeInclusive<u32> = 1..=31_536_000;
/// The range of connections to Redis per process.
const REDIS_CONNECTIONS: RangeInclusive<u32> = 1..=1000;
/// The range of the Redis timeout, 10 ms to a minute.
const REDIS_TIMEOUT_MS: RangeInclusive<u64> = 10..=60_000;
/// The range of the Redis probe's interval, 100 ms to an hour.
const REDIS_INTERVAL_MS: RangeInclusive<u64> = 100..=3_600_000;
/// The range of a cached value's lifetime, at most 30 days.
const CACHE_TTL_S: RangeInclusive<u32> = 1..=2_592_000;
/// The range of a plan's AI requests per day.
const REQUESTS: RangeInclusive<u32> = 1..=1_000_000;

/// The service's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on. `LISTEN_ADDR`, default 127.0.0.1:8000.
    pub listen: SocketAddr,
    /// The database's location. `DATABASE_URL`, default sqlite://tollgate.db.
    pub database: Place,
    /// The cache's Redis, if any. `REDIS_URL`.
    pub redis: Option<RedisUrl>,
    /// The Redis connections. `REDIS_MAX_CONNECTIONS`, default 4; `REDIS_SOCKET_TIMEOUT`, default
    /// 0.5 s.
    pub redis_settings: LinkSettings,
    /// The interval between pings to Redis. `REDIS_HEALTH_CHECK_INTERVAL`, default 1 s.
    pub redis_probe_interval: Duration,
    /// The name of the environment, only reported. `ENVIRONMENT`, default development.
    pub environment: String,
    /// True if replies may come from the cache. `CACHE_ENABLED`, default true.
    pub cache_enabled: bool,
    /// The lifetimes of cached values. `CACHE_AI_RESPONSE_TTL` and `CACHE_PRICING_TTL`, default
    /// 3600 s. `CACHE_SUBSCRIPTION_TTL` and `CACHE_RESUME_TTL`, default `CACHE_DEFAULT_TTL` if set,
    /// else 300 s and 600 s.
    pub cache_ttls: Ttls,
    /// True if the gateway enforces limits. Only reported, as the gateway's policy decides.
    /// `RATE_LIMIT_ENABLED`, default true.
    pub rate_limit_enabled: bool,
    /// The contents of tokens. `JWT_ISSUER` and `JWT_AUDIENCE`, default tollgate;
    /// `ACCESS_TOKEN_TTL`, default 900 s.
    pub terms: Terms,
    /// A session's lifetime in seconds. Refreshing doesn't extend it. `REFRESH_TOKEN_TTL`, default
    /// 30 days.
    pub session_ttl_s: u32,
    /// Each plan's AI requests per day. `FREE_AI_ASSIST_LIMIT`, default 10;
    /// `STARTER_AI_ASSIST_LIMIT`, default 50; `PRO_AI_ASSIST_LIMIT`, default 999.
    pub ai_limits: AiLimits,
    /// The secret that proves payment for a plan, if set. `PAYMENT_TOKEN`.
    pub payment_token: Option<PaymentToken>,
    /// The Claude settings.
    pub claude: ClaudeConfig,
    /// The URL of the shim that reports usage, if any. `TOLLGATE_URL`.
    pub shim: Option<Url>,
    /// The salt of the gateway's policy. `TOLLGATE_SALT`, default tollgate-development.
    pub salt: String,
    /// The log levels. `BACKEND_LOG`, default info.
    pub log: Targets,
}

/// The Redis URL. `Debug` hides it, because it may contain a password.
#[derive(Clone)]
pub struct RedisUrl(redis::ConnectionInfo);

impl Config {
    /// Reads the configuration from the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] for the first variable with a bad value.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// Reads the configuration from `vars`, a lookup by name.
    ///
    /// # Errors
    /// [`ConfigError`] for the first variable with a bad value.
    pub fn from_vars(vars: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let vars = Vars(vars);
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 8000));
        let info = Targets::new().with_default(LevelFilter::INFO);
        Ok(Self {
            listen: vars.read(LISTEN_ADDR, local, ADDRESS, |text| text.parse().ok())?,
            database: vars.read(
                DATABASE_URL,
                Place::Sqlite("tollgate.db".into()),
                EXPECTED_PLACE,
                Place::parse,
            )?,
            redis: vars.read(REDIS_URL, None, REDIS, |text| redis_url(text).map(Some))?,
            redis_settings: LinkSettings {
                max_connections: vars.read(REDIS_MAX_CONNECTIONS, 4, CONNECTIONS, |text| {
                    number(text, &REDIS_CONNECTIONS)?.try_into().ok()
                })?,
                timeout: vars.read(
                    REDIS_SOCKET_TIMEOUT,
                    Duration::from_millis(500),
                    SOCKET_SECONDS,
                    |text| decimal_s(text, &REDIS_TIMEOUT_MS),
                )?,
            },
            redis_probe_interval: vars.read(
                REDIS_HEALTH_CHECK_INTERVAL,
                Duration::from_secs(1),
                INTERVAL_SECONDS,
                |text| decimal_s(text, &REDIS_INTERVAL_MS),
            )?,
            environment: vars.read(ENVIRONMENT, "development".to_owned(), WORD, word)?,
            cache_enabled: vars.read(CACHE_ENABLED, true, FLAG, flag)?,
            cache_ttls: cache_ttls(&vars)?,
            rate_limit_enabled: vars.read(RATE_LIMIT_ENABLED, true, FLAG, flag)?,
            terms: Terms {
                issuer: vars.read(JWT_ISSUER, "tollgate".to_owned(), NAME, name)?,
                audience: vars.read(JWT_AUDIENCE, "tollgate".to_owned(), NAME, name)?,
                ttl_s: vars.read(ACCESS_TOKEN_TTL, 900, SECONDS, |text| number(text, &TTL_S))?,
            },
            session_ttl_s: vars.read(REFRESH_TOKEN_TTL, 2_592_000, LONG_SECONDS, |text| {
                number(text, &SESSION_TTL_S)
            })?,
            ai_limits: AiLimits {
                free: vars.read(FREE_AI_ASSIST_LIMIT, 10, AI_REQUESTS, requests)?,
                starter: vars.read(STARTER_AI_ASSIST_LIMIT, 50, AI_REQUESTS, requests)?,
                pro: vars.read(PRO_AI_ASSIST_LIMIT, 999, AI_REQUESTS, requests)?,
            },
            payment_token: vars
                .read(PAYMENT_TOKEN, None, TOKEN, |text| PaymentToken::parse(text).map(Some))
                .map_err(ConfigError::of_secret)?,
            claude: ClaudeConfig::read(&vars)?,
            shim: vars.read(TOLLGATE_URL, None, SHIM, |text| shim_url(text).map(Some))?,
            salt: vars
                .read(TOLLGATE_SALT, "tollgate-development".to_owned(), NAME, name)
                .map_err(ConfigError::of_secret)?,
            log: vars.read(BACKEND_LOG, info, LOG, log)?,
        })
    }
}

impl RedisUrl {
    /// Returns the connection settings.
    #[must_use]
    pub fn connection(&self) -> redis::ConnectionInfo {
        self.0.clone()
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(…)")
    }
}

fn cache_ttls(vars: &Vars<impl Fn(&str) -> Option<String>>) -> Result<Ttls, ConfigError> {
    let ttl_s = |variable, default_s| {
        vars.read(variable, default_s, CACHE_SECONDS, |text| number(text, &CACHE_TTL_S))
    };
    let ttl =
        |variable, default_s| ttl_s(variable, default_s).map(|s| Duration::from_secs(s.into()));
    Ok(Ttls {
        ai: ttl(CACHE_AI_RESPONSE_TTL, 3600)?,
        pricing: ttl(CACHE_PRICING_TTL, 3600)?,
        subscription: ttl(CACHE_SUBSCRIPTION_TTL, ttl_s(CACHE_DEFAULT_TTL, 300)?)?,
        resume: ttl(CACHE_RESUME_TTL, ttl_s(CACHE_DEFAULT_TTL, 600)?)?,
    })
}

const ADDRESS: &str = "an address with a port, such as 127.0.0.1:8000";
const REDIS: &str =
    "redis://HOST:PORT or rediss://HOST:PORT (TLS), with optional USER:PASSWORD@ and /DB";
const CONNECTIONS: &str = "a number of connections from 1 to 1000";
const SOCKET_SECONDS: &str = "a number of seconds from 0.01 to 60";
const INTERVAL_SECONDS: &str = "a number of seconds from 0.1 to 3600";
const CACHE_SECONDS: &str = "a number of seconds from 1 to 2592000";
const WORD: &str = "a word such as production (at most 32 letters, digits, - or _)";
const NAME: &str = "a name or URL such as tollgate (1 to 255 visible ASCII characters)";
const FLAG: &str = "true or false";
const AI_REQUESTS: &str = "a number of requests from 1 to 1000000";
const SECONDS: &str = "a number of seconds from 1 to 86400";
const LONG_SECONDS: &str = "a number of seconds from 1 to 31536000";
const TOKEN: &str = "a secret of 16 to 255 visible ASCII characters";
const SHIM: &str = "http://HOST:PORT, such as http://127.0.0.1:8081";
const LOG: &str = "a level such as info, or levels by module such as info,backend=debug";

/// Parses the URL of a single server. The redis crate would also accept sockets and more schemes.
fn redis_url(text: &str) -> Option<RedisUrl> {
    let rest = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://"))?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if host.is_empty() || host.starts_with([':', '/']) {
        return None;
    }
    text.into_connection_info().ok().map(RedisUrl)
}

fn requests(text: &str) -> Option<u32> {
    number(text, &REQUESTS)
}

fn word(text: &str) -> Option<String> {
    let valid = text.len() <= 32
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    valid.then(|| text.to_owned())
}

fn name(text: &str) -> Option<String> {
    let valid = text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic());
    valid.then(|| text.to_owned())
}

/// Parses log directives. A part without `=` must be a level: `Targets` would take any other word
/// for a module's name, so a misspelled level would log nothing.
fn log(text: &str) -> Option<Targets> {
    let is_level = |part: &str| part.trim().parse::<LevelFilter>().is_ok();
    let clear = text.split(',').all(|part| part.contains('=') || is_level(part));
    clear.then(|| text.parse().ok())?
}

/// Parses seconds with at most three decimals.
fn decimal_s(text: &str, within_ms: &RangeInclusive<u64>) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 3 {
        return None;
    }
    let ms: u64 = format!("{decimals:0<3}").parse().ok()?;
    let ms = whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(ms)?;
    within_ms.contains(&ms).then(|| Duration::from_millis(ms))
}

/// Parses the shim's URL. It must not have a path, because the client appends its own.
fn shim_url(text: &str) -> Option<Url> {
    text.starts_with("http://").then_some(())?;
    let url = Url::parse(text).ok()?;
    let is_bare = url.has_host() && url.path() == "/" && url.query().is_none();
    is_bare.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variable: &str, value: &str, expected: &str) {
        let found = Config::from_vars(|name| (name == variable).then(|| value.to_owned()))
            .map_or_else(|error| error.to_string(), |_| "ok".to_owned());
        assert_eq!(found, expected, "{variable}={value}");
    }

    #[test]
    fn the_defaults_suit_a_laptop() {
        let config = Config::from_vars(|_| None).unwrap();
        insta::assert_debug_snapshot!(config, @r#"
        Config {
            listen: 127.0.0.1:8000,
            database: Place(tollgate.db),
            redis: None,
            redis_settings: LinkSettings {
                max_connections: 4,
                timeout: 500ms,
            },
            redis_probe_interval: 1s,
            environment: "development",
            cache_enabled: true,
            cache_ttls: Ttls {
                ai: 3600s,
                pricing: 3600s,
                subscription: 300s,
                resume: 600s,
            },
            rate_limit_enabled: true,
            terms: Terms {
                issuer: "tollgate",
                audience: "tollgate",
                ttl_s: 900,
            },
            session_ttl_s: 2592000,
            ai_limits: AiLimits {
                free: 10,
                starter: 50,
                pro: 999,
            },
            payment_token: None,
            claude: ClaudeConfig {
                base_url: Url {
                    scheme: "https",
                    cannot_be_a_base: false,
                    username: "",
                    password: None,
                    host: Some(
                        Domain(
                            "api.anthropic.com",
                        ),
                    ),
                    port: None,
                    path: "/",
                    query: None,
                    fragment: None,
                },
                settings: None,
                models: Models(
                    [
                        claude-haiku-5-5:low:4096,
                        claude-sonnet-5-5:medium:16384,
                        claude-haiku-5-5:low:4096,
                        claude-sonnet-5-5:low:8192,
                        claude-sonnet-5-5:low:8192,
                    ],
                ),
            },
            shim: None,
            salt: "tollgate-development",
            log: Targets(
                DirectiveSet {
                    directives: [
                        StaticDirective {
                            target: None,
                            field_names: [],
                            level: LevelFilter::INFO,
                        },
                    ],
                    max_level: LevelFilter::INFO,
                },
            ),
        }
        "#);
        let empty = Config::from_vars(|_| Some(String::new())).unwrap();
        assert_eq!(format!("{config:?}"), format!("{empty:?}"));
    }

    #[test]
    fn every_variable_has_its_effect() {
        let config = Config::from_vars(|name| {
            let value = match name {
                LISTEN_ADDR => "[::1]:80",
                DATABASE_URL => "sqlite:///data/a b.db",
                REDIS_URL => "redis://user:secret@cache:6390/1",
                REDIS_MAX_CONNECTIONS => "16",
                REDIS_SOCKET_TIMEOUT => "2.5",
                REDIS_HEALTH_CHECK_INTERVAL => "30",
                ENVIRONMENT => "production",
                CACHE_ENABLED => "no",
                CACHE_DEFAULT_TTL => "1",
                CACHE_PRICING_TTL => "2",
                CACHE_AI_RESPONSE_TTL => "3",
                CACHE_SUBSCRIPTION_TTL => "4",
                CACHE_RESUME_TTL => "5",
                RATE_LIMIT_ENABLED => "FALSE",
                JWT_ISSUER => "https://issuer.example",
                JWT_AUDIENCE => "api",
                ACCESS_TOKEN_TTL => "60",
                REFRESH_TOKEN_TTL => "3600",
                FREE_AI_ASSIST_LIMIT => "1",
                STARTER_AI_ASSIST_LIMIT => "2",
                PRO_AI_ASSIST_LIMIT => "1000000",
                PAYMENT_TOKEN => "sixteen-bytes-or-more",
                TOLLGATE_URL => "http://shim:8081",
                TOLLGATE_SALT => "our-own",
                BACKEND_LOG => "warn,backend=debug",
                _ => return None,
            };
            Some(value.to_owned())
        });
        // The lines that differ from the defaults. Claude's variables are tested in their own
        // module.
        let defaults = format!("{:#?}", Config::from_vars(|_| None).unwrap());
        let changed_config = format!("{:#?}", config.unwrap());
        let is_new = |line: &&str| !defaults.lines().any(|other| other == *line);
        let changed: Vec<_> = changed_config.lines().filter(is_new).map(str::trim_start).collect();
        insta::assert_snapshot!(changed.join("\n"), @r#"
        listen: [::1]:80,
        database: Place(/data/a b.db),
        redis: Some(
        RedisUrl(…),
        max_connections: 16,
        timeout: 2.5s,
        redis_probe_interval: 30s,
        environment: "production",
        cache_enabled: false,
        ai: 3s,
        pricing: 2s,
        subscription: 4s,
        resume: 5s,
        rate_limit_enabled: false,
        issuer: "https://issuer.example",
        audience: "api",
        ttl_s: 60,
        session_ttl_s: 3600,
        free: 1,
        starter: 2,
        pro: 1000000,
        payment_token: Some(
        PaymentToken(…),
        shim: Some(
        Url {
        scheme: "http",
        "shim",
        port: Some(
        8081,
        salt: "our-own",
        target: Some(
        "backend",
        ),
        level: LevelFilter::DEBUG,
        level: LevelFilter::WARN,
        max_level: LevelFilter::DEBUG,
        "#);
    }

    #[test]
    fn the_default_ttl_applies_where_no_specific_ttl_is_set() {
        let check = |set: &[&str], expected: (u64, u64)| {
            let config = Config::from_vars(|name| {
                let at = set.iter().position(|set| *set == name)?;
                Some((at + 7).to_string())
            });
            let ttls = config.unwrap().cache_ttls;
            assert_eq!((ttls.subscription.as_secs(), ttls.resume.as_secs()), expected, "{set:?}");
            assert_eq!((ttls.ai.as_secs(), ttls.pricing.as_secs()), (3600, 3600), "{set:?}");
        };
        check(&[CACHE_DEFAULT_TTL], (7, 7));
        check(&[CACHE_DEFAULT_TTL, CACHE_RESUME_TTL], (7, 8));
        check(&[CACHE_DEFAULT_TTL, CACHE_SUBSCRIPTION_TTL], (8, 7));
    }

    #[test]
    fn good_values_are_accepted() {
        check(DATABASE_URL, "sqlite:x.db", "ok");
        check(REDIS_URL, "redis://localhost", "ok");
        check(REDIS_URL, "rediss://user:p%40ss@cache.example:6380/2", "ok");
        check(REDIS_SOCKET_TIMEOUT, "0.01", "ok");
        check(REDIS_SOCKET_TIMEOUT, "60", "ok");
        check(REDIS_HEALTH_CHECK_INTERVAL, "0.25", "ok");
        check(ACCESS_TOKEN_TTL, "86400", "ok");
        check(CACHE_ENABLED, "0", "ok");
        check(LISTEN_ADDR, "0.0.0.0:0", "ok");
    }

    #[test]
    fn bad_values_are_reported_in_one_sentence() {
        let bad = |variable, expected, values: &[&str]| {
            for value in values {
                let sentence = format!("{variable}: expected {expected}, found {value:?}");
                check(variable, value, &sentence);
            }
        };
        bad(LISTEN_ADDR, ADDRESS, &["8000", "localhost:8000", "127.0.0.1", "127.0.0.1:70000", " "]);
        bad(
            DATABASE_URL,
            EXPECTED_PLACE,
            &[
                "tollgate.db",
                "sqlite://",
                "sqlite::memory:",
                "sqlite:///tmp/",
                "sqlite://a?mode=ro",
                "postgres://db",
            ],
        );
        bad(
            REDIS_URL,
            REDIS,
            &[
                "127.0.0.1:6379",
                "http://cache",
                "redis://",
                "rediss://",
                "redis://a:b",
                "redis://:1",
            ],
        );
        bad(REDIS_MAX_CONNECTIONS, CONNECTIONS, &["0", "-1", "1001", "many"]);
        bad(
            REDIS_SOCKET_TIMEOUT,
            SOCKET_SECONDS,
            &["0", "0.009", "60.001", "61", "1e1", "1.", ".5", "1.0000", "-1", "5s"],
        );
        bad(REDIS_HEALTH_CHECK_INTERVAL, INTERVAL_SECONDS, &["0", "0.099", "3601"]);
        for ttl in [
            CACHE_DEFAULT_TTL,
            CACHE_PRICING_TTL,
            CACHE_AI_RESPONSE_TTL,
            CACHE_SUBSCRIPTION_TTL,
            CACHE_RESUME_TTL,
        ] {
            bad(ttl, CACHE_SECONDS, &["0", "1h", "2592001", "0.5"]);
        }
        bad(ENVIRONMENT, WORD, &["two words", "ä", "a\nb"]);
        bad(CACHE_ENABLED, FLAG, &["maybe", "2", " true"]);
        bad(RATE_LIMIT_ENABLED, FLAG, &["enabled"]);
        bad(JWT_ISSUER, NAME, &["a b", "ä", "\u{fffd}"]);
        bad(JWT_AUDIENCE, NAME, &["a\tb"]);
        bad(ACCESS_TOKEN_TTL, SECONDS, &["0", "-1", "15m", "86401", "1e3", "99999999999999999999"]);
        bad(REFRESH_TOKEN_TTL, LONG_SECONDS, &["0", "30d", "31536001"]);
        bad(FREE_AI_ASSIST_LIMIT, AI_REQUESTS, &["0", "-1", "ten", "1000001"]);
        bad(
            TOLLGATE_URL,
            SHIM,
            &["shim:8081", "https://shim", "http://", "http://a/b", "http://a?b"],
        );
        bad(BACKEND_LOG, LOG, &["loud", "info,backend=loud"]);
    }

    #[test]
    fn an_error_hides_passwords_and_shortens_values() {
        check(
            REDIS_URL,
            "redis:/me:secret@cache",
            &format!("REDIS_URL: expected {REDIS}, found \"…@cache\""),
        );
        check(
            DATABASE_URL,
            "mysql://me:s@cret@db/x",
            &format!("DATABASE_URL: expected {EXPECTED_PLACE}, found \"…@db/x\""),
        );
        let token = format!("PAYMENT_TOKEN: expected {TOKEN}, found something else");
        check(PAYMENT_TOKEN, "too short", &token);
        let salt = format!("TOLLGATE_SALT: expected {NAME}, found something else");
        check(TOLLGATE_SALT, "a b", &salt);
        check(
            ENVIRONMENT,
            &"a".repeat(300),
            &format!("ENVIRONMENT: expected {WORD}, found \"{}\"…", "a".repeat(100)),
        );
    }
}
