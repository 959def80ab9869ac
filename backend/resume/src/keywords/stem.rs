//! Reduces the forms of a word to a common stem.
//!
//! Called by [`super::term`] and [`super::known`].

use crate::fold;

/// The shortest word that loses its plural s. Three letters that end in s are usually an acronym.
const MIN_PLURAL_CHARS: usize = 4;

/// Removes case, accents, plural and hyphens. The result need not be a word, only equal for all
/// forms of one.
pub(super) fn stem(text: &str) -> String {
    singular(compact(text))
}

/// Removes case, accents, spaces and hyphens.
pub(super) fn compact(text: &str) -> String {
    let mut folded = fold::fold(text);
    folded.retain(|c| !c.is_whitespace() && c != '-');
    folded
}

/// Removes the plural s of English, French and Spanish.
fn singular(word: String) -> String {
    let keeps = ["ss", "us", "is", "ics"].iter().any(|end| word.ends_with(end));
    let has_signs = !word.chars().all(char::is_alphabetic);
    if keeps || has_signs || !word.ends_with('s') || word.chars().count() < MIN_PLURAL_CHARS {
        return word;
    }
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    let sibilant = ["sses", "xes", "ches", "shes", "zzes"].iter().any(|end| word.ends_with(end));
    let end = if sibilant { "es" } else { "s" };
    word.strip_suffix(end).map(str::to_owned).unwrap_or(word)
}
