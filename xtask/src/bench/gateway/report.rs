//! Formats the figures as Markdown: first the ratios with their aims, then the underlying values.

use super::sample::Sample;
use super::servers::{GATEWAY, REDIS, SHIM, UPSTREAM};
use super::share::{self, Shares};
use super::system::System;
use super::work::Aim;
use super::{Gateway, Measured};
use crate::bench::machine::Machine;
use crate::bench::spread::{Spread, ms};
use std::fmt::Write as _;

/// Formats the figures.
#[must_use]
pub(crate) fn markdown(
    flags: &Gateway,
    before: &Machine,
    after: &Machine,
    measured: &[Measured],
    shares: &[Shares],
) -> String {
    let mut text = format!(
        "Machine: {} cores ({}), kernel {}; load average {} before, {} after.\n\
         {} rounds of {} s each, the systems taking turns; one worker, no access log, no jwt_authn.\n\n",
        before.cores,
        before.model,
        before.kernel,
        before.load,
        after.load,
        flags.rounds,
        flags.seconds
    );
    text.push_str(
        "| work | system | against | measure | median | least–most | aim | |\n|---|---|---|---|---|---|---|---|\n",
    );
    for of_work in measured {
        of_work.work.aims.iter().for_each(|aim| text.push_str(&aim_row(of_work, aim)));
    }
    shares.iter().for_each(|shares| text.push_str(&shares.aim_row()));
    if !shares.is_empty() {
        text.push_str(&share::table(shares));
    }
    if measured.is_empty() {
        return text;
    }
    text.push_str(
        "\nMedians. CPU in µs per request. \"busy\" is the share of a core that the gateway used, \
         \"others\" the number of cores that other processes used.\n\n\
         | work | system | requests/s | gateway | upstream | shim | Redis | all servers | wrk | busy | others | p50 ms | p99 ms |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for of_work in measured {
        of_work.work.systems.iter().for_each(|system| text.push_str(&system_row(of_work, *system)));
    }
    text
}

fn aim_row(measured: &Measured, aim: &Aim) -> String {
    let Spread { least, median, most } =
        Spread::of(measured.rounds.iter().filter_map(|round| aim.of(round)));
    let met = aim.bound.label(median);
    let (work, measure) = (measured.work.title, aim.measure.title());
    let (system, against) = (aim.system.name(), aim.against.name());
    format!(
        "| {work} | {system} | {against} | {measure} | {median:.2} | {least:.2}–{most:.2} | {} | {met} |\n",
        aim.bound
    )
}

fn system_row(measured: &Measured, system: System) -> String {
    let median = |value: &dyn Fn(&Sample) -> f64| {
        Spread::of(measured.rounds.iter().filter_map(|round| Some(value(round.of(system)?)))).median
    };
    let mut row = format!("| {} | {} ", measured.work.title, system.name());
    // Writing to a String cannot fail.
    let _ = write!(row, "| {:.0} ", median(&Sample::per_second));
    for server in [GATEWAY, UPSTREAM, SHIM, REDIS] {
        let _ = write!(row, "| {:.1} ", median(&|sample| sample.server_us(server)));
    }
    let _ = write!(row, "| {:.1} | {:.1} ", median(&Sample::total_us), median(&Sample::wrk_us));
    let _ = write!(row, "| {:.2} ", median(&|sample| sample.share(GATEWAY)));
    let _ = write!(row, "| {:.2} ", median(&Sample::others));
    let _ = write!(row, "| {:.2} ", median(&|sample| ms(sample.load.p50_us)));
    let _ = writeln!(row, "| {:.2} |", median(&|sample| ms(sample.load.p99_us)));
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gateway::Round;
    use crate::bench::gateway::sample::tests::sample;
    use crate::bench::gateway::work::WORKS;

    #[test]
    fn a_row_shows_the_aim_and_if_it_is_met() {
        let mut slow = sample(&[]);
        slow.load.requests = 500;
        let round = |wasm| {
            Round(vec![
                (System::Bare, sample(&[])),
                (System::Local, sample(&[])),
                (System::Wasm, wasm),
            ])
        };
        let measured = |wasm| Measured { work: &WORKS[0], rounds: vec![round(wasm)] };
        let head = "| one hot key, all admitted | .wasm | local_ratelimit | requests/s, ratio |";
        assert_eq!(
            aim_row(&measured(sample(&[])), &WORKS[0].aims[0]),
            format!("{head} 1.00 | 1.00–1.00 | ≥ 0.75 | met |\n")
        );
        assert_eq!(
            aim_row(&measured(slow), &WORKS[0].aims[0]),
            format!("{head} 0.50 | 0.50–0.50 | ≥ 0.75 | **missed** |\n")
        );
        assert_eq!(
            system_row(&measured(sample(&[])), System::Bare),
            "| one hot key, all admitted | bare | 10000 | 50.0 | 30.0 | 0.0 | 0.0 | 80.0 | 10.0 \
             | 0.50 | 0.20 | 0.50 | 0.90 |\n"
        );
    }
}
