//! The parts of the score, and the maximum of each.
//!
//! | part | without a job description | with one |
//! |---|---|---|
//! | contact | 10 | 6 |
//! | summary | 10 | 6 |
//! | experience | 20 | 12 |
//! | dates | 10 | 6 |
//! | achievements | 20 | 12 |
//! | skills | 15 | 9 |
//! | education | 10 | 6 |
//! | format | 5 | 3 |
//! | keywords | – | 40 |
//!
//! Without a job description, the other maxima are scaled by five thirds.

use serde::{Deserialize, Serialize};

/// A part of the score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsPart)]
pub struct Part {
    /// The part's name.
    pub name: PartName,
    /// The points earned, 0..=maximum.
    pub points: u8,
    /// The maximum. All maxima add up to 100.
    pub maximum: u8,
}

/// A scored aspect of a résumé.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = AtsPartName)]
pub enum PartName {
    /// The name and contact details.
    Contact,
    /// The summary and its length.
    Summary,
    /// Each job's employer, position and description.
    Experience,
    /// The dates of jobs and degrees, and the order of jobs.
    Dates,
    /// Highlights that state results, with numbers.
    Achievements,
    /// The listed skills.
    Skills,
    /// The degrees and their schools.
    Education,
    /// The length, and plain text.
    Format,
    /// The job description's keywords.
    Keywords,
}

impl PartName {
    /// All parts, in the order of a report.
    pub const ALL: [Self; 9] = [
        Self::Contact,
        Self::Summary,
        Self::Experience,
        Self::Dates,
        Self::Achievements,
        Self::Skills,
        Self::Education,
        Self::Format,
        Self::Keywords,
    ];

    /// Returns the part's maximum.
    #[must_use]
    pub fn maximum(self, has_job_description: bool) -> u8 {
        let (without, with) = match self {
            Self::Contact | Self::Summary | Self::Dates | Self::Education => (10, 6),
            Self::Experience | Self::Achievements => (20, 12),
            Self::Skills => (15, 9),
            Self::Format => (5, 3),
            Self::Keywords => (0, 40),
        };
        if has_job_description { with } else { without }
    }
}

impl Part {
    pub(super) fn new(name: PartName, share: Share, has_job_description: bool) -> Self {
        let maximum = name.maximum(has_job_description);
        Self { name, points: share.points_of(maximum), maximum }
    }
}

/// A fraction in thousandths, rounded down, so that only a whole is 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Share(u32);

impl Share {
    pub(super) const NONE: Self = Self(0);
    pub(super) const WHOLE: Self = Self(1000);

    /// Returns `some` / `all`, at most [`Self::WHOLE`]; [`Self::NONE`] if `all` is 0.
    pub(super) fn of(some: usize, all: usize) -> Self {
        let thousandths = some.min(all).saturating_mul(1000).checked_div(all).unwrap_or(0);
        Self(u32::try_from(thousandths).unwrap_or(1000))
    }

    /// Returns [`Self::WHOLE`] or [`Self::NONE`].
    pub(super) fn all_if(is_there: bool) -> Self {
        if is_there { Self::WHOLE } else { Self::NONE }
    }

    /// Returns the weighted mean.
    pub(super) fn mean(shares: &[(u32, Self)]) -> Self {
        let weights: u32 = shares.iter().map(|(weight, _)| weight).sum();
        let sum: u32 = shares.iter().map(|(weight, share)| weight * share.0).sum();
        Self(sum.checked_div(weights).unwrap_or(0))
    }

    fn points_of(self, maximum: u8) -> u8 {
        u8::try_from(u32::from(maximum) * self.0 / 1000).unwrap_or(maximum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_maxima_add_up_to_100_and_keep_their_proportions() {
        for has_job in [false, true] {
            let sum: u8 = PartName::ALL.iter().map(|name| name.maximum(has_job)).sum();
            assert_eq!(sum, 100, "{has_job}");
        }
        for name in PartName::ALL.iter().filter(|name| **name != PartName::Keywords) {
            assert_eq!(name.maximum(false) * 3, name.maximum(true) * 5, "{name:?}");
        }
    }

    #[test]
    fn points_are_proportional_to_the_share() {
        let check = |some, all, points| {
            assert_eq!(Share::of(some, all).points_of(20), points, "{some} of {all}");
        };
        check(0, 0, 0);
        check(0, 3, 0);
        check(1, 3, 6);
        check(3, 3, 20);
        check(4, 3, 20);
        assert_eq!(Share::mean(&[(3, Share::WHOLE), (1, Share::NONE)]), Share(750));
        assert_eq!(Share::mean(&[]), Share::NONE);
    }

    proptest! {
        #[test]
        fn only_a_complete_share_earns_all_points(
            all in 1..100_000_usize,
            some in 0..100_000_usize,
            maximum in 1..=40_u8,
        ) {
            let points = Share::of(some, all).points_of(maximum);
            prop_assert_eq!(points == maximum, some >= all);
            let nearly = Share::of(all - 1, all);
            prop_assert!(nearly.points_of(maximum) < maximum);
            prop_assert!(Share::mean(&[(2, nearly), (3, Share::WHOLE)]).points_of(maximum) < maximum);
            let mean = Share::mean(&[(2, Share::of(some, all)), (3, Share::WHOLE)]);
            prop_assert_eq!(mean.points_of(maximum) == maximum, some >= all);
        }
    }
}
