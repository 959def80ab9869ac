//! The whole stack for one test: Redis, the shim, the backend, and one or more Envoys with the
//! filter, on free ports and in a temporary directory. Everything stops when [`Gateway`] is
//! dropped.

use crate::client::Client;
use crate::midnight;
use anyhow::Result;
use harness::binaries::Binaries;
use harness::envoy_config::{Front, Rendered, filter as filter_config};
use harness::stack::{Port, Server, backend, envoy, redis, shim};
use harness::{envoy_config, paths, setup, wasm};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The parts to start, and their settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// True for a ledger in Redis, false for one in the shim's memory.
    pub is_redis: bool,
    /// The form in which Envoy runs Tollgate.
    pub front: Front,
    /// The ledger of the dynamic module, in place of the stack's.
    pub ledger: Option<String>,
    /// The dynamic module, if not the one that users load.
    pub module: Option<PathBuf>,
    /// The number of Envoys.
    pub envoys: usize,
    /// The number of workers of each Envoy.
    pub workers: u32,
    /// The policy.
    pub policy: Value,
    /// Environment variables for the shim, and for Envoy with the dynamic module. The default
    /// timeouts are long enough for a busy machine.
    pub shim_env: Vec<(String, OsString)>,
    /// Environment variables for the backend.
    pub backend_env: Vec<(String, OsString)>,
    /// The target of requests instead of the backend, which still serves the JWKS.
    pub upstream: Option<SocketAddr>,
    /// A final edit of Envoy's configuration, excluding the filter's file.
    pub edit: fn(&mut Value),
}

/// The policy's timeout in tests that are not about timeouts. With the shipped policy's 50 ms, a
/// busy machine would decide some requests without the ledger.
const LONG_TIMEOUT: &str = "10s";

/// The value of the `Payment-Token` header that proves to the backend that a plan was paid for.
pub const PAYMENT_TOKEN: &str = "paid-in-full-by-a-test";

const ROUTES: &str = "/route_config/virtual_hosts/0/routes";

impl Default for Options {
    fn default() -> Self {
        let mut policy = shipped_policy();
        policy["shim"]["timeout"] = json!(LONG_TIMEOUT);
        Self {
            is_redis: true,
            front: front(),
            ledger: None,
            module: None,
            envoys: 1,
            workers: 1,
            policy,
            shim_env: crate::shim::LONG_TIMEOUTS.iter().map(crate::shim::owned).collect(),
            backend_env: Vec::new(),
            upstream: None,
            edit: |_| {},
        }
    }
}

/// A running stack. Fields are declared in the order in which they stop.
#[derive(Debug)]
pub struct Gateway {
    /// The form in which Envoy runs Tollgate.
    pub front: Front,
    /// The Envoys.
    pub envoys: Vec<Server>,
    /// The backend.
    pub backend: Server,
    /// The shim.
    pub shim: Server,
    /// The Redis, if the ledger uses it.
    pub redis: Option<Server>,
    /// Logs, configurations, the database.
    pub dir: TempDir,
}

impl Gateway {
    /// Starts the stack and waits until every part answers.
    ///
    /// # Errors
    /// Fails if a part does not become ready. The error includes the end of its log.
    pub fn start(options: &Options) -> Result<Self> {
        midnight::wait_if_near();
        let dir = TempDir::new()?;
        let redis = if options.is_redis {
            Some(redis::start(redis::Options::new(dir.path())?)?)
        } else {
            None
        };
        let ledger = redis.as_ref().map_or_else(|| "memory:".to_owned(), redis::url);
        let mut shim = shim::start(shim::Options {
            program: binaries().shim.clone(),
            port: Port::free()?,
            ledger: ledger.clone(),
            admin: None,
            dir: dir.path(),
            env: options.shim_env.clone(),
        })?;
        shim.wait_ready()?;
        let payment_token = ("PAYMENT_TOKEN".to_owned(), PAYMENT_TOKEN.into());
        let backend = backend::start(backend::Options {
            program: binaries().backend.clone(),
            port: Port::free()?,
            redis_url: None,
            shim_url: Some(shim.url("")),
            dir: dir.path(),
            env: [vec![payment_token], options.backend_env.clone()].concat(),
        })?;
        let envoys = (0..options.envoys)
            .map(|_| start_envoy(options, &shim, &ledger, &backend, dir.path()))
            .collect::<Result<Vec<_>>>()?;
        let gateway = Self { front: options.front, envoys, backend, shim, redis, dir };
        gateway.wait_for_keys();
        Ok(gateway)
    }

