//! Two Envoys with two workers each, two shims, and a Redis that persists every acknowledged write.
//! The dynamic module needs no shims.

use harness::envoy_config::{self, Front, at, filter, named};
use harness::setup;
use harness::stack::{Port, Server, envoy, redis};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use tests::gateway;
use tests::shim::{start_redis, start_shim};

/// The policy's timeout for a decision, in ms.
pub(super) const TIMEOUT_MS: u64 = 250;
/// The limit per window of [`WINDOW_S`], by path.
pub(super) const LIMITS: [(&str, usize); 3] = [("/strict", 40), ("/hot", 1_500), ("/near", 40)];
pub(super) const WINDOW_S: u64 = 4;
/// A limit that is never reached.
const OPEN_LIMIT: u64 = 1_000_000;
/// The shims' default timeouts.
const AS_SHIPPED: [(&str, &str); 2] =
    [("TOLLGATE_DEADLINE_MS", "1000"), ("TOLLGATE_REDIS_RESPONSE_TIMEOUT_MS", "500")];

/// Fields are declared in the order in which the processes stop.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) envoys: Vec<Server>,
    pub(super) shims: Vec<Server>,
    pub(super) redis: Server,
    dir: TempDir,
}

impl Stack {
    pub(super) fn start(upstream: u16) -> Self {
        let dir = TempDir::new().unwrap();
        let redis = start_redis(dir.path(), &["--appendonly", "yes", "--appendfsync", "always"]);
        let count = match gateway::front() {
            Front::Wasm => 2,
            Front::Module => 0,
        };
        let mut shims: Vec<Server> =
            (0..count).map(|_| start_shim(dir.path(), &redis::url(&redis), &AS_SHIPPED)).collect();
        for shim in &mut shims {
            shim.wait_ready().unwrap();
        }
        let envoys = (0..2)
            .map(|_| start_envoy(&shims, &redis::url(&redis), upstream, dir.path()))
            .collect();
        Self { envoys, shims, redis, dir }
    }

    /// Replaces the policy of Envoy `at` by one with the same limits.
    pub(super) fn replace_policy(&self, at: usize, version: u64) {
        let file = envoy::filter_file(self.dir.path(), self.envoys[at].addr().port());
        let mut content = envoy_config::read_yaml(&file).unwrap();
        let policy = filter::policy(&mut content).unwrap();
        policy["buckets"]["open"]["limit"] = json!(OPEN_LIMIT + version);
        filter::put(&content, &file).unwrap();
    }
}

fn policy() -> Value {
    let bucket = |path: &str, on_failure: &str| {
        let limit = LIMITS.iter().find(|(name, _)| *name == path).unwrap().1;
        json!({ "key": "user", "limit": limit, "window": format!("{WINDOW_S}s"), "on_failure": on_failure })
    };
    json!({
        "version": 1,
        "salt": "chaos",
        "shim": { "cluster": "tollgate", "timeout": format!("{TIMEOUT_MS}ms") },
        "keys": {
            "user": { "header": super::load::USER, "otherwise": "client" },
            "client": { "client_ip": {} },
        },
        "buckets": {
            "strict": bucket("/strict", "deny"),
            "hot": bucket("/hot", "deny"),
            "near": bucket("/near", "local"),
            "open": { "key": "user", "limit": OPEN_LIMIT, "window": "1m", "on_failure": "allow" },
        },
        "rules": [
            { "match": { "paths": ["/strict"] }, "charge": ["strict"] },
            { "match": { "paths": ["/hot"] }, "charge": ["hot"] },
            { "match": { "paths": ["/near"] }, "charge": ["near"] },
            { "charge": ["open"] },
        ],
    })
}

fn start_envoy(shims: &[Server], ledger: &str, upstream: u16, dir: &Path) -> Server {
    let (listener, admin) = (Port::free().unwrap(), Port::free().unwrap());
    let mut config = envoy_config::render(&envoy_config::Options {
        gateway: listener.number().into(),
        admin: admin.number().into(),
        backend: upstream.into(),
        wasm: (gateway::front() == Front::Wasm).then(|| gateway::filter().clone()),
        front: gateway::front(),
        module: (gateway::front() == Front::Module).then(|| gateway::module().clone()),
        ledger: Some(ledger.to_owned()),
        policy: Some(policy()),
        ..envoy_config::Options::default()
    })
    .unwrap();
    if gateway::front() == Front::Wasm {
        call(shims, &mut config.envoy);
    }
    let (program, env) = (setup::envoy().unwrap(), Vec::new());
    let config = &config;
    let options =
        envoy::Options { program, gateway: listener, admin, config, workers: 2, dir, env };
    envoy::start(options).unwrap()
}

/// Makes Envoy call `shims`.
fn call(shims: &[Server], config: &mut Value) {
    let clusters = at(config, "/static_resources/clusters").unwrap();
    let endpoints =
        at(named(clusters, "tollgate").unwrap(), "/load_assignment/endpoints/0/lb_endpoints")
            .unwrap();
    *endpoints = shims
        .iter()
        .map(|shim| {
            let address = json!({ "address": "127.0.0.1", "port_value": shim.addr().port() });
            json!({ "endpoint": { "address": { "socket_address": address } } })
        })
        .collect();
}
