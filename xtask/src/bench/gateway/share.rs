//! How much of its limit a busy key gets: Tollgate alone, one key at one and a half times its
//! limit, with leases, over windows of several lengths, with one worker and with two.

use super::counts::Counts;
use super::servers::{Alone, Parts};
use crate::bench::bound::Bound;
use crate::bench::spread::Spread;
use anyhow::{Context, Result};
use harness::busy::{Busy, Outcome};
use harness::progress;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What is aimed at.
const AIM: Bound = Bound::AtLeast(0.97);
/// What a limit admits in a second.
const ADMITTED_PER_SECOND: usize = 300;
/// What is offered in a second.
const OFFERED_PER_SECOND: u64 = 450;
/// The least that must have been offered, of what the limit admits.
const LEAST_OFFERED: f64 = 1.3;
/// The windows, and how many of them are measured.
const WINDOWS: [(u64, usize); 4] = [(1, 10), (2, 10), (10, 2), (60, 1)];
/// So many workers.
const WORKERS: [u32; 2] = [1, 2];
/// Before it is measured, another key has the code compiled that is hot.
const WARM_UP: Busy = busy(1, 2);

/// What was measured of one window and number of workers.
#[derive(Debug)]
pub(crate) struct Shares {
    window_s: u64,
    workers: u32,
    /// In the order of the rounds.
    rounds: Vec<Round>,
}

/// One round.
#[derive(Debug)]
struct Round {
    share: f64,
    per_second: f64,
    /// What was granted in leases, and spent of them.
    leased: (u64, u64),
    mistakes: Vec<String>,
}

/// A load on a window of so many seconds.
const fn busy(window_s: u64, windows: usize) -> Busy {
    #[expect(clippy::cast_possible_truncation, reason = "a minute fits")]
    let limit = ADMITTED_PER_SECOND * window_s as usize;
    Busy { limit, window_s, per_second: OFFERED_PER_SECOND, windows }
}

/// Measures all of them, `rounds` times.
///
/// # Errors
/// What could not be started, or did not answer.
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
    WARM_UP.put_on(gateway.addr(), "warm-up").context("warming up")?;
    let before = Counts::read(gateway)?;
    let got = busy.put_on(gateway.addr(), "busy").context("a busy key")?;
    std::thread::sleep(super::sample::METRICS_LAG);
    let counts = Counts::read(gateway)?.since(&before);
    let round = Round {
        share: got.share(),
        per_second: got.per_second(),
        leased: (counts.tollgate("leases.granted"), counts.tollgate("leases.spent")),
        mistakes: mistakes(&got, &counts),
    };
    progress::say(format_args!(
        "a busy key, {} s, {workers} workers: {:.3} of its limit",
        busy.window_s, round.share
    ));
    Ok(round)
}

/// The key is the header's: what warms up is not counted with it.
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

fn mistakes(got: &Outcome, counts: &Counts) -> Vec<String> {
    let mut found = Vec::new();
    let offered = got.per_second() / ADMITTED_PER_SECOND as f64;
    if offered < LEAST_OFFERED {
        found.push(format!("{offered:.2} of the limit came, not {LEAST_OFFERED}"));
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
    /// What is wrong with it, a line each.
    pub(crate) fn mistakes(&self) -> impl Iterator<Item = String> {
        let mistakes = (1..).zip(&self.rounds).flat_map(|(number, round)| {
            round.mistakes.iter().map(move |mistake| (number, mistake))
        });
        mistakes.map(|(number, mistake)| format!("{}, round {number}: {mistake}", self.title()))
    }

    /// Its row beside the other aims.
    #[must_use]
    pub(crate) fn aim_row(&self) -> String {
        let Spread { least, median, most } = Spread::of(self.rounds.iter().map(|one| one.share));
        let (title, met) = (self.title(), AIM.told(median));
        format!(
            "| {title} | share of the limit used at 1.5 times its load | {median:.3} | \
             {least:.3}–{most:.3} | {AIM} | {met} |\n"
        )
    }

    fn title(&self) -> String {
        let workers = if self.workers == 1 { "one worker" } else { "two workers" };
        format!("a busy key, {} s, {workers}", self.window_s)
    }
}

/// What was offered, and what was leased.
#[must_use]
pub(crate) fn table(all: &[Shares]) -> String {
    let mut text = "\nMedians; offered and leased (granted · spent) in the whole run.\n\n\
                    | work | requests/s | leased |\n|---|---|---|\n"
        .to_owned();
    for shares in all {
        let median =
            |value: &dyn Fn(&Round) -> f64| Spread::of(shares.rounds.iter().map(value)).median;
        let granted = median(&|round| round.leased.0 as f64);
        let spent = median(&|round| round.leased.1 as f64);
        let per_second = median(&|round| round.per_second);
        // Writing to a String does not fail.
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
    fn a_row_tells_the_share_and_whether_it_is_enough() {
        let head =
            "| a busy key, 10 s, two workers | share of the limit used at 1.5 times its load";
        assert_eq!(
            shares(0.98, &[]).aim_row(),
            format!("{head} | 0.980 | 0.980–0.980 | ≥ 0.97 | met |\n")
        );
        assert_eq!(
            shares(0.76, &[]).aim_row(),
            format!("{head} | 0.760 | 0.760–0.760 | ≥ 0.97 | **missed** |\n")
        );
        let told: Vec<_> = shares(1.0, &["nothing was leased"]).mistakes().collect();
        assert_eq!(told, ["a busy key, 10 s, two workers, round 1: nothing was leased"]);
        let row = "| a busy key, 10 s, two workers | 450 | 100 · 90 |\n";
        assert!(table(&[shares(1.0, &[])]).ends_with(row));
    }

    #[test]
    fn the_filter_takes_every_policy() {
        for (window_s, windows) in WINDOWS {
            Policy::from_value(policy(busy(window_s, windows))).unwrap();
        }
    }
}
