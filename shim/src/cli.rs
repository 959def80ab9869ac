//! The command line and the environment. Nothing else reads either.
//!
//! Called by [`crate::run`]. Every value is parsed here into a type that cannot be wrong. An error
//! is one sentence that names the flag and its environment variable.

use crate::secret::Token;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};
use ledger::store::url::{FORMS, LedgerUrl};
use limits::explain::Request;
use limits::facts::Value;
use limits::quota::TopUpAmount;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// The parsed command line.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, about = "Exact rate limits and quotas for Envoy")]
pub(crate) struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve rate limit decisions to gateways, backed by a ledger
    Serve(Serve),
    /// Exit with 0 if a shim's ledger answers, with 1 otherwise
    Healthcheck(Healthcheck),
    /// Show or reset counters, or top up balances
    #[command(subcommand)]
    Counters(Counters),
    /// Give a single key a different limit or no limit, or block it
    #[command(subcommand)]
    Overrides(OverridesCommand),
    /// Check, explain, render or apply a policy
    #[command(subcommand)]
    Policy(PolicyCommand),
}

/// `tollgate serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on, for HTTP/1.1 and HTTP/2 with prior knowledge. Let only gateways and the
    /// backend reach this port: it has no authentication, and a caller can use up anyone's limits
    #[arg(long, env = "TOLLGATE_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8081", value_parser = address)]
    pub listen: SocketAddr,
    #[doc = "The store that holds the counters"]
    #[arg(long, env = "TOLLGATE_LEDGER", value_name = "URL", hide_env_values = true, default_value = "redis://127.0.0.1:6390", value_parser = ledger, help = format!("The store that holds the counters: {FORMS}"))]
    pub ledger: LedgerUrl,
    /// Address to listen on for the operator's commands. Open only if TOLLGATE_ADMIN_TOKEN is set
    #[arg(long, env = "TOLLGATE_ADMIN_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8082", value_parser = address)]
    pub admin_listen: SocketAddr,
    /// The bearer token of the operator's commands. Prefer the variable: other users of the machine
    /// can see flags
    #[arg(long, env = "TOLLGATE_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = token)]
    pub admin_token: Option<Token>,
    /// Timeout for connecting to Redis
    #[arg(long, env = "TOLLGATE_REDIS_CONNECT_TIMEOUT_MS", value_name = "MS", default_value = "1000", value_parser = timeout_ms)]
    pub redis_connect_timeout_ms: u32,
    /// Timeout for a response from Redis
    #[arg(long, env = "TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", value_name = "MS", default_value = "500", value_parser = timeout_ms)]
    pub redis_response_timeout_ms: u32,
    /// Timeout of a call. A caller can shorten it with x-envoy-expected-rq-timeout-ms
    #[arg(
        long,
        env = "TOLLGATE_DEADLINE_MS",
        value_name = "MS",
        default_value = "1000",
        value_parser = timeout_ms
    )]
    pub deadline_ms: u32,
    /// The most counters in the ledger `memory:`. A counter takes up to 2 KB
    #[arg(long, env = "TOLLGATE_MEMORY_COUNTERS", value_name = "NUMBER", default_value = "1000000", value_parser = memory_counters)]
    pub memory_counters: u32,
    /// Number of worker threads. One thread has the lowest latency and cost, since no work moves
    /// between threads; use more only if one is not enough
    #[arg(long, env = "TOLLGATE_THREADS", value_name = "NUMBER", default_value = "1", value_parser = threads)]
    pub threads: u32,
    /// Log level: error, warn, info, debug, or a tracing filter
    #[arg(long, env = "TOLLGATE_LOG", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log: LogFilter,
}

/// `tollgate healthcheck`
#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// The health endpoint of the shim
    #[arg(long, env = "TOLLGATE_HEALTH_URL", value_name = "URL", default_value = "http://127.0.0.1:8081/healthz", value_parser = http_url)]
    pub url: hyper::Uri,
}

