//! Runs wrk and reads its measurements.

use anyhow::{Context, Result};
use harness::command;
use serde::Deserialize;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The time that wrk can take beyond the length of its run.
const GRACE: Duration = Duration::from_secs(30);

const DONE: &str = include_str!("done.lua");

/// wrk's measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Load {
    /// Responses of any status.
    pub requests: u64,
    /// The length of the run.
    pub duration_us: u64,
    /// The median latency.
    pub p50_us: u64,
    /// The 99th percentile of latency.
    pub p99_us: u64,
    /// Responses with a status of 400 or above.
    pub refused: u64,
    /// Failed connections and requests.
    pub failed: u64,
}

impl Load {
    /// Returns the number of responses per second.
    #[must_use]
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 * 1e6 / self.duration_us.max(1) as f64
    }
}

/// Runs wrk with `script` against `url` for `seconds`, on one thread with the given number of
/// `connections`. Writes the script to a temporary file in `dir`.
///
/// # Errors
/// Fails if wrk does, or if its report cannot be parsed.
pub(crate) fn run(
    wrk: &Path,
    script: &str,
    connections: u32,
    url: &str,
    seconds: u32,
    dir: &Path,
) -> Result<Load> {
    let file = tempfile::Builder::new()
        .prefix("load-")
        .suffix(".lua")
        .tempfile_in(dir)
        .with_context(|| format!("cannot write into {}", dir.display()))?;
    std::fs::write(file.path(), [script, DONE].concat())
        .with_context(|| format!("cannot write {}", file.path().display()))?;
    let mut command = Command::new(wrk);
    command.args(["--threads", "1", "--connections", &connections.to_string()]);
    command.args(["--duration", &format!("{seconds}s"), "--script"]).arg(file.path()).arg(url);
    let limit = Duration::from_secs(u64::from(seconds)) + GRACE;
    parse(&command::output(&mut command, limit)?)
}

/// Parses the last line of wrk's output, which `done.lua` prints.
fn parse(printed: &str) -> Result<Load> {
    let line = printed.trim_end().lines().next_back().unwrap_or_default();
    serde_json::from_str(line)
        .with_context(|| format!("expected a JSON report as wrk's last line, found {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measurements_are_parsed_from_the_last_line() {
        let printed = "Running 1s test @ http://127.0.0.1:1\n  1 threads and 32 connections\n\
            Requests/sec:  17000.00\n\
            {\"requests\":17000,\"duration_us\":1000000,\"p50_us\":1800,\"p99_us\":4000,\
            \"refused\":3,\"failed\":0}\n";
        let load = parse(printed).unwrap();
        assert_eq!((load.requests, load.duration_us), (17_000, 1_000_000));
        assert_eq!((load.refused, load.failed), (3, 0));
        assert_eq!((load.p50_us, load.p99_us), (1_800, 4_000));
        let error = parse("unable to connect to 127.0.0.1:1 Connection refused\n").unwrap_err();
        assert!(error.to_string().contains("unable to connect"), "{error}");
    }
}
