//! Keywords of a text, without a model: which words a reader of job descriptions would mark.
//!
//! Called by [`crate::ats`] and by the AI routes where no model answers. `words` takes a text
//! apart, `stop` knows the words that say nothing, `known` the terms that belong together,
//! `term` brings each into the form in which two are compared, `phrase` finds which words are
//! one term, `find` looks for keywords in other texts, `held` for terms that somebody else has
//! chosen.
//!
//! Deterministic, pure, and linear in the text, of which at most [`MAX_TEXT_BYTES`] are read. Made
//! for languages in Latin script; the lists are English, German, French and Spanish, all of them at
//! once, because job descriptions mix. In scripts without spaces a run of letters is one word.

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

/// How much of a text is read, in bytes: a long job description has 10,000.
pub const MAX_TEXT_BYTES: usize = 128 * 1024;
/// The most keywords of one text.
pub const MAX_KEYWORDS: usize = 40;
/// How many keywords are enough: up to there plain words that a text has once are among them.
pub const ENOUGH_KEYWORDS: usize = 15;
/// How often a word has to be there to weigh one more.
const OFTEN: u32 = 3;
/// The most that a keyword weighs.
pub const MAX_WEIGHT: u8 = 3;

/// The keywords of `text`, those that tell the most first, at most [`MAX_KEYWORDS`]; plain words
/// that it has only once, only as long as there are fewer than [`ENOUGH_KEYWORDS`].
///
/// The order of its lines does not matter, as long as the text is within [`MAX_TEXT_BYTES`].
#[must_use]
pub fn of(text: &str) -> Vec<Keyword> {
    let words = words::words(fold::start(text, MAX_TEXT_BYTES));
    let mut found: BTreeMap<String, Counted> = BTreeMap::new();
    for piece in phrase::pieces(&words) {
        found.entry(piece.term.clone()).or_default().add(piece);
    }
    let mut keywords: Vec<_> =
        found.into_iter().map(|(term, counted)| counted.keyword(term)).collect();
    // The sort is stable: what ranks the same stays in the order of its terms.
    keywords.sort_by_key(|keyword| std::cmp::Reverse(rank(keyword)));
    let telling = keywords.iter().take_while(|keyword| keyword.weight > 1 || keyword.count > 1);
    let telling = telling.count();
    keywords.truncate(telling.clamp(ENOUGH_KEYWORDS, MAX_KEYWORDS));
    keywords
}

fn rank(keyword: &Keyword) -> u32 {
    const MANY: u32 = 6;
    u32::from(keyword.weight) * 3 + keyword.count.min(MANY)
}

/// One term, while its text is read.
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
        // The last of the most frequent: "python" rather than "PYTHON".
        let text = self.spellings.into_iter().max_by_key(|(_, count)| *count);
        let text = text.map_or_else(|| term.clone(), |(text, _)| text);
        let weight = self.weight.saturating_add(u8::from(self.count >= OFTEN)).min(MAX_WEIGHT);
        Keyword { text, term, count: self.count, weight }
    }
}

#[cfg(test)]
mod tests;