/// `tollgate counters`
#[derive(Debug, Subcommand)]
pub(crate) enum Counters {
    /// Show a key's limit and what remains of it
    Show {
        /// The counter
        #[command(flatten)]
        target: Target,
        /// The parts of a request that can choose the limit
        #[command(flatten)]
        request: TypedFacts,
    },
    /// Add to a key's balance, once for each id. Waiting for an answer in vain is safe: repeat the
    /// same command
    TopUp {
        /// The counter
        #[command(flatten)]
        target: Target,
        /// The amount to add
        #[arg(long, value_name = "NUMBER", value_parser = top_up_amount)]
        amount: TopUpAmount,
        /// An id of your own, such as a payment's: 1 to 64 letters, digits, `.`, `_` or `-`. A
        /// second top-up with the same id adds nothing
        #[arg(long, value_name = "ID")]
        id: String,
    },
    /// Forget everything charged to a key, and lift its block. A balance loses its top-ups too
    Reset {
        /// The counter
        #[command(flatten)]
        target: Target,
    },
    /// Lift a key's block for repeated refusals, and keep what was charged
    Unblock {
        /// The counter
        #[command(flatten)]
        target: Target,
    },
}

/// `tollgate overrides`
#[derive(Debug, Subcommand)]
pub(crate) enum OverridesCommand {
    /// Override a key's quota
    Set {
        /// The counter
        #[command(flatten)]
        target: Target,
        /// The override
        #[command(flatten)]
        action: Action,
    },
    /// List the overrides in force
    List {
        /// The shim's admin API
        #[command(flatten)]
        admin: Admin,
    },
    /// Remove a key's override, so that its quota applies again
    Remove {
        /// The counter
        #[command(flatten)]
        target: Target,
    },
}

/// `tollgate policy`
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Report every mistake in a policy with its line; exit with 1 if there are any
    Check {
        /// The policy document
        file: PathBuf,
    },
    /// Explain what a request is charged, to which key, and why
    Explain {
        /// The policy document
        file: PathBuf,
        /// The request
        #[command(flatten)]
        request: TypedRequest,
    },
    /// Print a policy with values of your own set in it
    #[command(after_help = PATHS)]
    Render {
        /// The policy document
        file: PathBuf,
        /// The values
        #[command(flatten)]
        sets: Sets,
        /// Print JSON rather than YAML
        #[arg(long)]
        json: bool,
    },
    /// Check a policy and write it to the file that Envoy watches, atomically
    #[command(after_help = PATHS)]
    Apply {
        /// The policy document
        file: PathBuf,
        /// The filter's file, such as envoy/tollgate.yaml
        to: PathBuf,
        /// The values
        #[command(flatten)]
        sets: Sets,
        /// Take everything except the policy from this file. The filter's file need not exist then
        #[arg(long, value_name = "FILE")]
        template: Option<PathBuf>,
    },
    /// Print the JSON Schema of policies, for editors
    Schema,
}

/// Values to set in a policy.
#[derive(Debug, Default, Args)]
pub(crate) struct Sets {
    /// Set a value in the policy: buckets.auth.limit=5
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    pub set: Vec<Pair>,
    /// Set a value from an environment variable, unless that is unset or empty: salt=TOLLGATE_SALT.
    /// @FILE reads a PATH=VARIABLE from each line of a file, for example envoy/policy.variables
    #[arg(long, value_name = "PATH=VARIABLE", value_parser = settings)]
    pub set_env: Vec<Settings>,
}

/// One or more of `PATH=VARIABLE`.
type Settings = Vec<Pair>;

/// The help text on the paths in [`Sets`].
const PATHS: &str = "\
A path is a list of keys separated by dots; * matches every key: buckets.*.enforce. A path that starts \
with / is a JSON pointer. Only the last key of a path can be new. A value is a whole number, true, \
false or text; enforce also accepts yes, no, on, off, 1 and 0. --set takes precedence over --set-env, \
and later flags over earlier ones. A variable that is true leaves buckets.*.enforce unchanged.

