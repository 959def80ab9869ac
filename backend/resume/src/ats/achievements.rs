//! Scores whether highlights state results, with numbers. Called by [`super::score`].
//!
//! Not every highlight needs a number or can begin with a verb: half of them and two thirds of them
//! are enough. Below that, each of the others gets a finding.

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::{Text, View};
use super::wording;
use crate::numbers;

/// Scores the highlights of jobs, projects and volunteer work.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let highlights = view.highlights();
    if highlights.is_empty() {
        let detail = "There are no highlights. Give each job two to five, each with one \
                      achievement and a number if possible.";
        findings.push(Code::HighlightsMissing, view.around("work"), detail);
        return Share::NONE;
    }
    Share::mean(&[(1, in_numbers(&highlights, findings)), (1, in_verbs(&highlights, findings))])
}

fn in_numbers(highlights: &[Text<'_>], findings: &mut Findings) -> Share {
    let without: Vec<_> =
        highlights.iter().filter(|highlight| !numbers::has_number(highlight.text)).collect();
    let with = highlights.len() - without.len();
    let share = Share::of(with * 2, highlights.len());
    if share < Share::WHOLE {
        for highlight in without {
            let detail = "This has no number. Say how many, how much, how fast, how often, or how \
                          much better than before.";
            findings.push(Code::HighlightNoNumber, highlight.pointer.as_str(), detail);
        }
    }
    share
}

fn in_verbs(highlights: &[Text<'_>], findings: &mut Findings) -> Share {
    let is_weak = |highlight: &&Text<'_>| wording::weak_start(highlight.text).is_some();
    let begins = |highlight: &&Text<'_>| !is_weak(highlight) && wording::is_action(highlight.text);
    let strong = highlights.iter().filter(begins).count();
    let share = Share::of(strong * 3, highlights.len() * 2);
    if share == Share::WHOLE {
        return share;
    }
    for highlight in highlights.iter().filter(|highlight| !begins(highlight)) {
        match wording::weak_start(highlight.text) {
            Some(start) => {
                let detail = format!(
                    "This begins with {start:?}, which describes a duty. Begin with what you did, \
                     such as \"Led\" or \"Built\"."
                );
                findings.push(Code::HighlightWeakStart, highlight.pointer.as_str(), detail);
            }
            None => {
                let detail = "This does not begin with what you did. Begin with a verb, such as \
                              \"Reduced\" or \"Introduced\".";
                findings.push(Code::HighlightNoVerb, highlight.pointer.as_str(), detail);
            }
        }
    }
    share
}
