//! How well an applicant-tracking system reads a résumé: a transparent score, without a model.
//!
//! Called by the AI routes, which have it whether Claude is there or not. Pure: no clock, no I/O,
//! the same answer for the same documents.
//!
//! [`score`] asks each part of [`part`] how much of itself it has earned: `contact`, `summary`,
//! `experience`, `dates`, `achievements`, `skills`, `education`, `format` and, with a job
//! description, `matching`. Each looks at the document through a `view` and leaves its
//! [`finding`]s. `wording` has the lists of words.
//!
//! What holds:
//! - the parts' points add up to the score, and their maxima to 100;
//! - a part that has less than its maximum has at least one finding of severity `error` or
//!   `warning`, and one that has all of it none: nothing is lost without a reason;
//! - findings of severity `info` cost nothing;
//! - each pointer leads to something that is in the résumé.

mod achievements;
mod contact;
mod dates;
mod education;
mod experience;
pub mod finding;
mod format;
mod matching;
pub mod part;
mod skills;
mod summary;
mod view;
mod wording;

pub use finding::{Code, Finding, Severity};
pub use matching::{Keywords, Matched, Missing};
pub use part::{Part, PartName};

use crate::document::Resume;
use crate::keywords;
use finding::Findings;
use serde::{Deserialize, Serialize};
use view::View;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsReport)]
pub struct Report {
    /// The sum of the parts' points, 0..=100.
    #[schema(maximum = 100)]
    pub score: u8,
    /// What the score is made of.
    pub parts: Vec<Part>,
    /// How the résumé meets the job description; both empty without one.
    pub keywords: Keywords,
    /// What to do about it: errors first, then warnings, then the rest; at most
    /// [`finding::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// Scores `resume`, against `job_description` if there is one.
///
/// A job description in which there is no keyword counts as none, with a finding that says so. Of
/// one over [`keywords::MAX_TEXT_BYTES`] only the start is read.
#[must_use]
pub fn score(resume: &Resume, job_description: Option<&str>) -> Report {
    let view = View::of(resume);
    let mut findings = Findings::default();
    let wanted = job_description.map(keywords::of).unwrap_or_default();
    if job_description.is_some() && wanted.is_empty() {
        let detail = "The job description has no words to look for: give its whole text.";
        findings.push(Code::JobNoKeywords, "", detail);
    }
    let keywords = matching::of(&view, &wanted);
    let has_job = !wanted.is_empty();
    let names = PartName::ALL.into_iter().filter(|name| name.maximum(has_job) > 0);
    let parts: Vec<_> = names
        .map(|name| {
            let share = match name {
                PartName::Contact => contact::judge(&view, &mut findings),
                PartName::Summary => summary::judge(&view, &mut findings),
                PartName::Experience => experience::judge(&view, &mut findings),
                PartName::Dates => dates::judge(&view, &mut findings),
                PartName::Achievements => achievements::judge(&view, &mut findings),
                PartName::Skills => skills::judge(&view, &mut findings),
                PartName::Education => education::judge(&view, &mut findings),
                PartName::Format => format::judge(&view, &mut findings),
                PartName::Keywords => matching::judge(&view, &wanted, &keywords, &mut findings),
            };
            Part::new(name, share, has_job)
        })
        .collect();
    let score = parts.iter().map(|part| part.points).sum();
    Report { score, parts, keywords, findings: findings.finish() }
}

#[cfg(test)]
mod tests;
