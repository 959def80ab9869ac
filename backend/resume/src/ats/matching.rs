//! Scores how many of the job description's keywords are in the résumé. Called by [`super::score`].

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
    /// The keywords the résumé has, by descending weight.
    pub matched: Vec<Matched>,
    /// The keywords the résumé lacks, by descending weight.
    pub missing: Vec<Missing>,
}

/// A keyword the résumé has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsMatched)]
pub struct Matched {
    /// The keyword as the job description spells it.
    pub keyword: String,
    /// The weight, 1..=3.
    pub weight: u8,
    /// JSON pointers to the first places in the résumé, 1..=[`keywords::MAX_PLACES`].
    pub pointers: Vec<String>,
}

/// A keyword the résumé lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AtsMissing)]
pub struct Missing {
    /// The keyword as the job description spells it.
    pub keyword: String,
    /// The weight, 1..=3.
    pub weight: u8,
}

/// Searches all texts for the keywords `wanted`.
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

/// Scores the matched keywords by weight. Four fifths of the weight earn all points, because a
/// generated list of keywords is never entirely relevant.
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
                "The job description mentions {:?}, but the résumé does not. If it applies to you, \
                 add it in the same words.",
                shown(keyword)
            );
            findings.push(Code::KeywordMissing, view.around("skills"), detail);
        }
    }
    report_only_listed(view, wanted, findings);
    share
}

/// Reports keywords that are among the skills but in no sentence.
fn report_only_listed(view: &View<'_>, wanted: &[Keyword], findings: &mut Findings) {
    let texts = view.texts();
    let in_skills = places(wanted, texts.iter().filter(|t| t.pointer.starts_with("/skills/")));
    let in_sentences = places(wanted, texts.iter().filter(|text| text.kind != Kind::Label));
    for ((keyword, skills), sentences) in wanted.iter().zip(in_skills).zip(in_sentences) {
        if let (Some(pointer), true) = (skills.first(), sentences.is_empty()) {
            let detail = format!(
                "{:?} is listed, but no sentence shows its use. Mention it in a highlight.",
                shown(&keyword.text)
            );
            findings.push(Code::KeywordOnlyListed, pointer.as_str(), detail);
        }
    }
}
