//! Where keywords are found in other texts.
//!
//! Called by [`crate::ats`] with the texts of a résumé.

use super::keyword::Keyword;
use super::phrase::MAX_WORDS;
use super::term;
use super::words::{Word, words};
use std::collections::HashMap;

/// The most places that are told for one keyword.
pub const MAX_PLACES: usize = 3;

/// For each of `keywords` the places of those `texts` that have it: the first [`MAX_PLACES`], in
/// the order of the texts; none if it is missing. A text is a place and what stands there.
///
/// "full-stack", "full stack" and "Fullstack" are the same, and so are an abbreviation and its long
/// form, as far as `super::known` has them.
#[must_use]
pub fn find<'a>(
    keywords: &[Keyword],
    texts: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<Vec<String>> {
    let wanted: HashMap<&str, usize> =
        keywords.iter().enumerate().map(|(at, keyword)| (keyword.term.as_str(), at)).collect();
    let mut places = vec![Vec::new(); keywords.len()];
    for (place, text) in texts {
        for term in terms(&words(text)) {
            let Some(places) = wanted.get(term.as_str()).and_then(|at| places.get_mut(*at)) else {
                continue;
            };
            if places.len() < MAX_PLACES && places.last().is_none_or(|last| last != place) {
                places.push(place.to_owned());
            }
        }
    }
    places
}

/// Each word, what its hyphens hold together, and each phrase.
pub(super) fn terms(words: &[Word]) -> impl Iterator<Item = String> {
    (0..words.len()).flat_map(move |at| {
        let rest = words.get(at..).unwrap_or_default();
        let parts = rest.first().into_iter().flat_map(|word| word.parts.iter().cloned());
        let phrases = (1..=MAX_WORDS).map_while(move |count| {
            let phrase = rest.get(..count)?;
            let is_whole = phrase.iter().skip(1).all(|word| !word.apart);
            is_whole.then(|| term::of_phrase(phrase.iter().map(|word| word.term.as_str())))
        });
        parts.chain(phrases)
    })
}
