//! Seeded randomness.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::ops::RangeInclusive;

/// A seeded random number generator.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// Creates the generator for `seed`.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Returns a uniform number in `range`.
    pub fn in_range(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// Returns true with a probability of `per_mille` / 1000.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.in_range(0..=999) < per_mille
    }

    /// Returns `first` or one of `others`, uniformly.
    pub fn pick<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        let at = self.in_range(0..=others.len() as u64);
        let other = usize::try_from(at).ok().and_then(|at| others.get(at.checked_sub(1)?));
        other.copied().unwrap_or(first)
    }

    /// Returns a delay in µs: mostly short, sometimes up to `longest_us`.
    pub fn delay_us(&mut self, longest_us: u64) -> u64 {
        let longest_us = longest_us.max(100);
        match self.in_range(0..=19) {
            0 => self.in_range(50..=longest_us),
            1..=4 => self.in_range(50..=longest_us.min(10_000)),
            _ => self.in_range(50..=longest_us.min(1_500)),
        }
    }
}