With --set-env, a publicly known salt is refused if the variable ENVIRONMENT is set to anything other \
than development.";

/// Returns the environment variable `name`, with U+FFFD in place of invalid UTF-8.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// A request described by flags.
#[derive(Debug, Args)]
pub(crate) struct TypedRequest {
    /// The request's method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub method: String,
    /// The request's path, as sent
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub path: String,
    /// The client's address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = ip)]
    pub client: IpAddr,
    /// The parts of a request that can choose a limit.
    #[command(flatten)]
    pub facts: TypedFacts,
}

/// The parts of a request that can choose a limit.
#[derive(Debug, Args)]
pub(crate) struct TypedFacts {
    /// The request's host
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    pub host: String,
    /// A header of the request. The values of a repeated header are joined by commas
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub header: Vec<Pair>,
    /// A claim of the request's verified token: sub=42; a nested claim: org.id=7; a name with a dot:
    /// /org.id=7; a list: roles=["admin","staff"]; a number or Boolean: level:=3
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub claim: Vec<Pair>,
    /// The name of Envoy's route
    #[arg(long, value_name = "NAME", default_value = "")]
    pub route: String,
    /// A value in the route's metadata: tollgate.plan=gold
    #[arg(long, value_name = "NAMESPACE.NAME=VALUE", value_parser = pair)]
    pub metadata: Vec<Pair>,
    /// A value in the dynamic metadata that another filter stores:
    /// envoy.filters.http.ext_authz.plan=gold
    #[arg(long, value_name = "NAMESPACE.NAME=VALUE", value_parser = pair)]
    pub dynamic_metadata: Vec<Pair>,
}

impl TypedFacts {
    /// Returns a request with these facts, and the defaults for the others.
    pub(crate) fn request(&self) -> Request {
        let pairs = |pairs: &[Pair]| pairs.iter().map(value).collect();
        let mut headers = BTreeMap::<String, String>::new();
        for Pair { name, value } in &self.header {
            let values = headers.entry(name.to_lowercase());
            values.and_modify(|all| *all += &format!(",{value}")).or_insert_with(|| value.clone());
        }
        Request {
            host: self.host.clone(),
            headers,
            claims: pairs(&self.claim),
            route_name: self.route.clone(),
            route_metadata: pairs(&self.metadata),
            metadata: pairs(&self.dynamic_metadata),
            ..Request::default()
        }
    }
}

/// Reads a claim or a metadata value: a list if it is one in JSON, a number or Boolean after `:=`, and
/// otherwise text.
fn value(pair: &Pair) -> (String, Value) {
    let json = serde_json::from_str::<serde_json::Value>(&pair.value).ok();
    match (pair.name.strip_suffix(':'), json) {
        (Some(name), Some(json)) => (name.to_owned(), of_json(json)),
        (None, Some(list @ serde_json::Value::Array(_))) => (pair.name.clone(), of_json(list)),
        _ => (pair.name.clone(), Value::from(pair.value.as_str())),
    }
}

/// Returns a JSON value as Envoy's filters see it.
fn of_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
        serde_json::Value::Bool(is) => Value::Bool(is),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(of_json).collect()),
        other => Value::from(other.to_string()),
    }
}

/// The effect of an override: exactly one of the three.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Action {
    /// Use this limit (for a token bucket: this burst, and the rate in proportion)
    #[arg(long, value_name = "NUMBER", value_parser = limit)]
    pub limit: Option<limits::quota::Limit>,
    /// Count requests, but never deny them
    #[arg(long)]
    pub unlimited: bool,
    /// Deny every request until this time: 2026-12-24T18:00:00Z, or a duration such as 30m
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub blocked_until: Option<Until>,
}

