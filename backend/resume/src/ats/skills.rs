//! Scores the listed skills. Called by [`super::score`].

use super::finding::{Code, Findings};
use super::part::Share;
use super::view::{Text, View, count_words};
use crate::fold;
use std::collections::HashSet;

/// The number of skills that earns all points.
const ENOUGH: usize = 6;
/// The longest skill, in words.
const MAX_WORDS: usize = 6;

/// Scores the names and keywords of skills. Each counts once.
pub(super) fn judge(view: &View<'_>, findings: &mut Findings) -> Share {
    let skills = listed(view);
    if skills.is_empty() {
        let detail = "There are no skills, which systems look for first. List the skills of the \
                      job that you have, one by one.";
        findings.push(Code::SkillsEmpty, view.around("skills"), detail);
        return Share::NONE;
    }
    let mut seen = HashSet::new();
    for skill in &skills {
        if !seen.insert(fold::fold(skill.text)) {
            let detail = format!("{:?} is listed twice. Once is enough.", shown(skill.text));
            findings.push(Code::SkillsDuplicate, skill.pointer.as_str(), detail);
        }
        if count_words(skill.text) > MAX_WORDS {
            let detail = format!(
                "This skill has more than {MAX_WORDS} words, but systems look for names. Name it, \
                 and describe the rest in a highlight."
            );
            findings.push(Code::SkillsSentence, skill.pointer.as_str(), detail);
        }
    }
    let count = seen.len();
    if count < ENOUGH {
        let detail = format!("There are only {count} skills. List at least {ENOUGH}.");
        findings.push(Code::SkillsFew, view.around("skills"), detail);
    }
    Share::mean(&[(4, Share::WHOLE), (6, Share::of(count, ENOUGH))])
}

/// Returns all skills with their pointers.
fn listed<'a>(view: &View<'a>) -> Vec<Text<'a>> {
    let texts = view.texts().into_iter();
    texts
        .filter(|text| text.pointer.starts_with("/skills/") && !text.pointer.ends_with("/level"))
        .collect()
}

/// Shortens a text for a finding's detail.
pub(super) fn shown(text: &str) -> &str {
    const MAX_BYTES: usize = 80;
    fold::start(text, MAX_BYTES)
}
