//! Scores the summary and its length. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::{View, count_words};

const MIN_WORDS: usize = 20;
const MAX_WORDS: usize = 120;

/// Scores the summary in the basics.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let basics = view.basics();
    let pointer = basics.around("summary");
    let Some(summary) = basics.text("summary") else {
        let detail = "There is no summary. Say in two or three sentences who you are, what you \
                      are best at and what you are looking for.";
        findings.push(Code::SummaryMissing, pointer, detail);
        return Share::NONE;
    };
    let words = count_words(summary);
    if words < MIN_WORDS {
        let detail = format!(
            "The summary has only {words} words. Use {MIN_WORDS} to {MAX_WORDS} to say what you \
             bring to the job."
        );
        findings.push(Code::SummaryTooShort, pointer, detail);
    } else if words > MAX_WORDS {
        let detail = format!(
            "The summary has {words} words. Cut it to {MAX_WORDS}, and move the rest to the jobs \
             it is about."
        );
        findings.push(Code::SummaryTooLong, pointer, detail);
    }
    Share::mean(&[(1, Share::WHOLE), (1, Share::all_if((MIN_WORDS..=MAX_WORDS).contains(&words)))])
}
