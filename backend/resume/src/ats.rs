//! A transparent score, computed without a model, for how well applicant tracking systems read a
//! résumé.
//!
//! Called by the AI routes, which thus have a score even while Claude is down. Pure: no clock, no
//! I/O, and equal documents get equal reports.
//!
//! [`score`] adds up the points of each [`part`]: `contact`, `summary`, `experience`, `dates`,
//! `achievements`, `skills`, `education`, `format` and, with a job description, `matching`. Each
//! part reads the document through a `view` and adds its [`finding`]s. `wording` has the word
//! lists.
//!
//! Invariants:
//! - The parts' points add up to the score, and their maxima to 100.
//! - A part below its maximum has at least one finding of severity `error` or `warning`, and a part
//!   at its maximum has none: no point is lost without a reason.
//! - Findings of severity `info` cost no points.
//! - Each pointer leads to something in the résumé.

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

/// The result of scoring a résumé.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsReport)]
pub struct Report {
    /// The sum of the parts' points, 0..=100.
    #[schema(maximum = 100)]
    pub score: u8,
    /// The parts of the score.
    pub parts: Vec<Part>,
    /// The job description's keywords; both lists are empty without one.
    pub keywords: Keywords,
    /// Suggested fixes, at most [`finding::MAX_FINDINGS`]: errors first, then warnings, then infos.
    pub findings: Vec<Finding>,
}

/// Scores `resume`, against `job_description` if given.
///
/// A job description without keywords is ignored, with a finding that says so. Only its first
/// [`keywords::MAX_TEXT_BYTES`] are read.
#[must_use]
pub fn score(resume: &Resume, job_description: Option<&str>) -> Report {
    let view = View::of(resume);
    let mut findings = Findings::default();
    let wanted = job_description.map(keywords::of).unwrap_or_default();
    if job_description.is_some() && wanted.is_empty() {
        let detail = "The job description contains no keywords. Provide its full text.";
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
