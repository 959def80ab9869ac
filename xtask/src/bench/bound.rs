//! Aims for figures.

/// An inclusive bound.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// A lower bound.
    AtLeast(f64),
    /// An upper bound.
    AtMost(f64),
}

impl Bound {
    /// Returns true if `value` is within the bound.
    #[must_use]
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    /// Returns the text in tables for `value`: met, or missed.
    #[must_use]
    pub(crate) fn label(self, value: f64) -> &'static str {
        if self.holds(value) { "met" } else { "**missed**" }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least:.2}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        assert!(Bound::AtLeast(0.8).holds(0.8) && !Bound::AtLeast(0.8).holds(0.79));
        assert!(Bound::AtMost(2.2).holds(2.2) && !Bound::AtMost(2.2).holds(2.3));
        assert_eq!(Bound::AtLeast(0.8).to_string(), "≥ 0.80");
    }
}
