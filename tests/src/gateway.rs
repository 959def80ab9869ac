//! The whole stack for one test: Redis, the shim, the backend, and one or more Envoys with the
//! filter, on ports and in a folder of its own. All of it ends with the [`Gateway`].

use crate::client::Client;
use crate::midnight;
use anyhow::Result;
use harness::binaries::Binaries;
use harness::envoy_config::{Rendered, filter as filter_config};
use harness::stack::{Port, Server, backend, envoy, redis, shim};
use harness::{envoy_config, paths, setup, wasm};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use tempfile::TempDir;

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
    /// Environment of the shim. By default it waits for as long as a busy machine may take.
    pub shim_env: Vec<(String, OsString)>,
    /// Environment of the backend.
    pub backend_env: Vec<(String, OsString)>,
    /// Where requests go, if not to the backend. It keeps serving the keys of tokens.
    pub upstream: Option<SocketAddr>,
    /// A last change of Envoy's configuration, without the filter's file.
    pub edit: fn(&mut Value),
}

/// How long a request waits for the ledger in a test that is not about that: on a busy machine,
/// the shipped policy's 50 ms would have requests decided without it.
const PATIENT: &str = "10s";

/// What says to the backend that a plan was paid for, in the header `Payment-Token`.
pub const PAYMENT_TOKEN: &str = "paid-in-full-by-a-test";

const ROUTES: &str = "/route_config/virtual_hosts/0/routes";

impl Default for Options {
    fn default() -> Self {
        let mut policy = shipped_policy();
        policy["shim"]["timeout"] = json!(PATIENT);
        Self {
            is_redis: true,
            envoys: 1,
            workers: 1,
            policy,
            shim_env: crate::shim::PATIENT.iter().map(crate::shim::owned).collect(),
            backend_env: Vec::new(),
            upstream: None,
            edit: |_| {},
        }
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
        midnight::keep_away();
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
        token_from(&Client::of(self.backend.addr()), email)
    }

    /// Moves another policy into the place of Envoy number `at`'s.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn put_policy(&self, at: usize, policy: &Value) -> Result<()> {
        let file = envoy::filter_file(self.dir.path(), self.envoys[at].addr().port());
        let mut filter = envoy_config::read_yaml(&file)?;
        *filter_config::policy(&mut filter)? = policy.clone();
        filter_config::put(&filter, &file)
    }

    /// Waits until each Envoy has fetched the keys that tokens are verified with.
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

/// Signs a user up and in at `backend`: the token.
///
/// # Panics
/// Where that does not work.
#[must_use]
pub fn token_from(backend: &Client, email: &str) -> String {
    let account = json!({ "email": email, "password": "correct horse battery" });
    let created = backend.post("/api/auth/signup", &account, None);
    assert_eq!(created.status, 201, "{}", created.shown());
    let reply = backend.post("/api/auth/login", &account, None);
    assert_eq!(reply.status, 200, "{}", reply.shown());
    reply.json()["access_token"].as_str().expect("a token").to_owned()
}

/// Envoy's statistics, as its admin port shows them at `path`.
///
/// # Panics
/// Where Envoy has no admin port.
#[must_use]
pub fn stats_of(envoy: &Server, path: &str) -> String {
    let admin = Client::of(envoy.admin_addr().expect("Envoy has an admin port"));
    String::from_utf8_lossy(&admin.get(path, None).body).into_owned()
}

/// The sum of Envoy's counters whose names contain `name`.
#[must_use]
pub fn counter_of(envoy: &Server, name: &str) -> u64 {
    let text = stats_of(envoy, &format!("/stats?filter={name}&format=text"));
    text.lines()
        .filter_map(|line| line.rsplit_once(": "))
        .filter_map(|(_, count)| count.parse::<u64>().ok())
        .sum()
}

/// How often a VM of Envoy's has crashed and been replaced.
///
/// # Panics
/// Where Envoy does not count that, or under another name: nothing would then be told by a 0.
#[must_use]
pub fn vm_reloads(envoy: &Server) -> u64 {
    let text = stats_of(envoy, "/stats?filter=vm_reload&format=text");
    assert!(text.contains("vm_reload"), "Envoy counts no crashes: {text:?}");
    counter_of(envoy, "vm_reload")
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
pub fn envoy_with(policy: Value) -> Result<Rendered> {
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
    BINARIES.get_or_init(|| harness::binaries::build().expect("the programs compile"))
}

fn start_envoy(
    options: &Options,
    shim: &Server,
    backend: &Server,
    dir: &std::path::Path,
) -> Result<Server> {
    let (gateway, admin) = (Port::free()?, Port::free()?);
    let mut config = envoy_config::render(&envoy_config::Options {
        gateway: gateway.number().into(),
        admin: admin.number().into(),
        shim: shim.addr().port().into(),
        backend: backend.addr().port().into(),
        wasm: Some(filter().clone()),
        policy: Some(options.policy.clone()),
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
    })
}

/// Has all routes lead to `upstream`, by a cluster of its own.
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
