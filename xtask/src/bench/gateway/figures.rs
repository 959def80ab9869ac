//! Computes the value of a measure in a round.

use super::sample::Sample;
use super::system::EachSystem;
use super::work::Measure;
use crate::bench::spread::ms;

impl Measure {
    /// Returns the measure's value in `round`.
    #[must_use]
    pub(crate) fn of(self, round: &EachSystem<Sample>) -> f64 {
        let EachSystem { bare, local_ratelimit: local, tollgate: ours } = round;
        match self {
            Self::Throughput => ours.per_second() / local.per_second(),
            Self::Cpu => ours.total_us() / local.total_us(),
            Self::AddedP50 => ms(ours.load.p50_us) - ms(bare.load.p50_us),
            Self::AddedP99 => ms(ours.load.p99_us) - ms(bare.load.p99_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gateway::sample::tests::sample;

    #[test]
    fn measures_compare_within_a_round() {
        let (bare, local, mut ours) = (sample(&[]), sample(&[]), sample(&[]));
        ours.load.requests = 800;
        ours.load.p50_us = 700;
        ours.load.p99_us = 1_900;
        let round = EachSystem { bare, local_ratelimit: local, tollgate: ours };
        let near = |measure: Measure, expected: f64| {
            assert!((measure.of(&round) - expected).abs() < 1e-9, "{measure:?}");
        };
        near(Measure::Throughput, 0.8);
        near(Measure::Cpu, 1.25);
        near(Measure::AddedP50, 0.2);
        near(Measure::AddedP99, 1.0);
    }
}