    /// Returns a client of the first Envoy.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_of(0)
    }

    /// Returns a client of Envoy `at`.
    #[must_use]
    pub fn client_of(&self, at: usize) -> Client {
        Client::of(self.envoys[at].addr())
    }

    /// Returns the server that Envoy asks for decisions: the shim, or Redis with the dynamic module.
    ///
    /// # Panics
    /// Panics if the dynamic module counts in its own memory.
    #[must_use]
    pub fn ledger_server(&mut self) -> &mut Server {
        match self.front {
            Front::Wasm => &mut self.shim,
            Front::Module => self.redis.as_mut().expect("a ledger in Redis"),
        }
    }

    /// Signs up a user and logs in directly at the backend, so nothing is charged. Returns the
    /// token.
    #[must_use]
    pub fn token_of(&self, email: &str) -> String {
        token_from(&Client::of(self.backend.addr()), email)
    }

    /// Replaces the policy of Envoy `at`.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written.
    pub fn put_policy(&self, at: usize, policy: &Value) -> Result<()> {
        let file = envoy::filter_file(self.dir.path(), self.envoys[at].addr().port());
        let mut filter = envoy_config::read_yaml(&file)?;
        *filter_config::policy(&mut filter)? = policy.clone();
        filter_config::put(&filter, &file)
    }

    /// Waits until each Envoy has fetched the JWKS.
    fn wait_for_keys(&self) {
        let deadline = harness::clock::Deadline::after(harness::stack::server::READY_LIMIT);
        for envoy in &self.envoys {
            while counter_of(envoy, "jwks_fetch_success") == 0 {
                assert!(!deadline.has_passed(), "Envoy has not fetched the backend's keys");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

/// Signs up a user at `backend` and logs in. Returns the token.
///
/// # Panics
/// Panics if either fails.
#[must_use]
pub fn token_from(backend: &Client, email: &str) -> String {
    let account = json!({ "email": email, "password": "correct horse battery" });
    let created = backend.post("/api/auth/signup", &account, None);
    assert_eq!(created.status, 201, "{}", created.as_text());
    let reply = backend.post("/api/auth/login", &account, None);
    assert_eq!(reply.status, 200, "{}", reply.as_text());
    reply.json()["access_token"].as_str().expect("a token").to_owned()
}

/// Returns the text of Envoy's admin endpoint `path`.
///
/// # Panics
/// Panics if Envoy has no admin port.
#[must_use]
pub fn stats_of(envoy: &Server, path: &str) -> String {
    let admin = Client::of(envoy.admin_addr().expect("Envoy has an admin port"));
    String::from_utf8_lossy(&admin.get(path, None).body).into_owned()
}

/// Returns the sum of Envoy's counters whose names contain `name`.
#[must_use]
pub fn counter_of(envoy: &Server, name: &str) -> u64 {
    let text = stats_of(envoy, &format!("/stats?filter={name}&format=text"));
    text.lines()
        .filter_map(|line| line.rsplit_once(": "))
        .filter_map(|(_, count)| count.parse::<u64>().ok())
        .sum()
}

/// Returns the number of times that Tollgate failed in `envoy`: the VMs that Envoy replaced after a
/// crash, or the panics of the dynamic module, which Rust prints to Envoy's log.
///
/// # Panics
/// Panics if Envoy has no counter of such VMs, because 0 would then prove nothing.
#[must_use]
pub fn crashes(envoy: &Server) -> u64 {
    match front() {
        Front::Wasm => {
            let text = stats_of(envoy, "/stats?filter=vm_reload&format=text");
            assert!(text.contains("vm_reload"), "expected a vm_reload counter, got {text:?}");
            counter_of(envoy, "vm_reload")
        }
        Front::Module => {
            let log = std::fs::read_to_string(envoy.log()).expect("Envoy's log");
            log.lines().filter(|line| line.contains("panicked at")).count() as u64
        }
    }
}

/// Reads `envoy/policy.yaml`.
///
/// # Panics
/// Panics if it cannot be read.
#[must_use]
pub fn shipped_policy() -> Value {
    envoy_config::read_policy(&paths::root().join("envoy/policy.yaml")).expect("the shipped policy")
}

/// Renders the configuration of an Envoy with `policy`. Its ports lead nowhere.
///
/// # Errors
/// Fails if a file in `envoy/` lacks an expected part.
pub fn envoy_with(policy: Value) -> Result<Rendered> {
    envoy_config::render(&envoy_config::Options {
        wasm: (front() == Front::Wasm).then(|| filter().clone()),
        policy: Some(policy),
        front: front(),
        module: (front() == Front::Module).then(|| module().clone()),
        ..envoy_config::Options::default()
    })
}

/// Builds the filter once and returns its path.
pub fn filter() -> &'static PathBuf {
    static FILTER: OnceLock<PathBuf> = OnceLock::new();
    FILTER.get_or_init(|| wasm::build().expect("the filter compiles"))
}

/// Builds the programs once and returns their paths.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| harness::binaries::build().expect("the programs compile"))
}

/// Returns the form in which Envoy runs Tollgate in this run of the tests: the dynamic module if the
/// variable `TOLLGATE_FRONT` is `module`.
///
/// # Panics
/// Panics if the variable has another value, so that a mistake does not test the wrong thing.
#[must_use]
pub fn front() -> Front {
    match harness::env::text("TOLLGATE_FRONT").as_deref() {
        None | Some("wasm") => Front::Wasm,
        Some("module") => Front::Module,
        Some(other) => panic!("TOLLGATE_FRONT: expected wasm or module, found {other:?}"),
    }
}

/// Builds the dynamic module once and returns its path.
pub fn module() -> &'static PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| harness::binaries::build_module().expect("the module compiles"))
}

