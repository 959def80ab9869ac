//! Checks if texts contain terms that come from another source.
//!
//! Used by the AI routes with the terms a model found in a job description.

use super::find::terms;
use super::phrase::MAX_WORDS;
use super::term;
use super::words::words;
use std::collections::HashSet;

/// The set of terms in some texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held(HashSet<String>);

impl Held {
    /// Collects the terms of `texts`.
    #[must_use]
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(texts.into_iter().flat_map(|text| terms(&words(text)).collect::<Vec<_>>()).collect())
    }

    /// Returns true if the texts contain `phrase`, compared as in [`super::find`]. For a phrase
    /// longer than `MAX_WORDS`, it is enough that they contain all its words anywhere.
    #[must_use]
    pub fn has(&self, phrase: &str) -> bool {
        let words = words(phrase);
        let whole = term::of_phrase(words.iter().map(|word| word.term.as_str()));
        self.0.contains(&whole)
            || (words.len() > MAX_WORDS && words.iter().all(|word| self.0.contains(&word.term)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_in_any_spelling() {
        let held =
            Held::of(["Full-stack work with Postgres", "and machine learning in production"]);
        let check = |phrase: &str, expected| assert_eq!(held.has(phrase), expected, "{phrase}");
        check("fullstack", true);
        check("Full Stack", true);
        check("PostgreSQL", true);
        check("ML", true);
        check("Machine Learning", true);
        check("learning machine", false);
        check("machine learning in production", true);
        check("machine learning in space stations", false);
        check("SQL", false);
        check("", false);
    }
}
