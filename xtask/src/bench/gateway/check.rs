//! Checks that a run is valid: requests were admitted or refused in the way that the work intends,
//! none failed, and none was decided without the ledger.

use super::Measured;
use super::sample::Sample;
use super::system::System;
use super::work::{Fate, PACED_PER_SECOND, Pattern, Work};

/// The required share of requests that were decided as intended. It is below 1 because a round's first
/// requests are decided differently and its last ones are cut off.
const NEARLY_ALL: f64 = 0.99;
/// The required share of a hot key's requests that leases serve.
const MANY: f64 = 0.9;
/// The allowed deviation from the constant rate.
const RATE_OFF: f64 = 0.1;

/// Returns the mistakes in `measured`, one per line.
#[must_use]
pub(crate) fn mistakes(measured: &Measured) -> Vec<String> {
    let mut found = Vec::new();
    for (round, samples) in (1..).zip(&measured.rounds) {
        for (system, sample) in &samples.0 {
            let title = measured.work.title;
            for mistake in of_sample(measured.work, *system, sample) {
                found.push(format!("{title}, round {round}, {}: {mistake}", system.name()));
            }
        }
    }
    found
}

fn of_sample(work: &Work, system: System, sample: &Sample) -> Vec<String> {
    let requests = sample.load.requests as f64;
    let counts = &sample.counts;
    let mut found = Vec::new();
    let mut must = |holds: bool, mistake: String| {
        if !holds {
            found.push(mistake);
        }
    };
    let share = |count: u64| count as f64 / requests.max(1.0);
    must(sample.load.requests > 0, "no request was answered".to_owned());
    must(sample.load.failed == 0, format!("{} requests failed", sample.load.failed));
    let refuses = work.fate == Fate::Refused && system != System::Bare;
    let (class, is) = if refuses { ("4xx", "refused") } else { ("2xx", "admitted") };
    let answered = share(counts.answers(class));
    must(answered >= NEARLY_ALL, format!("only {:.1} % were {is}", 100.0 * answered));
    must(counts.answers("5xx") == 0, format!("{} were answered 5xx", counts.answers("5xx")));
    if work.pattern == Pattern::Paced {
        let off = (sample.per_second() / f64::from(PACED_PER_SECOND) - 1.0).abs();
        must(off <= RATE_OFF, format!("expected 1,000 requests/s, got {:.0}", sample.per_second()));
    }
    if system.front().is_some() {
        for name in [
            "requests.verdict=degraded",
            "calls.kind=decide.outcome=failed",
            "breaker.opened",
            "outbox.full",
        ] {
            let count = counts.tollgate(name);
            must(count == 0, format!("expected {name} to be 0, got {count}"));
        }
        let (way, count, least) = decided(work, sample);
        let part = share(count);
        must(part >= least, format!("only {:.1} % were decided by {way}", 100.0 * part));
    }
    found
}

/// Returns the way in which `work` intends requests to be decided, the number that were, and the
/// required share.
fn decided(work: &Work, sample: &Sample) -> (&'static str, u64, f64) {
    let counts = &sample.counts;
    match (work.fate, work.pattern) {
        (Fate::Exempt, _) => ("a rule", counts.tollgate("requests.verdict=exempt"), NEARLY_ALL),
        (Fate::Refused, _) => {
            ("an earlier denial", counts.tollgate("denied_before.hits"), NEARLY_ALL)
        }
        (Fate::Admitted, Pattern::OneKey) => ("leases", counts.tollgate("leases.spent"), MANY),
        (Fate::Admitted, Pattern::ManyKeys | Pattern::Paced) => {
            let name = "decisions.bucket=users.by=ledger.verdict=admitted";
            ("the ledger", counts.tollgate(name), NEARLY_ALL)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gateway::sample::tests::sample;
    use crate::bench::gateway::work::WORKS;

    const ADMITTED: (&str, u64) = ("http.gateway.downstream_rq_2xx", 1_000);
    const REFUSED: (&str, u64) = ("http.gateway.downstream_rq_4xx", 1_000);

    fn check(work: usize, system: System, counts: &[(&str, u64)], expected: &[&str]) {
        assert_eq!(of_sample(&WORKS[work], system, &sample(counts)), expected);
    }

    #[test]
    fn a_valid_run_passes() {
        let leased = ("wasmcustom.tollgate.leases.spent", 950);
        let ledger = "wasmcustom.tollgate.decisions.bucket=users.by=ledger.verdict=admitted";
        let before = ("wasmcustom.tollgate.denied_before.hits", 999);
        check(0, System::Wasm, &[ADMITTED, leased], &[]);
        check(1, System::Wasm, &[ADMITTED, (ledger, 1_000)], &[]);
        check(3, System::Wasm, &[REFUSED, before], &[]);
        check(3, System::Local, &[REFUSED], &[]);
        check(3, System::Bare, &[ADMITTED], &[]);
        let exempt = ("wasmcustom.tollgate.requests.verdict=exempt", 1_000);
        check(7, System::Wasm, &[ADMITTED, exempt], &[]);
    }

    #[test]
    fn an_invalid_run_is_reported() {
        check(0, System::Wasm, &[ADMITTED], &["only 0.0 % were decided by leases"]);
        check(3, System::Local, &[ADMITTED], &["only 0.0 % were refused"]);
        check(
            4,
            System::Bare,
            &[ADMITTED, ("http.gateway.downstream_rq_5xx", 2)],
            &["2 were answered 5xx", "expected 1,000 requests/s, got 10000"],
        );
        check(
            1,
            System::Wasm,
            &[ADMITTED, ("wasmcustom.tollgate.requests.verdict=degraded", 1_000)],
            &[
                "expected requests.verdict=degraded to be 0, got 1000",
                "only 0.0 % were decided by the ledger",
            ],
        );
    }
}
