//! The latency of other requests while many users log in. Each password that is being hashed with
//! Argon2 takes a whole core.

use super::servers::{Servers, others_account};
use super::work::{authorized, post};
use crate::bench::wrk::{self, Load};
use anyhow::{Context, Result, anyhow};
use std::fmt;
use std::thread;

/// The connections of the other requests. With [`INTERVAL_MS`], their rate leaves the machine idle.
const CONNECTIONS: u32 = 20;
/// The average pause between two requests of a connection.
const INTERVAL_MS: u32 = 100;
/// The number of concurrent logins. With more than an account's allowed attempts, some would be
/// refused.
const LOGINS: u32 = 10;
/// The time by which the logins start earlier and end later.
const AROUND_S: u32 = 1;

const PACED: &str = include_str!("../paced.lua");

/// The measurements of other requests, with and without logins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    /// The other requests without logins.
    pub idle: Load,
    /// The other requests beside logins.
    pub busy: Load,
    /// The logins.
    pub logins: Load,
}

/// Reads a cached résumé for `seconds`, first alone, then while users log in.
///
/// # Errors
/// Fails if wrk does.
pub(crate) fn measure(servers: &Servers, seconds: u32) -> Result<Beside> {
    let idle = others(servers, seconds)?;
    let (busy, logins) = thread::scope(|scope| {
        let logins = scope.spawn(|| log_in(servers, seconds + 2 * AROUND_S));
        thread::sleep(std::time::Duration::from_secs(AROUND_S.into()));
        let busy = others(servers, seconds);
        let logins = logins.join().map_err(|_panic| anyhow!("the thread of the logins panicked"));
        (busy, logins)
    });
    Ok(Beside { idle, busy: busy?, logins: logins?.context("cannot measure the logins")? })
}

fn others(servers: &Servers, seconds: u32) -> Result<Load> {
    let script = format!("{}INTERVAL_MS = {INTERVAL_MS}\n{PACED}", authorized(servers));
    let url = servers.backend.url(&format!("/api/resumes/{}", servers.resume_id));
    wrk::run(&servers.wrk, &script, CONNECTIONS, &url, seconds, &servers.dir)
}

fn log_in(servers: &Servers, seconds: u32) -> Result<Load> {
    let url = servers.backend.url("/api/auth/login");
    wrk::run(
        &servers.wrk,
        &post(&others_account().to_string()),
        LOGINS,
        &url,
        seconds,
        &servers.dir,
    )
}

impl Beside {
    /// Returns the ratio of the other requests' 99th percentile with logins to that without.
    #[must_use]
    pub(crate) fn p99_ratio(&self) -> f64 {
        self.busy.p99_us as f64 / self.idle.p99_us.max(1) as f64
    }

    /// Returns the mistakes of a run. All other requests must be answered, and some logins succeed.
    pub(crate) fn mistakes(&self) -> impl Iterator<Item = String> {
        let lost = |load: &Load| load.refused + load.failed;
        let lost = lost(&self.idle) + lost(&self.busy);
        let others =
            (lost > 0).then(|| format!("{lost} of the other requests were refused or lost"));
        let admitted = self.logins.requests.saturating_sub(self.logins.refused);
        let none = (admitted == 0).then(|| "nobody logged in".to_owned());
        [others, none].into_iter().flatten()
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (idle, busy) = (self.idle.p99_us, self.busy.p99_us);
        let logins = self.logins.per_second();
        write!(f, "p99 {busy} µs beside {logins:.0} logins/s, {idle} µs without")
    }
}
