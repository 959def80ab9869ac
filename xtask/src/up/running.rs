//! The running stack, whose parts are started in the order of their dependencies.

use super::Up;
use super::claude::Claude;
use anyhow::{Context, Result, bail};
use harness::binaries::Binaries;
use harness::clock::Deadline;
use harness::envoy_config;
use harness::progress;
use harness::stack::{Server, backend, claude_sim, envoy, health, redis, shim};
use serde_json::Value;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time that a part has to shut down before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// The timeout for the gateway to reach the backend.
const REACH_LIMIT: Duration = Duration::from_secs(30);

/// The store that holds the counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ledger {
    /// A Redis that the stack starts.
    OwnRedis,
    /// The store at this URL: `memory:`, or a running Redis.
    Url(String),
}

impl Ledger {
    /// Parses the value of `--ledger`.
    ///
    /// # Errors
    /// Fails if the URL's scheme is not one that `tollgate serve` supports.
    pub fn from_flag(flag: Option<&str>) -> Result<Self> {
        let Some(url) = flag else { return Ok(Self::OwnRedis) };
        // The shim checks the rest, which can contain a password and must not appear in errors.
        let scheme = url.split_inclusive(':').next().unwrap_or_default();
        let known = ["redis:", "rediss:", "redis+cluster:", "rediss+cluster:"];
        if url != "memory:" && !known.contains(&scheme) {
            bail!(
                "--ledger: expected memory:, redis://HOST:PORT, rediss://HOST:PORT or \
                 redis+cluster://HOST:PORT,HOST:PORT, found {scheme}"
            );
        }
        Ok(Self::Url(url.to_owned()))
    }

    /// Returns the URL of the Redis if the backend can use it for its cache, too. That excludes
    /// `memory:` and a Cluster.
    fn cache_url(url: &str) -> Option<String> {
        let single = url.starts_with("redis:") || url.starts_with("rediss:");
        single.then(|| url.to_owned())
    }
}

/// The parts of a stack.
#[derive(Debug)]
pub struct Parts {
    /// The path of Envoy.
    pub envoy: PathBuf,
    /// The path of the Redis server, if the stack starts one.
    pub redis: Option<PathBuf>,
    /// The path of the Wasm filter, if Envoy runs it.
    pub wasm: Option<PathBuf>,
    /// The path of the dynamic module, if Envoy runs it.
    pub module: Option<PathBuf>,
    /// The paths of the shim, the backend and claude-sim.
    pub binaries: Binaries,
    /// The policy document.
    pub policy: Value,
    /// The source of AI answers.
    pub claude: Claude,
}

/// The running stack. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    // In the order in which they are stopped, so that none loses another that it still needs.
    envoy: Server,
    backend: Server,
    claude: Option<Server>,
    shim: Server,
    redis: Option<Server>,
    access_log: PathBuf,
}

impl Running {
    /// Starts all parts in `dir` and waits until a request gets through to the backend.
    ///
    /// # Errors
    /// Fails if a part does not become ready. The error has the end of its log.
    pub fn start(up: &Up, ledger: &Ledger, parts: &Parts, dir: &Path) -> Result<Self> {
        let redis = parts.redis.clone().map(|program| {
            let port = up.ports.redis()?;
            redis::start(redis::Options { program, port, dir, args: Vec::new() })
        });
        let redis = redis.transpose()?;
        let ledger_url = match (ledger, &redis) {
            (Ledger::Url(url), _) => url.clone(),
            (Ledger::OwnRedis, Some(server)) => redis::url(server),
            (Ledger::OwnRedis, None) => bail!("no Redis to start"),
        };
        say_ready("Redis", redis.as_ref());

        let mut shim = shim::start(shim::Options {
            program: parts.binaries.shim.clone(),
            port: up.ports.shim()?,
            ledger: ledger_url.clone(),
            admin: None,
            dir,
            env: Vec::new(),
        })?;
        shim.wait_ready()?;
        say_ready("the shim", Some(&shim));

        let claude = start_claude(up, parts, dir)?;
        say_ready("claude-sim", claude.as_ref());

        let mut env = salt_of(&parts.policy);
        env.extend(claude_sim::backend_vars(claude.as_ref()));
        let backend = backend::start(backend::Options {
            program: parts.binaries.backend.clone(),
            port: up.ports.backend()?,
            redis_url: Ledger::cache_url(&ledger_url),
            shim_url: Some(shim.url("")),
            dir,
            env,
        })?;
        say_ready("the backend", Some(&backend));

        let access_log = dir.join("access.log");
        std::fs::write(&access_log, "")
            .with_context(|| format!("cannot write {}", access_log.display()))?;
        let mut envoy = start_envoy(up, parts, (&shim, &backend), &ledger_url, &access_log, dir)?;
        let (gateway, admin) = (envoy.addr(), envoy.admin_addr());
        envoy
            .wait_until(Deadline::after(REACH_LIMIT), || health::is_ok(gateway, "/health"))
            .context("the gateway cannot reach the backend")?;
        envoy
            .wait_until(Deadline::after(REACH_LIMIT), || admin.is_some_and(has_keys))
            .context("Envoy cannot fetch the keys that tokens are verified with")?;
        say_ready("Envoy", Some(&envoy));
        Ok(Self { envoy, backend, claude, shim, redis, access_log })
    }

    /// Returns Envoy.
    #[must_use]
    pub const fn envoy(&self) -> &Server {
        &self.envoy
    }

    /// Returns claude-sim, if the stack uses it.
    #[must_use]
    pub const fn claude(&self) -> Option<&Server> {
        self.claude.as_ref()
    }

