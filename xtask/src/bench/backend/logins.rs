//! What happens to others while many log in: Argon2 takes whole cores, for as many as may be hashed at
//! once.

use super::servers::{Servers, others_account};
use super::work::{authorized, post};
use crate::bench::wrk::{self, Load};
use anyhow::{Context, Result, anyhow};
use std::fmt;
use std::thread;

/// Others come at a rate that leaves the machine idle: this many connections, each waiting this long
/// between its requests, on average.
const CONNECTIONS: u32 = 20;
const INTERVAL_MS: u32 = 100;
/// How many log in at once, again and again: no more than an account has tries, or the others would be
/// refused.
const LOGINS: u32 = 10;
/// Log-ins begin this much earlier and end this much later, in seconds.
const AROUND_S: u32 = 1;

const PACED: &str = include_str!("../paced.lua");

/// Others without log-ins, and beside them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    /// Without.
    pub idle: Load,
    /// Beside them.
    pub busy: Load,
    /// The log-ins.
    pub logins: Load,
}

/// Reads a cached résumé for `seconds`, first alone, then while others log in.
///
/// # Errors
/// Where wrk fails.
pub(crate) fn measure(servers: &Servers, seconds: u32) -> Result<Beside> {
    let idle = others(servers, seconds)?;
    let (busy, logins) = thread::scope(|scope| {
        let logins = scope.spawn(|| log_in(servers, seconds + 2 * AROUND_S));
        thread::sleep(std::time::Duration::from_secs(AROUND_S.into()));
        let busy = others(servers, seconds);
        let logins = logins.join().map_err(|_panic| anyhow!("the log-ins' thread panicked"));
        (busy, logins)
    });
    Ok(Beside { idle, busy: busy?, logins: logins?.context("log-ins")? })
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
    /// The others' 99th percentile beside log-ins, of that without.
    #[must_use]
    pub(crate) fn p99_ratio(&self) -> f64 {
        self.busy.p99_us as f64 / self.idle.p99_us.max(1) as f64
    }

    /// What is wrong with a run: others are to be answered, and some log in.
    pub(crate) fn mistakes(&self) -> impl Iterator<Item = String> {
        let lost = |load: &Load| load.refused + load.failed;
        let lost = lost(&self.idle) + lost(&self.busy);
        let others = (lost > 0).then(|| format!("{lost} of the others' were refused or lost"));
        let admitted = self.logins.requests.saturating_sub(self.logins.refused);
        let none = (admitted == 0).then(|| "nobody logged in".to_owned());
        [others, none].into_iter().flatten()
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (idle, busy) = (self.idle.p99_us, self.busy.p99_us);
        let logins = self.logins.per_second();
        write!(f, "p99 {busy} µs beside {logins:.0} log-ins/s, {idle} µs without")
    }
}
