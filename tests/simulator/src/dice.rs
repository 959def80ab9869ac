//! Chance, from a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::ops::RangeInclusive;

/// A source of chance that a seed determines.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// The dice of `seed`.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number of `range`.
    pub fn of_range(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.of_range(0..=999) < per_mille
    }

    /// One of `choices`, which are not none.
    pub fn pick<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        let at = self.of_range(0..=others.len() as u64);
        let other = usize::try_from(at).ok().and_then(|at| others.get(at.checked_sub(1)?));
        other.copied().unwrap_or(first)
    }

    /// A delay in µs: mostly short, sometimes up to `longest_us`.
    pub fn delay_us(&mut self, longest_us: u64) -> u64 {
        let longest_us = longest_us.max(100);
        match self.of_range(0..=19) {
            0 => self.of_range(50..=longest_us),
            1..=4 => self.of_range(50..=longest_us.min(10_000)),
            _ => self.of_range(50..=longest_us.min(1_500)),
        }
    }
}