/// A counter, identified by bucket and key.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The bucket, as in the policy
    #[arg(long, value_name = "NAME")]
    pub bucket: String,
    /// The key's name in the policy, and its value: user=42, client=203.0.113.7. For a key with `all`:
    /// both=user=42,client=203.0.113.7, with `\,` for a comma in a value
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub key: Pair,
    /// The policy document that the gateways use
    #[arg(long, env = "TOLLGATE_POLICY", value_name = "FILE", default_value = "envoy/policy.yaml")]
    pub policy: PathBuf,
    /// The shim's admin API
    #[command(flatten)]
    pub admin: Admin,
}

/// Access to a shim's admin API.
#[derive(Debug, Args)]
pub(crate) struct Admin {
    /// URL of the shim's admin port
    #[arg(long, env = "TOLLGATE_ADMIN_URL", value_name = "URL", default_value = "http://127.0.0.1:8082", value_parser = http_url)]
    pub admin_url: hyper::Uri,
    /// The shim's admin token. Prefer the variable or a file: other users of the machine can see
    /// flags
    #[arg(long, env = "TOLLGATE_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = token)]
    pub admin_token: Option<Token>,
    /// A file to read the token from
    #[arg(long, env = "TOLLGATE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// `name=value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The part before the first `=`.
    pub name: String,
    /// The part after the first `=`.
    pub value: String,
}

/// A point in time, absolute or relative to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Unix milliseconds.
    Time(u64),
    /// Milliseconds from now.
    InMs(u64),
}

/// A valid tracing filter. ([`EnvFilter`] itself is not `Clone`.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFilter(String);

impl LogFilter {
    /// Returns the filter.
    #[must_use]
    pub(crate) fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

/// Text to print instead of running a command, and the exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Goes to standard output if `code` is 0 (`--help` and `--version`), otherwise to standard
    /// error.
    pub text: String,
    /// 0, or 2 for a usage error.
    pub code: u8,
}

impl Cli {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// [`Stop`] for `--help`, `--version` and usage errors.
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        Self::try_parse_from(args).map_err(|error| stop(&error))
    }
}

fn stop(error: &clap::Error) -> Stop {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let code = if error.use_stderr() { 2 } else { 0 };
            Stop { text: error.render().to_string(), code }
        }
        ErrorKind::ValueValidation => Stop { text: bad_value(error), code: 2 },
        _ => {
            let rendered = error.render().to_string();
            let text = rendered.lines().take_while(|line| !line.is_empty());
            let text: Vec<_> = text.map(|line| line.trim_start_matches("error: ").trim()).collect();
            Stop { text: format!("tollgate: {}; see --help\n", text.join(" ")), code: 2 }
        }
    }
}

/// Renders `tollgate: --listen (or TOLLGATE_LISTEN): expected …`. The parsers below add the value
/// found, unless it can be a secret.
fn bad_value(error: &clap::Error) -> String {
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => arg.split(' ').next().unwrap_or_default().to_owned(),
        _ => "a flag".to_owned(),
    };
    let variable = variable_of(&Cli::command(), flag.trim_start_matches('-'));
    let name = variable.map_or_else(|| flag.clone(), |variable| format!("{flag} (or {variable})"));
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("tollgate: {name}: {}\n", source.unwrap_or_else(|| "invalid value".to_owned()))
}

fn variable_of(command: &clap::Command, long: &str) -> Option<String> {
    let own = command.get_arguments().find(|arg| arg.get_long() == Some(long));
    own.and_then(|arg| Some(arg.get_env()?.to_str()?.to_owned()))
        .or_else(|| command.get_subcommands().find_map(|command| variable_of(command, long)))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let bad = || format!("expected an address and a port such as 127.0.0.1:8081, found {text:?}");
    text.parse().map_err(|_| bad())
}

fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("expected an address such as 203.0.113.7, found {text:?}"))
}

