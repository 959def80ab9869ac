//! Which terms a document has, for those who ask for terms that somebody else has chosen.
//!
//! Used by the AI routes with the terms that a model has found in a job description.

use super::find::terms;
use super::phrase::MAX_WORDS;
use super::term;
use super::words::words;
use std::collections::HashSet;

/// The terms of some texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held(HashSet<String>);

impl Held {
    /// Those of `texts`.
    #[must_use]
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(texts.into_iter().flat_map(|text| terms(&words(text)).collect::<Vec<_>>()).collect())
    }

    /// Whether the texts have what `phrase` says: as [`super::find`] compares; where it has more
    /// words than are looked at together, all of its words, in any place.
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
    fn a_phrase_is_found_however_it_is_written() {
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
