//! The servers of one work, on loopback: the gateways, a common upstream, and Tollgate's shim
//! and Redis. All run from the first round to the last. [`super::share`] runs Tollgate alone.

use super::system::{self, System};
use super::work::Work;
use anyhow::Result;
use harness::envoy_config::{self, Rendered};
use harness::stack::{Port, Server, envoy, redis, shim};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The paths of the programs.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Envoy.
    pub envoy: PathBuf,
    /// The Redis server.
    pub redis: PathBuf,
    /// The load generator.
    pub wrk: PathBuf,
    /// The filter.
    pub wasm: PathBuf,
    /// The optimized dynamic module.
    pub module: PathBuf,
    /// The optimized shim.
    pub shim: PathBuf,
}

/// The running servers. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Servers {
    gateways: Vec<(System, Server)>,
    behind: Behind,
    wrk: PathBuf,
    dir: PathBuf,
}

/// The servers behind a gateway.
#[derive(Debug)]
struct Behind {
    upstream: Server,
    shim: Server,
    redis: Server,
}

/// Tollgate's servers without the other gateways. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Alone {
    /// The gateway.
    pub gateway: Server,
    _behind: Behind,
}

impl Servers {
    /// Starts all servers for `work` in `dir`.
    ///
    /// # Errors
    /// Fails if a server does not become ready. The error has the end of its log.
    pub(crate) fn start(work: &Work, parts: &Parts, dir: &Path) -> Result<Self> {
        let behind = Behind::start(parts, dir)?;
        let start = |system: &System| {
            let gateway = start_envoy(parts, dir, system.workers(), |gateway, admin| {
                system.config(work, behind.options(parts, *system, gateway, admin))
            })?;
            Ok((*system, gateway))
        };
        let gateways = work.systems.iter().map(start).collect::<Result<_>>()?;
        let (wrk, dir) = (parts.wrk.clone(), dir.to_owned());
        Ok(Self { gateways, behind, wrk, dir })
    }

    /// Returns the gateway of `system`, if it takes part in the work.
    #[must_use]
    pub(crate) fn gateway(&self, system: System) -> Option<&Server> {
        self.gateways.iter().find(|(of, _)| *of == system).map(|(_, server)| server)
    }

    /// Returns the names and ids of the processes that `system` uses.
    #[must_use]
    pub(crate) fn taking_part(&self, system: System) -> Vec<(&'static str, u32)> {
        let mut parts = vec![(UPSTREAM, self.behind.upstream.id())];
        parts.extend(self.gateway(system).map(|gateway| (GATEWAY, gateway.id())));
        if system == System::Wasm {
            parts.push((SHIM, self.behind.shim.id()));
        }
        if system.has_redis() {
            parts.push((REDIS, self.behind.redis.id()));
        }
        parts
    }

    /// Returns the path of the load generator.
    #[must_use]
    pub(crate) fn wrk(&self) -> &Path {
        &self.wrk
    }

    /// Returns the folder for temporary files.
    #[must_use]
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Alone {
    /// Starts Tollgate with `policy` in `dir`, in an Envoy with the given number of `workers`.
    ///
    /// # Errors
    /// Fails if a server does not become ready. The error has the end of its log.
    pub(crate) fn start(parts: &Parts, policy: Value, workers: u32, dir: &Path) -> Result<Self> {
        let behind = Behind::start(parts, dir)?;
        let gateway = start_envoy(parts, dir, workers, |gateway, admin| {
            system::tollgate(policy, behind.options(parts, System::Wasm, gateway, admin))
        })?;
        Ok(Self { gateway, _behind: behind })
    }
}

impl Behind {
    fn start(parts: &Parts, dir: &Path) -> Result<Self> {
        let program = parts.redis.clone();
        let redis =
            redis::start(redis::Options { program, port: Port::free()?, dir, args: Vec::new() })?;
        let mut shim = shim::start(shim::Options {
            program: parts.shim.clone(),
            port: Port::free()?,
            ledger: redis::url(&redis),
            admin: None,
            dir,
            env: Vec::new(),
        })?;
        shim.wait_ready()?;
        let upstream =
            start_envoy(parts, dir, 1, |gateway, admin| Ok(upstream(gateway, admin).into()))?;
        Ok(Self { upstream, shim, redis })
    }

    /// Returns the options of a gateway in front of these servers, on the given ports.
    fn options(
        &self,
        parts: &Parts,
        system: System,
        gateway: u16,
        admin: u16,
    ) -> envoy_config::Options {
        let ledger =
            if system.has_redis() { redis::url(&self.redis) } else { "memory:".to_owned() };
        envoy_config::Options {
            module: Some(parts.module.clone()),
            ledger: Some(ledger),
            gateway: gateway.into(),
            admin: admin.into(),
            shim: self.shim.port().into(),
            backend: self.upstream.port().into(),
            wasm: Some(parts.wasm.clone()),
            ..envoy_config::Options::default()
        }
    }
}

/// The gateway's name in [`Servers::taking_part`].
pub(crate) const GATEWAY: &str = "gateway";
/// The upstream's name.
pub(crate) const UPSTREAM: &str = "upstream";
/// The shim's name.
pub(crate) const SHIM: &str = "shim";
/// The name of Redis.
pub(crate) const REDIS: &str = "Redis";

/// Starts an Envoy with the given number of `workers`. `config` takes the gateway's port and the admin
/// port, and returns the configuration.
fn start_envoy(
    parts: &Parts,
    dir: &Path,
    workers: u32,
    config: impl FnOnce(u16, u16) -> Result<Rendered>,
) -> Result<Server> {
    let (gateway, admin) = (Port::free()?, Port::free()?);
    let config = config(gateway.number(), admin.number())?;
    let program = parts.envoy.clone();
    let env = Vec::new();
    envoy::start(envoy::Options { program, gateway, admin, config: &config, workers, dir, env })
}

/// Returns the configuration of an Envoy that answers every request with 200.
fn upstream(port: u16, admin: u16) -> Value {
    let address =
        |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let answer = json!({
        "name": "upstream",
        "domains": ["*"],
        "routes": [{
            "match": { "prefix": "/" },
            "direct_response": { "status": 200, "body": { "inline_string": "ok\n" } },
        }],
    });
    let http = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "upstream",
        "route_config": { "virtual_hosts": [answer] },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        }],
    });
    let manager = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": http,
    });
    json!({
        "admin": { "address": address(admin) },
        "static_resources": { "listeners": [{
            "name": "upstream",
            "address": address(port),
            "filter_chains": [{ "filters": [manager] }],
        }] },
    })
}
