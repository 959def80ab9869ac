//! Extracts the keywords a recruiter would mark in a text, without a model.
//!
//! Called by [`crate::ats`] and by the AI routes. `words` splits a text, `stop` lists words without
//! meaning, `known` lists known terms and phrases, `term` normalizes each for comparison, `phrase`
//! joins words into one term, `find` searches other texts for keywords, and `held` checks texts for
//! terms from another source.
//!
//! Deterministic, pure, and linear in the text's length, of which at most [`MAX_TEXT_BYTES`] are
//! read. It supports languages in Latin script. The word lists cover English, German, French and
//! Spanish at once, because job descriptions mix languages. In scripts without spaces, a run of
//! letters is one word.

mod find;
mod held;
mod keyword;
mod known;
mod phrase;
mod stem;
mod stop;
mod term;
mod words;

pub use find::{MAX_PLACES, find};
pub use held::Held;
pub use keyword::Keyword;

use crate::fold;
use phrase::Piece;
use std::collections::BTreeMap;

/// The most bytes of a text that are read. A long job description has 10,000.
pub const MAX_TEXT_BYTES: usize = 128 * 1024;
/// The most keywords of one text.
pub const MAX_KEYWORDS: usize = 40;
/// The number of keywords up to which plain words that occur once are included.
pub const ENOUGH_KEYWORDS: usize = 15;
/// The number of occurrences that add one to a word's weight.
const OFTEN: u32 = 3;
/// The highest weight of a keyword.
pub const MAX_WEIGHT: u8 = 3;

/// Returns the keywords of `text`, the most relevant first, at most [`MAX_KEYWORDS`]. Plain words
/// that occur once are included only while there are fewer than [`ENOUGH_KEYWORDS`].
///
/// The order of the lines does not matter if the text is within [`MAX_TEXT_BYTES`].
#[must_use]
pub fn of(text: &str) -> Vec<Keyword> {
    let words = words::words(fold::start(text, MAX_TEXT_BYTES));
    let mut found: BTreeMap<String, Counted> = BTreeMap::new();
    for piece in phrase::pieces(&words) {
        found.entry(piece.term.clone()).or_default().add(piece);
    }
    let mut keywords: Vec<_> =
        found.into_iter().map(|(term, counted)| counted.keyword(term)).collect();
    // The sort is stable: keywords of equal rank stay ordered by term.
    keywords.sort_by_key(|keyword| std::cmp::Reverse(rank(keyword)));
    let relevant = keywords.iter().take_while(|keyword| keyword.weight > 1 || keyword.count > 1);
    let relevant = relevant.count();
    keywords.truncate(relevant.clamp(ENOUGH_KEYWORDS, MAX_KEYWORDS));
    keywords
}

fn rank(keyword: &Keyword) -> u32 {
    const MANY: u32 = 6;
    u32::from(keyword.weight) * 3 + keyword.count.min(MANY)
}

/// Counts the occurrences of a term.
#[derive(Debug, Default)]
struct Counted {
    count: u32,
    weight: u8,
    spellings: BTreeMap<String, u32>,
}

impl Counted {
    fn add(&mut self, piece: Piece) {
        self.count = self.count.saturating_add(1);
        self.weight = self.weight.max(piece.weight);
        *self.spellings.entry(piece.text).or_default() += 1;
    }

    fn keyword(self, term: String) -> Keyword {
        // On a tie, the last spelling wins: "python" rather than "PYTHON".
        let text = self.spellings.into_iter().max_by_key(|(_, count)| *count);
        let text = text.map_or_else(|| term.clone(), |(text, _)| text);
        let weight = self.weight.saturating_add(u8::from(self.count >= OFTEN)).min(MAX_WEIGHT);
        Keyword { text, term, count: self.count, weight }
    }
}

#[cfg(test)]
mod tests;
