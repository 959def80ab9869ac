//! Measures the share of its limit that a busy key gets.
//!
//! Tollgate runs alone, with leases. One key sends requests at 1.5 times its limit, for windows of
//! several lengths, with one and with two workers.

use super::counts::Counts;
use super::servers::{Alone, Parts};
use crate::bench::bound::Bound;
use crate::bench::spread::Spread;
use anyhow::{Context, Result};
use harness::busy::{Busy, Outcome};
use harness::progress;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The aim for the share.
const AIM: Bound = Bound::AtLeast(0.97);
/// The rate that a limit admits.
const ADMITTED_PER_SECOND: usize = 300;
/// The rate of requests.
const OFFERED_PER_SECOND: u64 = 450;
/// The required ratio of the actual request rate to [`ADMITTED_PER_SECOND`].
const LEAST_OFFERED: f64 = 1.3;
/// The window lengths in seconds, and the number of windows to measure.
const WINDOWS: [(u64, usize); 4] = [(1, 10), (2, 10), (10, 2), (60, 1)];
/// The numbers of workers.
const WORKERS: [u32; 2] = [1, 2];
/// A load of another key before the measurement, so that V8 compiles hot code.
const WARM_UP: Busy = busy(1, 2);

/// The measurements for one window and number of workers.
#[derive(Debug)]
pub(crate) struct Shares {
    window_s: u64,
    workers: u32,
    /// The rounds in order.
    rounds: Vec<Round>,
}

/// The measurements of one round.
#[derive(Debug)]
struct Round {
    share: f64,
    per_second: f64,
    /// The units granted in leases, and the units spent.
    leased: (u64, u64),
    mistakes: Vec<String>,
}

/// Returns the load for a window of `window_s` seconds.
const fn busy(window_s: u64, windows: usize) -> Busy {
    #[expect(clippy::cast_possible_truncation, reason = "a minute fits")]
    let limit = ADMITTED_PER_SECOND * window_s as usize;
    Busy { limit, window_s, per_second: OFFERED_PER_SECOND, windows }
}

/// Measures all windows and numbers of workers, `rounds` times each.
///
/// # Errors
/// Fails if a server cannot be started or does not answer.
pub(crate) fn measure(parts: &Parts, rounds: u32) -> Result<Vec<Shares>> {
    let mut all = Vec::new();
    for workers in WORKERS {
        for (window_s, windows) in WINDOWS {
            let busy = busy(window_s, windows);
            let rounds = (0..rounds).map(|_| round(parts, busy, workers)).collect::<Result<_>>()?;
            all.push(Shares { window_s, workers, rounds });
        }
    }
    Ok(all)
}

fn round(parts: &Parts, busy: Busy, workers: u32) -> Result<Round> {
    let dir = tempfile::Builder::new().prefix("tollgate-bench-").tempdir()?;
    let servers = Alone::start(parts, policy(busy), workers, dir.path())?;
    let gateway = &servers.gateway;
    WARM_UP.put_on(gateway.addr(), "warm-up").context("cannot warm up")?;
    let before = Counts::read(gateway)?;
    let outcome = busy.put_on(gateway.addr(), "busy").context("cannot measure a busy key")?;
    std::thread::sleep(super::sample::METRICS_LAG);
    let counts = Counts::read(gateway)?.since(&before);
    let round = Round {
        share: outcome.share(),
        per_second: outcome.per_second(),
        leased: (counts.tollgate("leases.granted"), counts.tollgate("leases.spent")),
        mistakes: mistakes(&outcome, &counts),
    };
    progress::say(format_args!(
        "a busy key, {} s, {workers} workers: {:.3} of its limit",
        busy.window_s, round.share
    ));
    Ok(round)
}

/// Returns a policy keyed by a header, so that the warm-up counts under another key.
fn policy(busy: Busy) -> Value {
    let window = format!("{}s", busy.window_s);
    json!({
        "version": 1,
        "salt": "tollgate-bench",
        "shim": { "cluster": "tollgate", "timeout": "1s" },
        "keys": {
            "user": { "header": "x-user", "otherwise": "client" },
            "client": { "client_ip": {} },
        },
        "buckets": { "users": { "key": "user", "limit": busy.limit, "window": window } },
        "rules": [{ "charge": ["users"] }],
    })
}

