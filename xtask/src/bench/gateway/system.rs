//! The gateways to compare, which are `envoy/envoy.yaml` with different filters, or
//! `envoy/envoy-module.yaml`.
//!
//! Token verification, the access log and the limit on connections are removed from all. They cost each
//! gateway the same and are not part of the comparison.

use super::work::{KEYS, Work, plenty};
use anyhow::{Context, Result};
use harness::envoy_config::{self, Front, Rendered, at, http_connection_manager, named};
use serde_json::{Value, json};

/// A gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// Envoy without any limits.
    Bare,
    /// Envoy's own filter, which counts in the process: each user in a bucket of its own.
    Local,
    /// Envoy with the Wasm filter, which asks the shim, which asks Redis.
    Wasm,
    /// Envoy with the dynamic module, which asks Redis.
    Module,
    /// Envoy with the dynamic module, which counts in its own memory.
    ModuleMemory,
    /// As [`Self::Module`], with four workers instead of one.
    ModuleFour,
}

/// The systems of most works, in the order in which they take turns.
pub(crate) const SYSTEMS: [System; 5] =
    [System::Bare, System::Local, System::Wasm, System::Module, System::ModuleMemory];

impl System {
    /// Returns the system's name in reports.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Local => "local_ratelimit",
            Self::Wasm => ".wasm",
            Self::Module => "module",
            Self::ModuleMemory => "module, memory",
            Self::ModuleFour => "module, four workers",
        }
    }

    /// Returns the form in which Envoy runs Tollgate, if it does.
    pub(crate) const fn front(self) -> Option<Front> {
        match self {
            Self::Bare | Self::Local => None,
            Self::Wasm => Some(Front::Wasm),
            Self::Module | Self::ModuleMemory | Self::ModuleFour => Some(Front::Module),
        }
    }

    /// Returns true if it counts in Redis.
    pub(crate) const fn has_redis(self) -> bool {
        matches!(self, Self::Wasm | Self::Module | Self::ModuleFour)
    }

    /// Returns the number of Envoy's workers.
    pub(crate) const fn workers(self) -> u32 {
        if matches!(self, Self::ModuleFour) { 4 } else { 1 }
    }

    /// Returns the system's configuration for `work`: the shipped one with `options` and the system's
    /// filter.
    ///
    /// # Errors
    /// Fails if the shipped configuration lacks a value to change. The error names the place.
    pub(crate) fn config(self, work: &Work, options: envoy_config::Options) -> Result<Rendered> {
        let front = self.front().unwrap_or_default();
        let mut config = tollgate(work.policy(), envoy_config::Options { front, ..options })?;
        let filters = at(http_connection_manager(&mut config.envoy)?, "/http_filters")?;
        match self {
            Self::Bare => remove(filters, "tollgate")?,
            Self::Local => *named(filters, "tollgate")? = local_ratelimit(work),
            _ => return Ok(config),
        }
        Ok(Rendered::from(config.envoy))
    }
}

/// Returns the shipped configuration with `options` and `policy`, without token verification, CORS, access
/// log and limits on connections.
///
/// # Errors
/// Fails if the configuration lacks a value to change. The error names the place.
pub(crate) fn tollgate(policy: Value, mut options: envoy_config::Options) -> Result<Rendered> {
    options.policy = Some(policy);
    let mut config = envoy_config::render(&options)?;
    let filters = "/static_resources/listeners/0/filter_chains/0/filters";
    remove(at(&mut config.envoy, filters)?, "tollgate.connections")?;
    let http = http_connection_manager(&mut config.envoy)?;
    *at(http, "/access_log")? = json!([]);
    let claims = (options.front == Front::Module).then_some("envoy.filters.http.set_filter_state");
    let tokens = ["envoy.filters.http.jwt_authn", "envoy.filters.http.cors"];
    for filter in tokens.into_iter().chain(claims) {
        remove(at(http, "/http_filters")?, filter)?;
    }
    Ok(config)
}

/// Removes the element named `name` from `list`.
fn remove(list: &mut Value, name: &str) -> Result<()> {
    named(list, name)?;
    let list = list.as_array_mut().context("expected a list")?;
    list.retain(|element| element.get("name").is_none_or(|found| found != name));
    Ok(())
}

/// Returns Envoy's filter with one bucket a user, enforced for every request, without headers.
fn local_ratelimit(work: &Work) -> Value {
    let always = json!({ "default_value": { "numerator": 100, "denominator": "HUNDRED" } });
    let user = json!({ "request_headers": { "header_name": "x-user", "descriptor_key": "user" } });
    json!({
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "local_ratelimit",
            "token_bucket": plenty(),
            "filter_enabled": always,
            "filter_enforced": always,
            "rate_limits": [{ "actions": [user] }],
            // An entry without a value stands for all values, each with a bucket of its own.
            "descriptors": [{ "entries": [{ "key": "user" }], "token_bucket": work.token_bucket() }],
            "max_dynamic_descriptors": 2 * KEYS,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gateway::work::WORKS;

    fn filters(system: System) -> Vec<String> {
        let mut config = system.config(&WORKS[0], envoy_config::Options::default()).unwrap();
        let http = http_connection_manager(&mut config.envoy).unwrap();
        assert_eq!(http["access_log"], json!([]));
        let filters = http["http_filters"].as_array().unwrap();
        filters.iter().map(|filter| filter["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_systems_differ_by_one_filter() {
        let router = "envoy.filters.http.router";
        assert_eq!(filters(System::Bare), [router]);
        assert_eq!(filters(System::Local), ["envoy.filters.http.local_ratelimit", router]);
        for system in [System::Wasm, System::Module, System::ModuleMemory, System::ModuleFour] {
            assert_eq!(filters(system), ["tollgate", router]);
        }
    }
}
