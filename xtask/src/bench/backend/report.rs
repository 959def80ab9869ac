//! Formats the figures as Markdown: first the ratios with their aims, then the underlying values.

use super::work::WORKS;
use super::{Backend, Round};
use crate::bench::bound::Bound;
use crate::bench::machine::Machine;
use crate::bench::spread::{Spread, ms};
use crate::bench::wrk::Load;
use std::fmt::Write as _;

/// The aim for the increase of the other requests' 99th percentile beside logins.
const P99: Bound = Bound::AtMost(3.0);

/// Formats the figures.
#[must_use]
pub(crate) fn markdown(
    flags: &Backend,
    before: &Machine,
    after: &Machine,
    rounds: &[Round],
) -> String {
    let mut text = format!(
        "Machine: {} cores ({}), kernel {}; load average {} before, {} after.\n\
         {} rounds of {} s each, the works taking turns; wrk, one thread.\n\n",
        before.cores,
        before.model,
        before.kernel,
        before.load,
        after.load,
        flags.rounds,
        flags.seconds
    );
    text.push_str("| what | measure | median | least–most | aim | |\n|---|---|---|---|---|---|\n");
    for (at, work) in WORKS.iter().enumerate() {
        if let Some(aim) = work.aim {
            let ratio = |round: &Round| rate(round, at) / rate(round, 0);
            let spread = Spread::of(rounds.iter().map(ratio));
            text.push_str(&row(work.title, "requests/s, of /health/live's", spread, aim));
        }
    }
    let spread = Spread::of(rounds.iter().map(|round| round.beside.p99_ratio()));
    text.push_str(&row("a cached résumé beside logins", "p99, times that without", spread, P99));
    text.push_str("\nMedians:\n\n| work | requests/s | p50 ms | p99 ms |\n|---|---|---|---|\n");
    for (at, work) in WORKS.iter().enumerate() {
        let loads = rounds.iter().filter_map(|round| round.loads.get(at));
        text.push_str(&made_of(work.title, loads));
    }
    let beside = || rounds.iter().map(|round| &round.beside);
    text.push_str(&made_of("a cached résumé, paced", beside().map(|beside| &beside.idle)));
    text.push_str(&made_of("the same beside logins", beside().map(|beside| &beside.busy)));
    text.push_str(&made_of("the logins", beside().map(|beside| &beside.logins)));
    text
}

fn rate(round: &Round, at: usize) -> f64 {
    round.loads.get(at).map_or(f64::NAN, Load::per_second)
}

fn row(what: &str, measure: &str, spread: Spread, aim: Bound) -> String {
    let Spread { least, median, most } = spread;
    let met = aim.label(median);
    format!("| {what} | {measure} | {median:.2} | {least:.2}–{most:.2} | {aim} | {met} |\n")
}

fn made_of<'a>(title: &str, loads: impl Iterator<Item = &'a Load> + Clone) -> String {
    let median = |value: fn(&Load) -> f64| Spread::of(loads.clone().map(value)).median;
    let (rate, p50, p99) =
        (median(Load::per_second), median(|load| ms(load.p50_us)), median(|load| ms(load.p99_us)));
    let mut row = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(row, "| {title} | {rate:.0} | {p50:.2} | {p99:.2} |");
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_the_aim_and_if_it_is_met() {
        let spread = Spread { least: 0.5, median: 0.6, most: 0.8 };
        assert_eq!(
            row("x", "y", spread, Bound::AtLeast(0.7)),
            "| x | y | 0.60 | 0.50–0.80 | ≥ 0.70 | **missed** |\n"
        );
        let load = Load {
            requests: 1_000,
            duration_us: 100_000,
            p50_us: 500,
            p99_us: 900,
            refused: 0,
            failed: 0,
        };
        assert_eq!(made_of("z", [&load].into_iter()), "| z | 10000 | 0.50 | 0.90 |\n");
    }
}
