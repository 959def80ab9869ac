//! What a request's text offers to an answer: its words, and the texts of the résumé in it.

use super::resume::{self, Passage};
use serde_json::Value;
use std::collections::HashSet;

/// The most words that are kept.
const MAX_WORDS: usize = 2_000;
/// The most passages that are kept.
const MAX_PASSAGES: usize = 500;
/// How long a word is, in characters.
const WORD_CHARS: std::ops::RangeInclusive<usize> = 3..=20;
/// What to speak of where the text has hardly a word.
const FALLBACK: [&str; 6] = ["experience", "results", "teamwork", "clarity", "detail", "focus"];
/// Words that say nothing by themselves.
const EMPTY: [&str; 24] = [
    "and", "the", "for", "with", "that", "this", "from", "are", "was", "were", "our", "you",
    "your", "their", "has", "have", "had", "who", "will", "its", "into", "not", "but", "all",
];

/// What there is to speak of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Different words without a digit, in the order in which they came; never none.
    pub words: Vec<String>,
    /// The résumé's texts that can be reworded.
    pub passages: Vec<Passage>,
}

impl Source {
    /// What `text`, all that the user said, offers.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let Some(found) = resume::within(text) else {
            return Self { words: words(text), passages: Vec::new() };
        };
        let mut prose = String::new();
        texts(&found.resume, &mut prose);
        prose.push_str(&found.around);
        let mut passages = resume::passages(&found.resume);
        passages.truncate(MAX_PASSAGES);
        Self { words: words(&prose), passages }
    }
}

/// All texts within `value`, each followed by a space.
fn texts(value: &Value, prose: &mut String) {
    match value {
        Value::String(text) => {
            prose.push_str(text);
            prose.push(' ');
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, prose)),
        Value::Object(members) => members.values().for_each(|member| texts(member, prose)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn words(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut words: Vec<String> = without_tags(text)
        .split_whitespace()
        // An address or a number is no word, nor is any part of it.
        .filter(|word| !word.contains(['@', '/']))
        .filter(|word| !word.contains(|c: char| c.is_numeric()))
        .flat_map(|word| word.split(|c: char| !c.is_alphabetic() && c != '-'))
        .map(|word| word.trim_matches('-'))
        .filter(|word| WORD_CHARS.contains(&word.chars().count()))
        .filter(|word| !EMPTY.contains(&word.to_lowercase().as_str()))
        .filter(|word| seen.insert(word.to_lowercase()))
        .take(MAX_WORDS)
        .map(str::to_owned)
        .collect();
    let missing = FALLBACK.len().saturating_sub(words.len());
    words.extend(FALLBACK.iter().take(missing).map(|word| (*word).to_owned()));
    words
}

/// `text` with a space for each `<tag>`.
fn without_tags(text: &str) -> String {
    let mut parts = text.split('<');
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let named = part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        let after = part.split_once('>').filter(|_| named).map(|(_, after)| after);
        kept.push(' ');
        kept.push_str(after.unwrap_or(part));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_texts_own_without_numbers_and_addresses() {
        let source = Source::of(
            "Built the Kafka pipeline (2019) for ada@example.com; kafka, e2e: well-known.",
        );
        assert_eq!(
            source.words,
            ["Built", "Kafka", "pipeline", "well-known", "experience", "results"]
        );
    }

    #[test]
    fn of_a_resume_the_texts_are_read_and_not_the_names_of_its_members() {
        let text = r#"<resume>{"basics":{"label":"Engineer","summary":"Writes compilers"}}</resume>
            <job_description>Needs Rust</job_description>"#;
        let words = Source::of(text).words;
        for word in ["Engineer", "Writes", "compilers", "Needs"] {
            assert!(words.contains(&word.to_owned()), "{word}: {words:?}");
        }
        assert!(!words.contains(&"basics".to_owned()), "{words:?}");
    }
}
