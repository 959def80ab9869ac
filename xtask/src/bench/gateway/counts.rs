//! Envoy's counters: response statuses, and the filter's metrics.

use anyhow::{Context, Result, bail};
use harness::stack::{Server, health};
use std::collections::BTreeMap;

/// The prefixes of the statuses and of Tollgate's metrics. Each is queried separately, so that the
/// responses stay small.
const FILTERS: [&str; 3] = ["http.gateway.downstream_rq_", WASM, MODULE];
/// The prefixes of Tollgate's metrics in each form.
const WASM: &str = "wasmcustom.tollgate.";
const MODULE: &str = "dynamicmodulescustom.tollgate.";

/// Envoy's counters by name. Counters that were never incremented are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Reads the counters of the Envoy `server`.
    ///
    /// # Errors
    /// Fails if the admin interface does not answer.
    pub(crate) fn read(server: &Server) -> Result<Self> {
        let admin = server.admin_addr().context("this Envoy has no admin interface")?;
        let mut counts = BTreeMap::new();
        for filter in FILTERS {
            let answer = health::get(admin, &format!("/stats?filter={filter}"))?;
            if answer.status != 200 {
                bail!("expected status 200 for Envoy's statistics, got {}", answer.status);
            }
            counts.extend(parse(&answer.body));
        }
        Ok(Self(counts))
    }

    /// Returns the increase of each counter since `before`.
    #[must_use]
    pub(crate) fn since(&self, before: &Self) -> Self {
        let less = |(name, now): (&String, &u64)| (name.clone(), now - before.get(name).min(*now));
        Self(self.0.iter().map(less).collect())
    }

    /// Returns the number of responses with a status of `class` (`"2xx"`).
    #[must_use]
    pub(crate) fn answers(&self, class: &str) -> u64 {
        self.get(&format!("http.gateway.downstream_rq_{class}"))
    }

    /// Returns Tollgate's counter `name`, with its labels as the Wasm filter writes them.
    #[must_use]
    pub(crate) fn tollgate(&self, name: &str) -> u64 {
        let of_module = name.replace('=', ".");
        self.get(&format!("{WASM}{name}")) + self.get(&format!("{MODULE}{of_module}"))
    }

    fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Creates counters for tests.
    #[cfg(test)]
    pub(super) fn of(counts: &[(&str, u64)]) -> Self {
        Self(counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
    }
}

/// Parses lines of `name: count`. Skips histograms and the sizes of chunked encoding.
fn parse(body: &str) -> impl Iterator<Item = (String, u64)> {
    body.lines().filter_map(|line| {
        let (name, count) = line.split_once(": ")?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_and_subtracted() {
        let read = |body| Counts(parse(body).collect());
        let before = read("1c\r\nhttp.gateway.downstream_rq_2xx: 5\r\n0\r\n");
        let after = read(
            "http.gateway.downstream_rq_2xx: 12\nwasmcustom.tollgate.leases.spent: 3\n\
             wasmcustom.tollgate.wait_us: P0(1,1) P25(2,2)\n",
        );
        let since = after.since(&before);
        assert_eq!(since.answers("2xx"), 7);
        assert_eq!(since.answers("4xx"), 0);
        assert_eq!(since.tollgate("leases.spent"), 3);
        assert_eq!(since.tollgate("wait_us"), 0);
        let module = read("dynamicmodulescustom.tollgate.requests.verdict.denied: 4\n");
        assert_eq!(module.tollgate("requests.verdict=denied"), 4);
    }
}