fn start_envoy(
    options: &Options,
    shim: &Server,
    ledger: &str,
    backend: &Server,
    dir: &std::path::Path,
) -> Result<Server> {
    let (gateway, admin) = (Port::free()?, Port::free()?);
    let mut config = envoy_config::render(&envoy_config::Options {
        gateway: gateway.number().into(),
        admin: admin.number().into(),
        shim: shim.addr().port().into(),
        backend: backend.addr().port().into(),
        wasm: (options.front == Front::Wasm).then(|| filter().clone()),
        policy: Some(options.policy.clone()),
        front: options.front,
        module: (options.front == Front::Module)
            .then(|| options.module.clone().unwrap_or_else(|| module().clone())),
        ledger: Some(options.ledger.clone().unwrap_or_else(|| ledger.to_owned())),
        ..envoy_config::Options::default()
    })?;
    if let Some(upstream) = options.upstream {
        route_to(&mut config.envoy, upstream)?;
    }
    (options.edit)(&mut config.envoy);
    envoy::start(envoy::Options {
        program: setup::envoy()?,
        gateway,
        admin,
        config: &config,
        workers: options.workers,
        dir,
        env: options.shim_env.clone(),
    })
}

/// Points all routes to `upstream`, through an additional cluster.
fn route_to(config: &mut Value, upstream: SocketAddr) -> Result<()> {
    let clusters = envoy_config::at(config, "/static_resources/clusters")?;
    let mut cluster = envoy_config::named(clusters, "backend")?.clone();
    cluster["name"] = json!("upstream");
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
    *envoy_config::at(&mut cluster, address)? = json!({
        "socket_address": { "address": upstream.ip().to_string(), "port_value": upstream.port() },
    });
    clusters.as_array_mut().expect("a list of clusters").push(cluster);
    let http = envoy_config::http_connection_manager(config)?;
    let routes = envoy_config::at(http, ROUTES)?.as_array_mut().expect("a list of routes");
    for route in routes {
        *envoy_config::at(route, "/route/cluster")? = json!("upstream");
    }
    Ok(())
}