fn mistakes(outcome: &Outcome, counts: &Counts) -> Vec<String> {
    let mut found = Vec::new();
    let offered = outcome.per_second() / ADMITTED_PER_SECOND as f64;
    if offered < LEAST_OFFERED {
        found.push(format!("expected a rate of {LEAST_OFFERED} times the limit, got {offered:.2}"));
    }
    let degraded = counts.tollgate("requests.verdict=degraded");
    if degraded > 0 {
        found.push(format!("{degraded} were decided without the ledger"));
    }
    if counts.tollgate("leases.spent") == 0 {
        found.push("nothing was leased".to_owned());
    }
    found
}

impl Shares {
    /// Returns the mistakes of all rounds, one per line.
    pub(crate) fn mistakes(&self) -> impl Iterator<Item = String> {
        let mistakes = (1..).zip(&self.rounds).flat_map(|(number, round)| {
            round.mistakes.iter().map(move |mistake| (number, mistake))
        });
        mistakes.map(|(number, mistake)| format!("{}, round {number}: {mistake}", self.title()))
    }

    /// Formats the row for the table of aims.
    #[must_use]
    pub(crate) fn aim_row(&self) -> String {
        let Spread { least, median, most } = Spread::of(self.rounds.iter().map(|one| one.share));
        let (title, met) = (self.title(), AIM.label(median));
        format!(
            "| {title} | .wasm | its limit | share used at 1.5 times its load | {median:.3} | \
             {least:.3}–{most:.3} | {AIM} | {met} |\n"
        )
    }

    fn title(&self) -> String {
        let workers = if self.workers == 1 { "one worker" } else { "two workers" };
        format!("a busy key, {} s, {workers}", self.window_s)
    }
}

/// Formats the table of request rates and leases.
#[must_use]
pub(crate) fn table(all: &[Shares]) -> String {
    let mut text = "\nMedians. Leased units (granted · spent) are those of the whole run.\n\n\
                    | work | requests/s | leased |\n|---|---|---|\n"
        .to_owned();
    for shares in all {
        let median =
            |value: &dyn Fn(&Round) -> f64| Spread::of(shares.rounds.iter().map(value)).median;
        let granted = median(&|round| round.leased.0 as f64);
        let spent = median(&|round| round.leased.1 as f64);
        let per_second = median(&|round| round.per_second);
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "| {} | {per_second:.0} | {granted:.0} · {spent:.0} |", shares.title());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::policy::Policy;

    fn shares(share: f64, mistakes: &[&str]) -> Shares {
        let mistakes = mistakes.iter().map(|mistake| (*mistake).to_owned()).collect();
        let round = Round { share, per_second: 450.0, leased: (100, 90), mistakes };
        Shares { window_s: 10, workers: 2, rounds: vec![round] }
    }

    #[test]
    fn a_row_shows_the_share_and_if_it_meets_the_aim() {
        let head = "| a busy key, 10 s, two workers | .wasm | its limit | share used at 1.5 times its load";
        assert_eq!(
            shares(0.98, &[]).aim_row(),
            format!("{head} | 0.980 | 0.980–0.980 | ≥ 0.97 | met |\n")
        );
        assert_eq!(
            shares(0.76, &[]).aim_row(),
            format!("{head} | 0.760 | 0.760–0.760 | ≥ 0.97 | **missed** |\n")
        );
        let found: Vec<_> = shares(1.0, &["nothing was leased"]).mistakes().collect();
        assert_eq!(found, ["a busy key, 10 s, two workers, round 1: nothing was leased"]);
        let row = "| a busy key, 10 s, two workers | 450 | 100 · 90 |\n";
        assert!(table(&[shares(1.0, &[])]).ends_with(row));
    }

    #[test]
    fn the_policies_are_valid() {
        for (window_s, windows) in WINDOWS {
            Policy::from_value(policy(busy(window_s, windows))).unwrap();
        }
    }
}
