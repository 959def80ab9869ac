//! wrk: the load, and what it measured.

use super::work::{KEYS, PACED_PER_SECOND, Work};
use crate::command;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How much longer than its run wrk may take.
const GRACE: Duration = Duration::from_secs(30);

const ONE_KEY: &str = include_str!("one_key.lua");
const MANY_KEYS: &str = include_str!("many_keys.lua");
const PACED: &str = include_str!("paced.lua");
const DONE: &str = include_str!("done.lua");

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// One user's, as fast as they are answered.
    OneKey,
    /// Many users', as fast as they are answered.
    ManyKeys,
    /// Many users', at a constant rate.
    Paced,
}

/// What wrk measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Load {
    /// Answers of any status.
    pub requests: u64,
    /// How long it took.
    pub duration_us: u64,
    /// The median latency.
    pub p50_us: u64,
    /// The 99th percentile of latency.
    pub p99_us: u64,
    /// Connections and requests that came to nothing.
    pub failed: u64,
}

/// Has wrk put `work` on `url` for `seconds`. Its script is written into `dir`.
///
/// # Errors
/// Where wrk fails, or reports something else than expected.
pub fn run(wrk: &Path, work: &Work, url: &str, seconds: u32, dir: &Path) -> Result<Load> {
    let file = dir.join("load.lua");
    std::fs::write(&file, script(work))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = Command::new(wrk);
    command.args(["--threads", "1", "--connections", &work.connections.to_string()]);
    command.args(["--duration", &format!("{seconds}s"), "--script"]).arg(&file).arg(url);
    let limit = Duration::from_secs(u64::from(seconds)) + GRACE;
    parse(&command::output(&mut command, limit)?)
}

fn script(work: &Work) -> String {
    // A random key each, unless there is one only.
    let many = format!("KEYS = {KEYS}\n{MANY_KEYS}");
    let parts = match work.pattern {
        Pattern::OneKey => ONE_KEY.to_owned(),
        Pattern::ManyKeys => many,
        Pattern::Paced => {
            let interval_ms = 1_000 * work.connections / PACED_PER_SECOND;
            format!("{many}INTERVAL_MS = {interval_ms}\n{PACED}")
        }
    };
    parts + DONE
}

/// The last line that wrk prints is `done.lua`'s.
fn parse(printed: &str) -> Result<Load> {
    let line = printed.trim_end().lines().next_back().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("wrk did not report as expected: {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gateway::work::WORKS;

    #[test]
    fn what_wrk_measured_is_its_last_line() {
        let printed = "Running 1s test @ http://127.0.0.1:1\n  1 threads and 32 connections\n\
            Requests/sec:  17000.00\n\
            {\"requests\":17000,\"duration_us\":1000000,\"p50_us\":1800,\"p99_us\":4000,\"failed\":0}\n";
        let load = parse(printed).unwrap();
        assert_eq!((load.requests, load.duration_us, load.failed), (17_000, 1_000_000, 0));
        assert_eq!((load.p50_us, load.p99_us), (1_800, 4_000));
        let error = parse("unable to connect to 127.0.0.1:1 Connection refused\n").unwrap_err();
        assert!(error.to_string().contains("unable to connect"), "{error}");
    }

    #[test]
    fn connections_at_a_constant_rate_share_it() {
        let paced = WORKS.iter().find(|work| work.pattern == Pattern::Paced).unwrap();
        assert!(script(paced).contains("INTERVAL_MS = 100\n"));
    }
}
