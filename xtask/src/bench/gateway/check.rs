//! Whether a run measured what it says: all admitted, all refused, by leases, one by one, from
//! memory; nothing failed, and nothing decided without the ledger.

use super::Measured;
use super::sample::Sample;
use super::system::{SYSTEMS, System};
use super::work::{Fate, PACED_PER_SECOND, Pattern, Work};

/// The share of requests of which something must hold that should hold of all: a round's first few
/// are decided in another way, and the last are cut off.
const NEARLY_ALL: f64 = 0.99;
/// The least share of a hot key's requests that leases must serve.
const MANY: f64 = 0.9;
/// How far the constant rate may be off.
const RATE_OFF: f64 = 0.1;

/// What is wrong with `measured`, a line each.
#[must_use]
pub(crate) fn mistakes(measured: &Measured) -> Vec<String> {
    let mut found = Vec::new();
    for (round, samples) in (1..).zip(&measured.rounds) {
        for system in SYSTEMS {
            let title = measured.work.title;
            for mistake in of_sample(measured.work, system, samples.of(system)) {
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
    let mut must = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let share = |count: u64| count as f64 / requests.max(1.0);
    must(sample.load.requests > 0, "no request was answered".to_owned());
    must(sample.load.failed == 0, format!("{} requests came to nothing", sample.load.failed));
    let refuses = work.fate == Fate::Refused && system != System::Bare;
    let (class, is) = if refuses { ("4xx", "refused") } else { ("2xx", "admitted") };
    let answered = share(counts.answers(class));
    must(answered >= NEARLY_ALL, format!("{:.1} % were {is}, not all", 100.0 * answered));
    must(counts.answers("5xx") == 0, format!("{} were answered 5xx", counts.answers("5xx")));
    if work.pattern == Pattern::Paced {
        let off = (sample.per_second() / f64::from(PACED_PER_SECOND) - 1.0).abs();
        must(off <= RATE_OFF, format!("{:.0} requests/s came, not 1,000", sample.per_second()));
    }
    if system == System::Tollgate {
        for name in [
            "requests.verdict=degraded",
            "calls.kind=decide.outcome=failed",
            "breaker.opened",
            "outbox.full",
        ] {
            let count = counts.tollgate(name);
            must(count == 0, format!("{name} is {count}, not 0"));
        }
        let (way, count, least) = decided(work, sample);
        let part = share(count);
        must(part >= least, format!("{:.1} % were decided by {way}", 100.0 * part));
    }
    found
}

/// How `work` means requests to be decided, how many were, and the least share of them all.
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
    fn a_run_that_measured_what_it_says_passes() {
        let leased = ("wasmcustom.tollgate.leases.spent", 950);
        let ledger = "wasmcustom.tollgate.decisions.bucket=users.by=ledger.verdict=admitted";
        let before = ("wasmcustom.tollgate.denied_before.hits", 999);
        check(0, System::Tollgate, &[ADMITTED, leased], &[]);
        check(1, System::Tollgate, &[ADMITTED, (ledger, 1_000)], &[]);
        check(2, System::Tollgate, &[REFUSED, before], &[]);
        check(2, System::LocalRatelimit, &[REFUSED], &[]);
        check(2, System::Bare, &[ADMITTED], &[]);
        let exempt = ("wasmcustom.tollgate.requests.verdict=exempt", 1_000);
        check(5, System::Tollgate, &[ADMITTED, exempt], &[]);
    }

    #[test]
    fn a_run_that_measured_something_else_is_told() {
        check(0, System::Tollgate, &[ADMITTED], &["0.0 % were decided by leases"]);
        check(2, System::LocalRatelimit, &[ADMITTED], &["0.0 % were refused, not all"]);
        check(
            3,
            System::Bare,
            &[ADMITTED, ("http.gateway.downstream_rq_5xx", 2)],
            &["2 were answered 5xx", "10000 requests/s came, not 1,000"],
        );
        check(
            1,
            System::Tollgate,
            &[ADMITTED, ("wasmcustom.tollgate.requests.verdict=degraded", 1_000)],
            &["requests.verdict=degraded is 1000, not 0", "0.0 % were decided by the ledger"],
        );
    }
}