fn ledger(text: &str) -> Result<LedgerUrl, String> {
    text.parse().map_err(|error: ledger::store::url::BadLedgerUrl| error.to_string())
}

fn token(text: &str) -> Result<Token, String> {
    text.parse().map_err(|error: crate::secret::BadToken| error.to_string())
}

fn timeout_ms(text: &str) -> Result<u32, String> {
    whole(text, 1, 60_000, "milliseconds")
}

fn memory_counters(text: &str) -> Result<u32, String> {
    whole(text, 1, 1_000_000_000, "counters")
}

fn threads(text: &str) -> Result<u32, String> {
    whole(text, 1, 256, "threads")
}

fn whole(text: &str, least: u32, most: u32, what: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        format!("expected a whole number of {what} from {least} to {most}, found {text:?}")
    })
}

fn limit(text: &str) -> Result<limits::quota::Limit, String> {
    let number = text.parse().ok().and_then(|number| limits::quota::Limit::new(number).ok());
    number.ok_or_else(|| format!("expected a whole number from 1 to 2^53, found {text:?}"))
}

fn top_up_amount(text: &str) -> Result<TopUpAmount, String> {
    let number = text.parse().ok().and_then(|number| TopUpAmount::new(number).ok());
    number.ok_or_else(|| format!("expected a whole number from 1 to 2^52, found {text:?}"))
}

fn log_filter(text: &str) -> Result<LogFilter, String> {
    let bad = || {
        format!(
            "expected error, warn, info, debug, trace or a filter such as shim=debug, found {text:?}"
        )
    };
    EnvFilter::try_new(text).map_err(|_| bad())?;
    Ok(LogFilter(text.to_owned()))
}

fn http_url(text: &str) -> Result<hyper::Uri, String> {
    let bad = || format!("expected a URL such as http://127.0.0.1:8081, found {text:?}");
    let url: hyper::Uri = text.parse().map_err(|_| bad())?;
    if url.scheme_str() == Some("http") && url.host().is_some() { Ok(url) } else { Err(bad()) }
}

fn pair(text: &str) -> Result<Pair, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok(Pair { name: name.to_owned(), value: value.to_owned() })
        }
        _ => Err(format!("expected NAME=VALUE such as user=42, found {text:?}")),
    }
}

fn setting(text: &str) -> Result<Pair, String> {
    pair(text)
        .map_err(|_| format!("expected PATH=VALUE such as buckets.auth.limit=5, found {text:?}"))
}

fn settings(text: &str) -> Result<Settings, String> {
    let one = |text: &str| {
        pair(text).map_err(|_| format!("expected PATH=VARIABLE or @FILE, found {text:?}"))
    };
    let Some(file) = text.strip_prefix('@') else { return Ok(vec![one(text)?]) };
    let text = crate::file::read(file.as_ref()).map_err(|error| format!("{error:#}"))?;
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| one(line).map_err(|error| format!("{file}: {error}"))).collect()
}

