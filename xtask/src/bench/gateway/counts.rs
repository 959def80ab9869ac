//! What Envoy has counted: the statuses it answered with, and what the filter tells of itself.

use anyhow::{Context, Result, bail};
use harness::stack::{Server, health};
use std::collections::BTreeMap;

/// Statuses, and the filter's metrics. One question each, so that the answers stay small.
const FILTERS: [&str; 2] = ["http.gateway.downstream_rq_", "wasmcustom.tollgate"];

/// Envoy's counters by name. One that was never counted is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// What the Envoy `server` has counted since it was started.
    ///
    /// # Errors
    /// Where its admin interface does not answer.
    pub(crate) fn read(server: &Server) -> Result<Self> {
        let admin = server.admin_addr().context("this Envoy has no admin interface")?;
        let mut counts = BTreeMap::new();
        for filter in FILTERS {
            let answer = health::get(admin, &format!("/stats?filter={filter}"))?;
            if answer.status != 200 {
                bail!("Envoy's statistics: status {}", answer.status);
            }
            counts.extend(parse(&answer.body));
        }
        Ok(Self(counts))
    }

    /// What was counted since `before`.
    #[must_use]
    pub(crate) fn since(&self, before: &Self) -> Self {
        let less = |(name, now): (&String, &u64)| (name.clone(), now - before.get(name).min(*now));
        Self(self.0.iter().map(less).collect())
    }

    /// Answers with a status of `class` (`"2xx"`).
    #[must_use]
    pub(crate) fn answers(&self, class: &str) -> u64 {
        self.get(&format!("http.gateway.downstream_rq_{class}"))
    }

    /// The filter's counter `name`.
    #[must_use]
    pub(crate) fn tollgate(&self, name: &str) -> u64 {
        self.get(&format!("wasmcustom.tollgate.{name}"))
    }

    fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// `counts`, for the tests of whoever reads them.
    #[cfg(test)]
    pub(super) fn of(counts: &[(&str, u64)]) -> Self {
        Self(counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
    }
}

/// Lines of `name: count`; histograms, and what chunked encoding puts in between, are not.
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
    }
}