    /// Returns the path of the filter's file that Envoy watches, given the stack's folder `dir`.
    #[must_use]
    pub fn filter_file(&self, dir: &Path) -> PathBuf {
        envoy::filter_file(dir, self.envoy.port())
    }

    /// Returns the path of the access log, which has the decisions.
    #[must_use]
    pub fn access_log(&self) -> &Path {
        &self.access_log
    }

    /// Checks that all parts are still running.
    ///
    /// # Errors
    /// Fails if a part has ended. The error has the end of its log.
    pub fn check(&mut self) -> Result<()> {
        let redis = self.redis.as_mut().map(|redis| ("Redis", redis));
        let claude = self.claude.as_mut().map(|claude| ("claude-sim", claude));
        let parts = [
            ("Envoy", &mut self.envoy),
            ("the backend", &mut self.backend),
            ("the shim", &mut self.shim),
        ];
        for (name, part) in parts.into_iter().chain(redis).chain(claude) {
            if let Some(status) = part.exited()? {
                bail!(
                    "{name} has ended ({status}); the end of its log, {}:\n{}",
                    part.log().display(),
                    part.log_tail()?
                );
            }
        }
        Ok(())
    }

    /// Stops all parts, and kills those that do not shut down in time.
    ///
    /// # Errors
    /// Fails if waiting for a part fails.
    pub fn stop(mut self) -> Result<()> {
        self.envoy.stop(GRACE)?;
        self.backend.stop(GRACE)?;
        if let Some(claude) = &mut self.claude {
            claude.stop(GRACE)?;
        }
        self.shim.stop(GRACE)?;
        if let Some(redis) = &mut self.redis {
            redis.stop(GRACE)?;
        }
        Ok(())
    }
}

/// Starts claude-sim, unless the backend uses the Claude API.
fn start_claude(up: &Up, parts: &Parts, dir: &Path) -> Result<Option<Server>> {
    if parts.claude == Claude::Service {
        return Ok(None);
    }
    let (program, port) = (parts.binaries.claude_sim.clone(), up.ports.claude()?);
    claude_sim::start(claude_sim::Options { program, port, dir, args: Vec::new() }).map(Some)
}

fn start_envoy(
    up: &Up,
    parts: &Parts,
    (shim, backend): (&Server, &Server),
    ledger: &str,
    access_log: &Path,
    dir: &Path,
) -> Result<Server> {
    let (gateway, admin) = (up.ports.gateway()?, up.ports.admin()?);
    let config = envoy_config::render(&envoy_config::Options {
        gateway: gateway.number().into(),
        admin: admin.number().into(),
        shim: shim.port().into(),
        backend: backend.port().into(),
        front: up.front.front(),
        wasm: parts.wasm.clone(),
        module: parts.module.clone(),
        ledger: Some(ledger.to_owned()),
        policy: Some(parts.policy.clone()),
        access_log: Some(access_log.to_owned()),
        trusted_hops: None,
    })?;
    let program = parts.envoy.clone();
    envoy::start(envoy::Options {
        program,
        gateway,
        admin,
        config: &config,
        workers: up.workers,
        dir,
        env: Vec::new(),
    })
}

/// Returns the backend's variable for the policy's salt, which it needs to name counters.
fn salt_of(policy: &Value) -> Vec<(String, OsString)> {
    let salt = policy.get("salt").and_then(Value::as_str);
    salt.map(|salt| ("TOLLGATE_SALT".to_owned(), salt.into())).into_iter().collect()
}

/// Returns true if the Envoy with the admin interface at `admin` has fetched the backend's signing
/// keys. Until then, users count as clients without a token.
fn has_keys(admin: SocketAddr) -> bool {
    let stats = health::get(admin, "/stats?format=text&filter=jwks_fetch_success");
    stats.is_ok_and(|answer| any_is_counted(&answer.body))
}

/// Returns true if one of `stats`, lines of `name: count`, is above 0.
fn any_is_counted(stats: &str) -> bool {
    let counts = stats.lines().filter_map(|line| line.rsplit_once(": ")?.1.trim().parse().ok());
    counts.into_iter().any(|count: u64| count > 0)
}

fn say_ready(name: &str, server: Option<&Server>) {
    if let Some(server) = server {
        progress::say(format_args!("{name} is ready on {}", server.addr()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_schemes_that_the_shim_supports_are_accepted() {
        let of = |flag| Ledger::from_flag(flag).map_err(|error| error.to_string());
        assert_eq!(of(None), Ok(Ledger::OwnRedis));
        for (url, cache) in [
            ("memory:", false),
            ("redis://127.0.0.1:6379", true),
            ("rediss://user:secret@host", true),
            ("redis+cluster://a:1,b:2", false),
        ] {
            assert_eq!(of(Some(url)), Ok(Ledger::Url(url.to_owned())));
            assert_eq!(Ledger::cache_url(url), cache.then(|| url.to_owned()));
        }
        assert_eq!(
            of(Some("postgres://user:secret@x")).unwrap_err(),
            "--ledger: expected memory:, redis://HOST:PORT, rediss://HOST:PORT or \
             redis+cluster://HOST:PORT,HOST:PORT, found postgres:"
        );
    }

    #[test]
    fn counts_are_parsed_from_envoys_statistics() {
        assert!(!any_is_counted(""));
        assert!(!any_is_counted("http.gateway.jwt_authn.jwks_fetch_success: 0\r\n"));
        assert!(any_is_counted("1c\r\na.b: 0\nhttp.gateway.jwt_authn.jwks_fetch_success: 2\n"));
    }
}
