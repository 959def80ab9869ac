//! Computes the value of an aim's measure in a round.

use super::Round;
use super::work::{Aim, Measure};
use crate::bench::spread::ms;

impl Aim {
    /// Returns the measure's value in `round`, if both systems took part.
    #[must_use]
    pub(crate) fn of(&self, round: &Round) -> Option<f64> {
        let (ours, theirs) = (round.of(self.system)?, round.of(self.against)?);
        Some(match self.measure {
            Measure::Throughput => ours.per_second() / theirs.per_second(),
            Measure::Cpu => ours.total_us() / theirs.total_us(),
            Measure::AddedP50 => ms(ours.load.p50_us) - ms(theirs.load.p50_us),
            Measure::AddedP99 => ms(ours.load.p99_us) - ms(theirs.load.p99_us),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::bound::Bound;
    use crate::bench::gateway::sample::tests::sample;
    use crate::bench::gateway::system::System;

    #[test]
    fn measures_compare_within_a_round() {
        let (local, mut ours) = (sample(&[]), sample(&[]));
        ours.load.requests = 800;
        ours.load.p50_us = 700;
        ours.load.p99_us = 1_900;
        let round = Round(vec![(System::Local, local), (System::Wasm, ours)]);
        let near = |measure: Measure, expected: f64| {
            let (system, against) = (System::Wasm, System::Local);
            let aim = Aim { system, measure, against, bound: Bound::AtMost(1.0) };
            assert!((aim.of(&round).unwrap() - expected).abs() < 1e-9, "{measure:?}");
        };
        near(Measure::Throughput, 0.8);
        near(Measure::Cpu, 1.25);
        near(Measure::AddedP50, 0.2);
        near(Measure::AddedP99, 1.0);
    }
}
