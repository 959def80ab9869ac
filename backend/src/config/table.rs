//! Describes the variables that [`super::Config`] reads, for the reference in the docs.

/// A variable that the backend reads.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The value used if the variable is unset; empty if there is none.
    pub default: &'static str,
    /// A sentence for operators: what it sets, with units and range.
    pub meaning: &'static str,
}

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning }
}

/// The variables that the backend reads.
pub const VARIABLES: [Variable; 37] = [
    variable("LISTEN_ADDR", "127.0.0.1:8000", "The address and port to listen on."),
    variable(
        "DATABASE_URL",
        "sqlite://tollgate.db",
        "`sqlite://FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`, with `?sslmode=verify-full` for verified TLS. The schema is migrated at startup; any number of processes can start at once.",
    ),
    variable(
        "REDIS_URL",
        "",
        "The cache's Redis: `redis://USER:PASSWORD@HOST:PORT/DB`, or `rediss://` for TLS. Without it the cache is in memory only. The backend also serves while Redis is away.",
    ),
    variable(
        "REDIS_MAX_CONNECTIONS",
        "4",
        "Connections per process, 1 to 1000. Each carries any number of concurrent commands.",
    ),
    variable(
        "REDIS_SOCKET_TIMEOUT",
        "0.5",
        "Timeout for a reply from Redis, in seconds, 0.01 to 60, with up to three decimals. After one timeout, Redis is bypassed until it answers again.",
    ),
    variable(
        "REDIS_HEALTH_CHECK_INTERVAL",
        "1",
        "Interval between health checks of Redis, in seconds, 0.1 to 3600. While Redis is away, at most one second.",
    ),
    variable(
        "ENVIRONMENT",
        "development",
        "One word of at most 32 letters, digits, `-` and `_`. The policy's shipped salt is refused in any environment but `development`.",
    ),
    variable("CACHE_ENABLED", "true", "`false` turns the cache off."),
    variable("CACHE_PRICING_TTL", "3600", "How long prices are cached, in seconds, 1 to 2592000."),
    variable(
        "CACHE_AI_RESPONSE_TTL",
        "3600",
        "How long AI answers are cached, in seconds, 1 to 2592000.",
    ),
    variable(
        "CACHE_RESUME_TTL",
        "600",
        "How long résumés are cached, in seconds, 1 to 2592000. Falls back on `CACHE_DEFAULT_TTL`.",
    ),
    variable(
        "CACHE_SUBSCRIPTION_TTL",
        "300",
        "How long a user's plan is cached, in seconds, 1 to 2592000. Falls back on `CACHE_DEFAULT_TTL`.",
    ),
    variable(
        "CACHE_DEFAULT_TTL",
        "",
        "Sets `CACHE_RESUME_TTL` and `CACHE_SUBSCRIPTION_TTL` where they are unset.",
    ),
    variable(
        "RATE_LIMIT_ENABLED",
        "true",
        "`false` turns every bucket into a shadow: counted and reported, never enforced. `/health` shows it.",
    ),
    variable(
        "JWT_ISSUER",
        "tollgate",
        "The `iss` claim of tokens. Envoy's `jwt_authn` must expect the same.",
    ),
    variable(
        "JWT_AUDIENCE",
        "tollgate",
        "The `aud` claim of tokens. Envoy's `jwt_authn` must expect the same.",
    ),
    variable("ACCESS_TOKEN_TTL", "900", "Lifetime of an access token, in seconds, 1 to 86400."),
    variable(
        "REFRESH_TOKEN_TTL",
        "2592000",
        "Lifetime of a login session, in seconds, 1 to 31536000. Refreshing does not extend it.",
    ),
    variable(
        "FREE_AI_ASSIST_LIMIT",
        "10",
        "AI requests per day on the free plan, 1 to 1000000. Also the limit of users without a plan.",
    ),
    variable(
        "STARTER_AI_ASSIST_LIMIT",
        "50",
        "AI requests per day on the starter plan, 1 to 1000000.",
    ),
    variable("PRO_AI_ASSIST_LIMIT", "999", "AI requests per day on the pro plan, 1 to 1000000."),
    variable(
        "PAYMENT_TOKEN",
        "",
        "A secret shared with the payment system, 16 to 255 visible ASCII characters. Without it, no user can move to a more expensive plan.",
    ),
    variable(
        "TOLLGATE_URL",
        "",
        "The shim's base URL, `http://HOST:PORT`. `/api/usage` reads counters from it.",
    ),
    variable(
        "TOLLGATE_SALT",
        "tollgate-development",
        "The policy's `salt`, 1 to 255 visible ASCII characters.",
    ),
    variable(
        "ANTHROPIC_API_KEY",
        "",
        "The API key for Claude. Without it, Claude is never called.",
    ),
    variable("ANTHROPIC_BASE_URL", "https://api.anthropic.com", "The base URL of the Claude API."),
    variable(
        "AI_ANALYZE_ATS_SCORE",
        "claude-haiku-5-5:low:4096",
        "The model for `analyze-ats-score`, as `MODEL:EFFORT:MAX_TOKENS`. The effort is `low`, `medium`, `high`, or `default` to send none; tokens are 256 to 32768.",
    ),
    variable(
        "AI_OPTIMIZE_RESUME",
        "claude-sonnet-5-5:medium:16384",
        "The model for `optimize-resume`.",
    ),
    variable(
        "AI_EXTRACT_KEYWORDS",
        "claude-haiku-5-5:low:4096",
        "The model for `extract-keywords`.",
    ),
    variable(
        "AI_GENERATE_COVER_LETTER",
        "claude-sonnet-5-5:low:8192",
        "The model for `generate-cover-letter`.",
    ),
    variable(
        "AI_OPTIMIZE_LINKEDIN",
        "claude-sonnet-5-5:low:8192",
        "The model for `optimize-linkedin`.",
    ),
    variable(
        "CLAUDE_TIMEOUT",
        "120",
        "Timeout for a whole answer from Claude, in seconds, 1 to 600.",
    ),
    variable(
        "CLAUDE_IDLE_TIMEOUT",
        "60",
        "Timeout for the next part of an answer from Claude, in seconds, 1 to 600.",
    ),
    variable("CLAUDE_MAX_CONCURRENT", "16", "Concurrent calls to Claude, 1 to 1000."),
    variable("CLAUDE_MAX_RETRIES", "2", "Retries per call, 0 to 5."),
    variable(
        "CLAUDE_PRICES",
        "",
        "Prices that replace the built-in ones: `MODEL=IN/OUT,…` or `MODEL=IN/OUT/WRITE_5M/WRITE_1H/READ,…`, in US dollars per million tokens.",
    ),
    variable("BACKEND_LOG", "info", "A log level, or levels by module: `info,backend=debug`."),
];

#[cfg(test)]
mod tests {
    use super::VARIABLES;
    use crate::config::Config;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    #[test]
    fn exactly_the_variables_that_are_read_are_listed() {
        let read = RefCell::new(BTreeSet::new());
        let _config = Config::from_vars(|name| {
            read.borrow_mut().insert(name.to_owned());
            None
        });
        let listed = BTreeSet::from(VARIABLES.map(|variable| variable.name.to_owned()));
        assert_eq!(listed, read.into_inner());
    }

    #[test]
    fn a_listed_default_is_what_an_unset_variable_means() {
        let unset = Config::from_vars(|_| None).unwrap();
        let set = Config::from_vars(|name| {
            let variable = VARIABLES.iter().find(|variable| variable.name == name);
            variable.map(|variable| variable.default.to_owned())
        });
        assert_eq!(format!("{unset:?}"), format!("{:?}", set.unwrap()));
    }
}
