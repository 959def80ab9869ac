//! The whole stack for one test: Redis, the shim, the backend, and one or more Envoys with the
//! filter, on ports and in a folder of its own. All of it ends with the [`Gateway`].

use crate::client::Client;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::OnceLock;
use tempfile::TempDir;
use xtask::binaries::Binaries;
use xtask::stack::{Port, Server, backend, envoy, redis, shim};
use xtask::{envoy_config, paths, setup, wasm};

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the ledger is a Redis, or the shim's memory.
    pub is_redis: bool,
    /// How many Envoys share it.
    pub envoys: usize,
    /// How many workers each has.
    pub workers: u32,
    /// The policy, as written.
    pub policy: Value,
}

/// How long a request waits for the ledger in a test that is not about that: on a busy machine,
/// the shipped policy's 50 ms would have requests decided without it.
const PATIENT: &str = "10s";

impl Default for Options {
    fn default() -> Self {
        let mut policy = shipped_policy();
        policy["shim"]["timeout"] = json!(PATIENT);
        Self { is_redis: true, envoys: 1, workers: 1, policy }
    }
}

/// A running stack. The fields are in the order in which it stops.
#[derive(Debug)]
pub struct Gateway {
    /// The Envoys.
    pub envoys: Vec<Server>,
    /// The backend.
    pub backend: Server,
    /// The shim.
    pub shim: Server,
    /// The Redis, if the ledger is one.
    pub redis: Option<Server>,
    /// Logs, configurations, the database.
    pub dir: TempDir,
}

impl Gateway {
    /// Starts what `options` say and waits until all of it answers.
    ///
    /// # Errors
    /// Where a part does not get ready: with the end of its log.
    pub fn start(options: &Options) -> Result<Self> {
        let dir = TempDir::new()?;
        let redis = if options.is_redis {
            Some(redis::start(redis::Options::new(dir.path())?)?)
        } else {
            None
        };
        let mut shim = shim::start(shim::Options {
            program: binaries().shim.clone(),
            port: Port::free()?,
            ledger: redis.as_ref().map_or_else(|| "memory:".to_owned(), redis::url),
            admin: None,
            dir: dir.path(),
            env: Vec::new(),
        })?;
        shim.wait_ready()?;
        let backend = backend::start(backend::Options {
            program: binaries().backend.clone(),
            port: Port::free()?,
            redis_url: None,
            dir: dir.path(),
            env: Vec::new(),
        })?;
        let envoys = (0..options.envoys)
            .map(|_| start_envoy(options, &shim, &backend, dir.path()))
            .collect::<Result<Vec<_>>>()?;
        let gateway = Self { envoys, backend, shim, redis, dir };
        gateway.wait_for_keys();
        Ok(gateway)
    }

    /// A client of the first Envoy.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_of(0)
    }

    /// A client of Envoy number `at`.
    #[must_use]
    pub fn client_of(&self, at: usize) -> Client {
        Client::of(self.envoys[at].addr())
    }

    /// Signs a user up and in, past the gateway so that nothing is charged: the token.
    #[must_use]
    pub fn token_of(&self, email: &str) -> String {
        let direct = Client::of(self.backend.addr());
        let account = json!({ "email": email, "password": "correct horse battery" });
        let created = direct.post("/api/auth/signup", &account, None);
        assert_eq!(created.status, 201, "{}", created.shown());
        let reply = direct.post("/api/auth/login", &account, None);
        assert_eq!(reply.status, 200, "{}", reply.shown());
        reply.json()["access_token"].as_str().expect("a token").to_owned()
    }

    /// Waits until each Envoy has fetched the keys that tokens are verified with.
    fn wait_for_keys(&self) {
        let deadline = xtask::clock::Deadline::after(xtask::stack::server::READY_LIMIT);
        for envoy in &self.envoys {
            while counter_of(envoy, "jwks_fetch_success") == 0 {
                assert!(!deadline.has_passed(), "Envoy has not fetched the backend's keys");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

/// The sum of Envoy's counters whose names contain `name`.
#[must_use]
pub fn counter_of(envoy: &Server, name: &str) -> u64 {
    let admin = Client::of(envoy.admin_addr().expect("Envoy has an admin port"));
    let stats = admin.get(&format!("/stats?filter={name}&format=text"), None);
    let text = String::from_utf8_lossy(&stats.body).into_owned();
    text.lines()
        .filter_map(|line| line.rsplit_once(": "))
        .filter_map(|(_, count)| count.parse::<u64>().ok())
        .sum()
}

/// `envoy/policy.yaml`.
///
/// # Panics
/// Where it cannot be read.
#[must_use]
pub fn shipped_policy() -> Value {
    envoy_config::read_policy(&paths::root().join("envoy/policy.yaml")).expect("the shipped policy")
}

/// The configuration of an Envoy with `policy` on ports of its own that lead nowhere.
///
/// # Errors
/// Where `envoy/envoy.yaml` is not as expected.
pub fn envoy_with(policy: Value) -> Result<Value> {
    envoy_config::render(&envoy_config::Options {
        wasm: Some(filter().clone()),
        policy: Some(policy),
        ..envoy_config::Options::default()
    })
}

/// The built filter.
pub fn filter() -> &'static PathBuf {
    static FILTER: OnceLock<PathBuf> = OnceLock::new();
    FILTER.get_or_init(|| wasm::build().expect("the filter compiles"))
}

/// The built programs.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| xtask::binaries::build().expect("the programs compile"))
}

fn start_envoy(
    options: &Options,
    shim: &Server,
    backend: &Server,
    dir: &std::path::Path,
) -> Result<Server> {
    let (gateway, admin) = (Port::free()?, Port::free()?);
    let config = envoy_config::render(&envoy_config::Options {
        gateway: gateway.number().into(),
        admin: admin.number().into(),
        shim: shim.addr().port().into(),
        backend: backend.addr().port().into(),
        wasm: Some(filter().clone()),
        policy: Some(options.policy.clone()),
        ..envoy_config::Options::default()
    })?;
    envoy::start(envoy::Options {
        program: setup::envoy()?,
        gateway,
        admin,
        config: &config,
        workers: options.workers,
        dir,
    })
}
