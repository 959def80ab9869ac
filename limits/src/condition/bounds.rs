//! The bounds of a number.

use std::fmt;

/// A lower and an upper bound, at least one of which is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The lower bound.
    pub low: Option<Bound>,
    /// The upper bound.
    pub high: Option<Bound>,
}

/// One bound. The number is finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// The number.
    pub number: f64,
    /// True if the number itself is within the bounds.
    pub is_included: bool,
}

/// Holds because the number is finite.
impl Eq for Bound {}

impl Bounds {
    /// Returns true if `number` is within the bounds. NaN never is.
    #[must_use]
    pub fn contain(&self, number: f64) -> bool {
        let is_above = |low: &Bound| {
            if low.is_included { number >= low.number } else { number > low.number }
        };
        let is_below = |high: &Bound| {
            if high.is_included { number <= high.number } else { number < high.number }
        };
        self.low.as_ref().is_none_or(is_above) && self.high.as_ref().is_none_or(is_below)
    }

    /// Returns true if no number is within the bounds.
    #[must_use]
    pub fn are_empty(&self) -> bool {
        match (&self.low, &self.high) {
            (Some(low), Some(high)) => {
                low.number > high.number
                    || (low.number >= high.number && !(low.is_included && high.is_included))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [("at least", "above"), ("at most", "below")];
        let mut and = "";
        for (bound, (included, excluded)) in [self.low, self.high].into_iter().zip(names) {
            let Some(bound) = bound else { continue };
            let name = if bound.is_included { included } else { excluded };
            write!(f, "{and}{name} {}", bound.number)?;
            and = " and ";
        }
        Ok(())
    }
}
