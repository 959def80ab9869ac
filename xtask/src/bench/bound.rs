//! What a figure should be.

/// A bound, itself included.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
}

impl Bound {
    /// Whether `value` is within it.
    #[must_use]
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    /// Whether `value` is within it, as the tables say it.
    #[must_use]
    pub(crate) fn told(self, value: f64) -> &'static str {
        if self.holds(value) { "met" } else { "**missed**" }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least:.2}"),
            Self::AtMost(most) => write!(f, "≤ {most:.1}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_includes_itself() {
        assert!(Bound::AtLeast(0.8).holds(0.8) && !Bound::AtLeast(0.8).holds(0.79));
        assert!(Bound::AtMost(2.2).holds(2.2) && !Bound::AtMost(2.2).holds(2.3));
        assert_eq!(Bound::AtLeast(0.8).to_string(), "≥ 0.80");
    }
}
