//! The material for an answer: the words of a request's text, and the passages of the résumé in it.

use super::resume::{self, Passage};
use serde_json::Value;
use std::collections::HashSet;

/// The most words kept.
const MAX_WORDS: usize = 2_000;
/// The most passages kept.
const MAX_PASSAGES: usize = 500;
/// The length of a kept word, in characters.
const WORD_CHARS: std::ops::RangeInclusive<usize> = 3..=20;
/// Words to use if the text has too few.
const FALLBACK: [&str; 6] = ["experience", "results", "teamwork", "clarity", "detail", "focus"];
/// Stop words.
const EMPTY: [&str; 24] = [
    "and", "the", "for", "with", "that", "this", "from", "are", "was", "were", "our", "you",
    "your", "their", "has", "have", "had", "who", "will", "its", "into", "not", "but", "all",
];

/// The material for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Distinct words without digits, in order; never empty.
    pub words: Vec<String>,
    /// The résumé's passages that can be reworded.
    pub passages: Vec<Passage>,
}

impl Source {
    /// Collects the material from `text`, the user's part of the conversation.
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

/// Appends all strings within `value`, each followed by a space.
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
        // Skip addresses and numbers, including their parts.
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

/// Replaces each `<tag>` with a space.
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
    fn words_come_from_the_text_without_numbers_and_addresses() {
        let source = Source::of(
            "Built the Kafka pipeline (2019) for ada@example.com; kafka, e2e: well-known.",
        );
        assert_eq!(
            source.words,
            ["Built", "Kafka", "pipeline", "well-known", "experience", "results"]
        );
    }

    #[test]
    fn a_resumes_texts_are_read_but_not_its_member_names() {
        let text = r#"<resume>{"basics":{"label":"Engineer","summary":"Writes compilers"}}</resume>
            <job_description>Needs Rust</job_description>"#;
        let words = Source::of(text).words;
        for word in ["Engineer", "Writes", "compilers", "Needs"] {
            assert!(words.contains(&word.to_owned()), "{word}: {words:?}");
        }
        assert!(!words.contains(&"basics".to_owned()), "{words:?}");
    }
}
