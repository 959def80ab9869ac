//! Sentences around a request's words, without new numbers or names.

use super::source::Source;
use crate::dice::Dice;

/// Templates in which `1`, `2` and `3` are replaced by words.
const SENTENCES: [&str; 10] = [
    "The strongest points are 1 and 2, and 3 supports them.",
    "What is said about 1 is clear and to the point.",
    "It would help to say more about 1, since 2 depends on it.",
    "Together, 1 and 2 make a convincing case.",
    "A reader will look for 1 first and for 2 soon after.",
    "The part about 1 could come before 2.",
    "There is a good link between 1, 2 and 3.",
    "With 1 in mind, 2 deserves a more concrete example.",
    "Both 1 and 2 are worth keeping as they are.",
    "The tone suits 1, and the order suits 2.",
];

/// The greatest distance in the source between two words of a sentence.
const NEAR: usize = 7;

/// Returns `count` sentences, at least one.
pub fn sentences(dice: &mut Dice, source: &Source, count: usize) -> String {
    let sentences: Vec<String> = (0..count.max(1)).map(|_| sentence(dice, source)).collect();
    sentences.join(" ")
}

/// Returns a letter: a greeting, a few paragraphs and a closing.
pub fn letter(dice: &mut Dice, source: &Source) -> String {
    let paragraphs = dice.between(2, 3);
    let mut parts = vec!["Dear hiring team,".to_owned()];
    parts.extend((0..paragraphs).map(|_| {
        let count = dice.between(2, 4);
        sentences(dice, source, count)
    }));
    parts.push("Kind regards".to_owned());
    parts.join("\n\n")
}

/// Returns `count` words, at least one.
pub fn phrase(dice: &mut Dice, source: &Source, count: usize) -> String {
    let words: Vec<&str> = (0..count.max(1)).map(|_| word(dice, source)).collect();
    words.join(" ")
}

/// Returns one word.
pub fn word<'a>(dice: &mut Dice, source: &'a Source) -> &'a str {
    dice.pick(&source.words).map_or("experience", String::as_str)
}

/// Returns a sentence. It repeats no word if the source has enough of them.
fn sentence(dice: &mut Dice, source: &Source) -> String {
    let form = dice.pick(&SENTENCES).copied().unwrap_or_default();
    let first = dice.below(source.words.len());
    let near = NEAR.min(source.words.len() / 3);
    let mut words = source.words.iter().cycle().skip(first).map(String::as_str);
    ["1", "2", "3"].iter().fold(form.to_owned(), |text, place| {
        // Skip a few words, so that adjacent words of the text are rarely adjacent in the sentence.
        let word = words.nth(dice.below(near)).unwrap_or("experience");
        text.replacen(place, word, 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_repeats_no_word() {
        let source = Source::of("");
        for seed in 0..200 {
            let text = sentence(&mut Dice::new(seed), &source);
            for word in &source.words {
                assert!(text.matches(word.as_str()).count() <= 1, "{text}");
            }
        }
    }

    #[test]
    fn sentences_are_made_of_the_sources_words() {
        let source = Source { words: vec!["rust".to_owned()], passages: Vec::new() };
        for seed in 0..50 {
            let mut dice = Dice::new(seed);
            let text = sentences(&mut dice, &source, 3) + &letter(&mut dice, &source);
            assert!(text.contains("rust"));
            assert!(!text.contains(|c: char| c.is_numeric()), "{text}");
        }
        assert_eq!(phrase(&mut Dice::new(0), &source, 2), "rust rust");
    }
}
