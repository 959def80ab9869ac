//! How many of the job description's keywords are in the résumé. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::skills::shown;
use super::view::{Kind, Text, View};
use crate::keywords::{self, Keyword};
use serde::{Deserialize, Serialize};

/// The keywords of a job description.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsKeywords)]
pub struct Keywords {
    /// Those that the résumé has, the weightiest first.
    pub matched: Vec<Matched>,
    /// Those that it has not, the weightiest first.
    pub missing: Vec<Missing>,
}

/// A keyword that the résumé has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsMatched)]
pub struct Matched {
    /// As the job description has it.
    pub keyword: String,
    /// How much it counts, 1..=3.
    pub weight: u8,
    /// Where the résumé has it: the first places, 1..=[`keywords::MAX_PLACES`].
    pub pointers: Vec<String>,
}

/// A keyword that the résumé has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsMissing)]
pub struct Missing {
    /// As the job description has it.
    pub keyword: String,
    /// How much it counts, 1..=3.
    pub weight: u8,
}

/// Looks for the keywords `wanted` in all texts.
pub(super) fn of(view: &View<'_>, wanted: &[Keyword]) -> Keywords {
    let texts = view.texts();
    let mut keywords = Keywords::default();
    for (Keyword { text, weight, .. }, pointers) in wanted.iter().zip(places(wanted, &texts)) {
        let (keyword, weight) = (text.clone(), *weight);
        if pointers.is_empty() {
            keywords.missing.push(Missing { keyword, weight });
        } else {
            keywords.matched.push(Matched { keyword, weight, pointers });
        }
    }
    keywords
}

fn places<'a>(
    wanted: &[Keyword],
    texts: impl IntoIterator<Item = &'a Text<'a>>,
) -> Vec<Vec<String>> {
    keywords::find(wanted, texts.into_iter().map(|text| (text.pointer.as_str(), text.text)))
}

/// By weight: four fifths of it give all points, for no list of words made by a machine is all to
/// the point.
pub(super) fn judge(
    view: &View<'_>,
    wanted: &[Keyword],
    keywords: &Keywords,
    findings: &mut Findings,
) -> Share {
    let matched: usize = keywords.matched.iter().map(|keyword| usize::from(keyword.weight)).sum();
    let missing: usize = keywords.missing.iter().map(|keyword| usize::from(keyword.weight)).sum();
    let share = Share::of(matched * 5, (matched + missing) * 4);
    if share < Share::WHOLE {
        for Missing { keyword, .. } in &keywords.missing {
            let detail = format!(
                "The job description has {:?}, the résumé has not: if it is true of you, say so in \
                 its words.",
                shown(keyword)
            );
            findings.push(Code::KeywordMissing, view.around("skills"), detail);
        }
    }
    tell_only_listed(view, wanted, findings);
    share
}

/// The keywords that are among the skills and in no sentence.
fn tell_only_listed(view: &View<'_>, wanted: &[Keyword], findings: &mut Findings) {
    let texts = view.texts();
    let in_skills = places(wanted, texts.iter().filter(|t| t.pointer.starts_with("/skills/")));
    let in_sentences = places(wanted, texts.iter().filter(|text| text.kind != Kind::Label));
    for ((keyword, skills), sentences) in wanted.iter().zip(in_skills).zip(in_sentences) {
        if let (Some(pointer), true) = (skills.first(), sentences.is_empty()) {
            let detail = format!(
                "{:?} is listed, but no sentence tells of its use: show it in a highlight.",
                shown(&keyword.text)
            );
            findings.push(Code::KeywordOnlyListed, pointer.as_str(), detail);
        }
    }
}
