//! Summarizes the values of several rounds.

/// The spread of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// The smallest value.
    pub least: f64,
    /// The median. For an even number of values, it is the mean of the two in the middle.
    pub median: f64,
    /// The largest value.
    pub most: f64,
}

impl Spread {
    /// Returns the spread of `values`. All fields are NaN if there are no values.
    #[must_use]
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        let count = sorted.len();
        let median = f64::midpoint(at(count.saturating_sub(1) / 2), at(count / 2));
        Self { least: at(0), median, most: at(count.saturating_sub(1)) }
    }
}

/// Converts µs to ms.
#[must_use]
pub(crate) fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value() {
        let check = |values: &[f64], least, median, most| {
            assert_eq!(Spread::of(values.iter().copied()), Spread { least, median, most });
        };
        check(&[3.0], 3.0, 3.0, 3.0);
        check(&[3.0, 1.0], 1.0, 2.0, 3.0);
        check(&[9.0, 1.0, 2.0], 1.0, 2.0, 9.0);
        check(&[4.0, 1.0, 2.0, 9.0], 1.0, 3.0, 9.0);
        assert!(Spread::of([]).median.is_nan());
    }
}