fn until(text: &str) -> Result<Until, String> {
    let bad = || {
        format!(
            "expected a time such as 2026-12-24T18:00:00Z or a duration such as 30m, found {text:?}"
        )
    };
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return u64::try_from(at.as_millisecond()).map(Until::Time).map_err(|_| bad());
    }
    let length: jiff::Span = text.parse().map_err(|_| bad())?;
    let days_are_24_hours = jiff::SpanRelativeTo::days_are_24_hours();
    let length = length.to_duration(days_are_24_hours).map_err(|_| bad())?;
    u64::try_from(length.as_millis()).ok().filter(|ms| *ms > 0).map(Until::InMs).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage_error(args: &[&str]) -> String {
        let args = std::iter::once("tollgate").chain(args.iter().copied());
        let stop = Cli::read(args.map(OsString::from)).expect_err("a usage error");
        assert_eq!(stop.code, 2, "{}", stop.text);
        assert_eq!(stop.text.lines().count(), 1, "{}", stop.text);
        stop.text.trim().to_owned()
    }

    #[test]
    fn a_usage_error_is_one_sentence_that_names_flag_and_variable() {
        insta::assert_snapshot!(usage_error(&["serve", "--listen", "8081"]), @r#"tollgate: --listen (or TOLLGATE_LISTEN): expected an address and a port such as 127.0.0.1:8081, found "8081""#);
        insta::assert_snapshot!(usage_error(&["serve", "--ledger", "redis:/secret@x"]), @"tollgate: --ledger (or TOLLGATE_LEDGER): expected memory:, redis://HOST:PORT, rediss://HOST:PORT (TLS), redis+cluster://HOST:PORT,HOST:PORT or rediss+cluster://…; all except memory: accept USER:PASSWORD@ and, outside a Cluster, /DB; found no scheme");
        insta::assert_snapshot!(usage_error(&["serve", "--admin-token", "short-secret"]), @"tollgate: --admin-token (or TOLLGATE_ADMIN_TOKEN): expected a token of 16 to 256 visible ASCII characters, as from `openssl rand -hex 32`, found a shorter one");
        insta::assert_snapshot!(usage_error(&["serve", "--redis-response-timeout-ms", "0"]), @r#"tollgate: --redis-response-timeout-ms (or TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS): expected a whole number of milliseconds from 1 to 60000, found "0""#);
        insta::assert_snapshot!(usage_error(&["serve", "--log", "shim=loud"]), @r#"tollgate: --log (or TOLLGATE_LOG): expected error, warn, info, debug, trace or a filter such as shim=debug, found "shim=loud""#);
        insta::assert_snapshot!(usage_error(&["serve", "--lisen", "127.0.0.1:1"]), @"tollgate: unexpected argument '--lisen' found; see --help");
        insta::assert_snapshot!(usage_error(&["serve", "now"]), @"tollgate: unexpected argument 'now' found; see --help");
        insta::assert_snapshot!(usage_error(&["healthcheck", "--url", "localhost:8081"]), @r#"tollgate: --url (or TOLLGATE_HEALTH_URL): expected a URL such as http://127.0.0.1:8081, found "localhost:8081""#);
        insta::assert_snapshot!(usage_error(&["overrides", "set", "--bucket", "ai", "--key", "user=42"]), @"tollgate: the following required arguments were not provided: <--limit <NUMBER>|--unlimited|--blocked-until <TIME>>; see --help");
        insta::assert_snapshot!(usage_error(&["counters", "show", "--bucket", "ai", "--key", "42"]), @r#"tollgate: --key: expected NAME=VALUE such as user=42, found "42""#);
        insta::assert_snapshot!(usage_error(&["overrides", "set", "--bucket", "ai", "--key", "user=42", "--limit", "0"]), @r#"tollgate: --limit: expected a whole number from 1 to 2^53, found "0""#);
        insta::assert_snapshot!(usage_error(&["overrides", "set", "--bucket", "ai", "--key", "user=42", "--blocked-until", "soon"]), @r#"tollgate: --blocked-until: expected a time such as 2026-12-24T18:00:00Z or a duration such as 30m, found "soon""#);
    }

    #[test]
    fn the_command_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_is_absolute_or_relative() {
        assert_eq!(until("1970-01-01T00:00:01Z"), Ok(Until::Time(1_000)));
        assert_eq!(until("30m"), Ok(Until::InMs(1_800_000)));
        assert_eq!(until("1h30m"), Ok(Until::InMs(5_400_000)));
        assert_eq!(until("7d"), Ok(Until::InMs(604_800_000)));
        assert!(until("1mo").is_err(), "a month has no fixed length");
        for bad in ["0s", "-5m", "1960-01-01T00:00:00Z", "tomorrow"] {
            assert!(until(bad).is_err(), "{bad}");
        }
    }
}
