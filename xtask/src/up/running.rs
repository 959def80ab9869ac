//! The stack as it runs: started in the order in which the parts need each other.

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

/// How long a part may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);
/// How long the gateway may take to reach the backend.
const REACH_LIMIT: Duration = Duration::from_secs(30);

/// Where counters live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ledger {
    /// In a Redis that the stack starts.
    OwnRedis,
    /// Where this URL says: `memory:`, or a Redis that runs already.
    Url(String),
}

impl Ledger {
    /// What `--ledger` says.
    ///
    /// # Errors
    /// Where it is nothing that `tollgate serve` takes.
    pub fn from_flag(flag: Option<&str>) -> Result<Self> {
        let Some(url) = flag else { return Ok(Self::OwnRedis) };
        // What comes after is the shim's to judge, and may hold a password.
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

    /// The Redis that the backend can cache in too: not memory, and not a Cluster.
    fn cache_url(url: &str) -> Option<String> {
        let single = url.starts_with("redis:") || url.starts_with("rediss:");
        single.then(|| url.to_owned())
    }
}

/// What the stack is made of.
#[derive(Debug)]
pub struct Parts {
    /// Envoy.
    pub envoy: PathBuf,
    /// The Redis server, where the stack has one of its own.
    pub redis: Option<PathBuf>,
    /// The filter.
    pub wasm: PathBuf,
    /// The shim, the backend and claude-sim.
    pub binaries: Binaries,
    /// The policy.
    pub policy: Value,
    /// Whom the backend asks.
    pub claude: Claude,
}

/// The running stack. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    // In the order in which they are stopped: nothing loses what it still needs.
    envoy: Server,
    backend: Server,
    claude: Option<Server>,
    shim: Server,
    redis: Option<Server>,
    access_log: PathBuf,
}

impl Running {
    /// Starts everything in `dir` and waits until a request gets through to the backend.
    ///
    /// # Errors
    /// The part that does not get ready, with the end of its log.
    pub fn start(up: &Up, ledger: &Ledger, parts: &Parts, dir: &Path) -> Result<Self> {
        let redis = parts.redis.clone().map(|program| {
            let port = up.ports.redis()?;
            redis::start(redis::Options { program, port, dir, args: Vec::new() })
        });
        let redis = redis.transpose()?;
        let ledger_url = match (ledger, &redis) {
            (Ledger::Url(url), _) => url.clone(),
            (Ledger::OwnRedis, Some(server)) => redis::url(server),
            (Ledger::OwnRedis, None) => bail!("there is no Redis to start"),
        };
        tell("Redis", redis.as_ref());

        let mut shim = shim::start(shim::Options {
            program: parts.binaries.shim.clone(),
            port: up.ports.shim()?,
            ledger: ledger_url.clone(),
            admin: None,
            dir,
            env: Vec::new(),
        })?;
        shim.wait_ready()?;
        tell("the shim", Some(&shim));

        let claude = start_claude(up, parts, dir)?;
        tell("claude-sim", claude.as_ref());

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
        tell("the backend", Some(&backend));

        let access_log = dir.join("access.log");
        std::fs::write(&access_log, "")
            .with_context(|| format!("cannot write {}", access_log.display()))?;
        let mut envoy = start_envoy(up, parts, (&shim, &backend), &access_log, dir)?;
        let (gateway, admin) = (envoy.addr(), envoy.admin_addr());
        envoy
            .wait_until(Deadline::after(REACH_LIMIT), || health::is_ok(gateway, "/health"))
            .context("no request gets through the gateway to the backend")?;
        envoy
            .wait_until(Deadline::after(REACH_LIMIT), || admin.is_some_and(has_keys))
            .context("Envoy cannot fetch the keys that tokens are verified with")?;
        tell("Envoy", Some(&envoy));
        Ok(Self { envoy, backend, claude, shim, redis, access_log })
    }

    /// Envoy.
    #[must_use]
    pub const fn envoy(&self) -> &Server {
        &self.envoy
    }

    /// claude-sim, if it is what the backend asks.
    #[must_use]
    pub const fn claude(&self) -> Option<&Server> {
        self.claude.as_ref()
    }

    /// The filter's file that Envoy watches, if it runs in `dir`.
    #[must_use]
    pub fn filter_file(&self, dir: &Path) -> PathBuf {
        envoy::filter_file(dir, self.envoy.port())
    }

    /// The file that decisions are written to.
    #[must_use]
    pub fn access_log(&self) -> &Path {
        &self.access_log
    }

    /// Whether all parts still run.
    ///
    /// # Errors
    /// The part that has ended, with the end of its log.
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

    /// Ends all parts, each by itself if it can.
    ///
    /// # Errors
    /// Where one cannot be waited for.
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

/// claude-sim, unless the backend asks the service.
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
    access_log: &Path,
    dir: &Path,
) -> Result<Server> {
    let (gateway, admin) = (up.ports.gateway()?, up.ports.admin()?);
    let config = envoy_config::render(&envoy_config::Options {
        gateway: gateway.number().into(),
        admin: admin.number().into(),
        shim: shim.port().into(),
        backend: backend.port().into(),
        wasm: Some(parts.wasm.clone()),
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
    })
}

/// What the backend has to know of another policy, to name counters as that does.
fn salt_of(policy: &Value) -> Vec<(String, OsString)> {
    let salt = policy.get("salt").and_then(Value::as_str);
    salt.map(|salt| ("TOLLGATE_SALT".to_owned(), salt.into())).into_iter().collect()
}

/// Whether the Envoy whose admin interface is at `admin` has fetched the backend's keys. Until
/// then, users count as clients without a token.
fn has_keys(admin: SocketAddr) -> bool {
    let stats = health::get(admin, "/stats?format=text&filter=jwks_fetch_success");
    stats.is_ok_and(|answer| any_is_counted(&answer.body))
}

/// Whether one of `stats`, each `name: count`, is above 0.
fn any_is_counted(stats: &str) -> bool {
    let counts = stats.lines().filter_map(|line| line.rsplit_once(": ")?.1.trim().parse().ok());
    counts.into_iter().any(|count: u64| count > 0)
}

fn tell(name: &str, server: Option<&Server>) {
    if let Some(server) = server {
        progress::say(format_args!("{name} is ready on {}", server.addr()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_a_url_that_the_shim_takes() {
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
    fn counts_are_read_out_of_envoys_statistics() {
        assert!(!any_is_counted(""));
        assert!(!any_is_counted("http.gateway.jwt_authn.jwks_fetch_success: 0\r\n"));
        assert!(any_is_counted("1c\r\na.b: 0\nhttp.gateway.jwt_authn.jwks_fetch_success: 2\n"));
    }
}
