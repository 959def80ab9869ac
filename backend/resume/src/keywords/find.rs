//! Searches texts for keywords.
//!
//! Called by [`crate::ats`] with the texts of a résumé.

use super::keyword::Keyword;
use super::phrase::MAX_WORDS;
use super::term;
use super::words::{Word, words};
use std::collections::HashMap;

/// The most places returned for one keyword.
pub const MAX_PLACES: usize = 3;

/// Returns the places of the texts that contain each keyword: the first [`MAX_PLACES`], in order.
/// `texts` are pairs of a place and its text.
///
/// "full-stack", "full stack" and "Fullstack" are equal, and so are the abbreviations in
/// `super::known` and their long forms.
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

/// Returns the term of each word, of each part of a hyphenated word, and of each phrase.
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
