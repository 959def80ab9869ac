//! The three gateways to compare, which are `envoy/envoy.yaml` with different filters.
//!
//! Token verification and the access log are removed from all three. Both cost each gateway the same
//! and are not part of the comparison.

use super::work::Work;
use anyhow::{Context, Result};
use harness::envoy_config::{self, Rendered, at, http_connection_manager, named};
use serde_json::{Value, json};

/// A gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// Envoy without any limits.
    Bare,
    /// Envoy's own filter, which counts all requests together in the process.
    LocalRatelimit,
    /// Envoy with Tollgate.
    Tollgate,
}

/// All systems, in the order in which they take turns.
pub(crate) const SYSTEMS: [System; 3] = [System::Bare, System::LocalRatelimit, System::Tollgate];

/// A value for each system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EachSystem<T> {
    /// The value of [`System::Bare`].
    pub bare: T,
    /// The value of [`System::LocalRatelimit`].
    pub local_ratelimit: T,
    /// The value of [`System::Tollgate`].
    pub tollgate: T,
}

impl<T> EachSystem<T> {
    /// Calls `make` for each system, in the order of [`SYSTEMS`].
    ///
    /// # Errors
    /// Fails with the first error of `make`.
    pub(crate) fn try_from_fn(mut make: impl FnMut(System) -> Result<T>) -> Result<Self> {
        Ok(Self {
            bare: make(System::Bare)?,
            local_ratelimit: make(System::LocalRatelimit)?,
            tollgate: make(System::Tollgate)?,
        })
    }

    /// Returns the value of `system`.
    pub(crate) const fn of(&self, system: System) -> &T {
        match system {
            System::Bare => &self.bare,
            System::LocalRatelimit => &self.local_ratelimit,
            System::Tollgate => &self.tollgate,
        }
    }
}

impl System {
    /// Returns the system's name in reports.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::LocalRatelimit => "local_ratelimit",
            Self::Tollgate => "tollgate",
        }
    }

    /// Returns the system's configuration for `work`: `envoy/envoy.yaml` with `options` and the
    /// system's filter.
    ///
    /// # Errors
    /// Fails if `envoy/envoy.yaml` lacks a value to change. The error names the place.
    pub(crate) fn config(self, work: &Work, options: envoy_config::Options) -> Result<Rendered> {
        let mut config = tollgate(work.policy(), options)?;
        let filters = at(http_connection_manager(&mut config.envoy)?, "/http_filters")?;
        match self {
            Self::Bare => remove(filters, "tollgate")?,
            Self::LocalRatelimit => *named(filters, "tollgate")? = local_ratelimit(work),
            Self::Tollgate => return Ok(config),
        }
        Ok(Rendered::from(config.envoy))
    }
}

/// Returns `envoy/envoy.yaml` with `options` and `policy`, without token verification, CORS and access log.
///
/// # Errors
/// Fails if `envoy/envoy.yaml` lacks a value to change. The error names the place.
pub(crate) fn tollgate(policy: Value, mut options: envoy_config::Options) -> Result<Rendered> {
    options.policy = Some(policy);
    let mut config = envoy_config::render(&options)?;
    let http = http_connection_manager(&mut config.envoy)?;
    *at(http, "/access_log")? = json!([]);
    for filter in ["envoy.filters.http.jwt_authn", "envoy.filters.http.cors"] {
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

/// Returns Envoy's filter with one bucket, enforced for every request, without headers.
fn local_ratelimit(work: &Work) -> Value {
    let always = json!({ "default_value": { "numerator": 100, "denominator": "HUNDRED" } });
    json!({
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "local_ratelimit",
            "token_bucket": work.token_bucket(),
            "filter_enabled": always,
            "filter_enforced": always,
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
        assert_eq!(filters(System::LocalRatelimit), ["envoy.filters.http.local_ratelimit", router]);
        assert_eq!(filters(System::Tollgate), ["tollgate", router]);
    }
}
