//! Joins words into phrases: "machine learning", "Google Cloud".
//!
//! Called by [`super::of`]. Adjacent words are a phrase if it is a known one, if they are two
//! capitalized words, or if the text has the two together more than once. Technical terms are not
//! joined this way: "Apache Kafka" is searched for as "Kafka". Longer phrases win, and a word in a
//! phrase is not counted again alone.

use super::words::{Class, Word};
use super::{known, term};
use std::collections::HashMap;

/// The most words of a phrase.
pub(super) const MAX_WORDS: usize = 3;

/// An occurrence of a word or phrase.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The text as written.
    pub(super) text: String,
    /// The normalized form for comparison.
    pub(super) term: String,
    /// The relevance, 1..=3.
    pub(super) weight: u8,
}

/// Returns the words and phrases of a text.
pub(super) fn pieces(words: &[Word]) -> Vec<Piece> {
    let pairs = pairs(words);
    let mut pieces = Vec::new();
    for run in runs(words) {
        let mut rest = run;
        while let [first, ..] = rest {
            let phrase = (2..=MAX_WORDS).rev().find_map(|count| {
                let words = rest.get(..count)?;
                phrase(words, &pairs).map(|piece| (count, piece))
            });
            let (count, piece) = phrase.unwrap_or_else(|| (1, single(first)));
            pieces.push(piece);
            rest = rest.get(count..).unwrap_or_default();
        }
    }
    pieces
}

/// Splits the words at stop words and punctuation.
fn runs(words: &[Word]) -> impl Iterator<Item = &[Word]> {
    words
        .split(|word| word.class == Class::Stop)
        .flat_map(|run| run.chunk_by(|_, next| !next.apart))
}

/// Counts the occurrences of each pair of adjacent words.
fn pairs(words: &[Word]) -> HashMap<String, u32> {
    let mut pairs = HashMap::new();
    for run in runs(words) {
        for pair in run.windows(2) {
            *pairs.entry(joined_term(pair)).or_default() += 1;
        }
    }
    pairs
}

fn phrase(words: &[Word], pairs: &HashMap<String, u32>) -> Option<Piece> {
    let term = joined_term(words);
    let are_names = words.iter().all(|word| word.class == Class::Capital);
    let weight = if known::is_phrase(&term) {
        3
    } else if words.len() == 2 && (are_names || pairs.get(&term).is_some_and(|n| *n > 1)) {
        2
    } else {
        return None;
    };
    let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
    Some(Piece { text: texts.join(" "), term, weight })
}

fn single(word: &Word) -> Piece {
    let weight = match word.class {
        Class::Technical => 3,
        Class::Capital => 2,
        Class::Plain | Class::Stop => 1,
    };
    Piece { text: word.text.clone(), term: word.term.clone(), weight }
}

fn joined_term(words: &[Word]) -> String {
    term::of_phrase(words.iter().map(|word| word.term.as_str()))
}
