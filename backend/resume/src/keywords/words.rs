//! Splits a text into words.
//!
//! Called by [`super::of`] and [`super::find`]. Names with symbols stay whole: C++, C#, .NET,
//! Node.js, CI/CD, R&D, e-commerce. URLs and e-mail addresses are skipped.

use super::{known, stem, stop, term};
use crate::fold;

/// The longest word, in characters, twice as long as the longest in dictionaries.
const MAX_WORD_CHARS: usize = 60;
/// The most parts of a hyphenated word. Longer ones are split.
const MAX_PARTS: usize = 3;

/// The class of a word, judged by its spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// A stop word.
    Stop,
    /// An ordinary word.
    Plain,
    /// A word capitalized where English grammar does not require it.
    Capital,
    /// A technical term: a known one, or one with symbols, digits or inner capitals.
    Technical,
}

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// The word as written.
    pub(super) text: String,
    /// The normalized form for comparison.
    pub(super) term: String,
    /// The terms of its hyphenated parts; empty without hyphens.
    pub(super) parts: Vec<String>,
    /// The class.
    pub(super) class: Class,
    /// True if more than a space separates it from the previous word, so that they cannot form a
    /// phrase.
    pub(super) apart: bool,
}

/// Returns the words of `text`, in order.
pub(super) fn words(text: &str) -> Vec<Word> {
    let text = fold::clean(text);
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(line);
    }
    reader.words
}

#[derive(Default)]
struct Reader {
    words: Vec<Word>,
    /// True if more than a space separates the last word from the next.
    apart: bool,
    /// True if the next word begins a sentence, so its capital is not significant.
    starts: bool,
    /// True if the line is all capitals, so they are not significant.
    is_loud: bool,
    /// True if the word is alone or in an enumeration, so it does not begin a sentence.
    is_listed: bool,
}

impl Reader {
    fn line(&mut self, line: &str) {
        (self.apart, self.starts) = (true, true);
        self.is_loud = !line.contains(char::is_lowercase) && line.contains(' ');
        let is_alone = line.split_whitespace().nth(1).is_none();
        for chunk in line.split_whitespace() {
            if is_address(chunk) {
                self.apart = true;
            } else {
                self.chunk(chunk, is_alone);
            }
        }
    }

    /// Reads a whitespace-separated chunk.
    fn chunk(&mut self, chunk: &str, is_alone: bool) {
        self.is_listed = is_alone || chunk.ends_with([',', ';']);
        let mut runs = chunk.split(|c: char| !is_inner(c)).peekable();
        while let Some(run) = runs.next() {
            self.run(run);
            if runs.peek().is_some() {
                self.apart = true;
            }
        }
        if chunk.ends_with([':', '!', '?']) {
            self.starts = true;
        }
    }

    /// Reads a run of letters, digits and inner symbols.
    fn run(&mut self, run: &str) {
        let bare = run.trim_matches(['.', '-']);
        if known::is_slashed(bare) || is_initials(bare) {
            return self.word(bare);
        }
        let mut slashed = run.split(['/', '&']).peekable();
        while let Some(part) = slashed.next() {
            self.quoted(part);
            if slashed.peek().is_some() {
                self.apart = true;
            }
        }
    }

    /// Reads a run with apostrophes: "l'équipe", "team's", "don't".
    fn quoted(&mut self, run: &str) {
        let mut parts = run.split('\'').enumerate().peekable();
        while let Some((at, part)) = parts.next() {
            let is_elision = parts.peek().is_some_and(|(_, next)| !next.is_empty())
                && part.chars().count() <= stop::MAX_ELISION_CHARS;
            let is_ending = at > 0 && stop::is_ending(part);
            if !is_elision && !is_ending {
                self.dotted(part);
            }
        }
    }

    /// Reads a run with dots: "Node.js", ".NET", "e.g.", "end.Next".
    fn dotted(&mut self, run: &str) {
        let body = run.trim_end_matches('.');
        let lead = body.chars().take_while(|c| *c == '.').count();
        let is_name = lead == 1 && body.chars().nth(1).is_some_and(char::is_alphabetic);
        let mut pieces: Vec<String> = Vec::new();
        for piece in body.trim_start_matches('.').split('.') {
            match pieces.last_mut() {
                Some(last) if !begins_sentence(piece) => {
                    last.push('.');
                    last.push_str(piece);
                }
                _ => pieces.push(piece.to_owned()),
            }
        }
        if is_name && let Some(first) = pieces.first_mut() {
            first.insert(0, '.');
        }
        for (at, piece) in pieces.iter().enumerate() {
            if at > 0 {
                (self.apart, self.starts) = (true, true);
            }
            self.hyphened(piece);
        }
        if body.len() < run.len() {
            (self.apart, self.starts) = (true, true);
        }
    }

    /// Reads a run with hyphens. It is one word ("e-commerce") unless it joins names
    /// ("React-based").
    fn hyphened(&mut self, run: &str) {
        let parts: Vec<&str> = run.split('-').filter(|part| !part.is_empty()).collect();
        if let [] | [_] = parts.as_slice() {
            // A dash, or a hyphen at the start or end.
            if run.starts_with('-') {
                self.apart = true;
            }
            for part in &parts {
                self.word(part);
            }
            if run.ends_with('-') {
                self.apart = true;
            }
            return;
        }
        let terms: Vec<String> = parts.iter().map(|part| term::of_word(part)).collect();
        let is_short = parts.len() <= MAX_PARTS;
        let is_whole = known::is_phrase(&term::of_phrase(terms.iter().map(String::as_str)))
            || stop::contains(&stem::compact(run))
            || parts.first().is_some_and(|first| first.chars().count() == 1)
            || parts.iter().any(|part| part.chars().all(|c| c.is_numeric()))
            || !parts.iter().any(|part| part.starts_with(char::is_uppercase));
        if is_short && is_whole {
            self.push(run.trim_matches('-'), terms);
        } else {
            for part in parts {
                self.word(part);
                self.apart = true;
            }
        }
    }

    fn word(&mut self, text: &str) {
        let text = trim_symbols(text);
        self.push(text, Vec::new());
    }

    fn push(&mut self, text: &str, parts: Vec<String>) {
        let chars = text.chars().count();
        let has_letter = text.contains(char::is_alphabetic);
        let is_meaningful = has_letter && chars <= MAX_WORD_CHARS && !is_amount(text);
        if !is_meaningful || (chars == 1 && !known::is_letter(text)) {
            self.apart = self.apart || !text.is_empty();
            return;
        }
        let (class, term) = self.class(text);
        if term.is_empty() {
            return;
        }
        self.words.push(Word { text: text.to_owned(), term, parts, class, apart: self.apart });
        (self.apart, self.starts) = (false, false);
    }

    fn class(&self, text: &str) -> (Class, String) {
        let compact = stem::compact(text);
        let is_capital = text.starts_with(char::is_uppercase) && !self.starts && !self.is_loud;
        if stop::contains(&compact) {
            let is_name = (is_acronym(text) && !self.is_loud)
                || (known::is_like_a_stop_word(text) && (self.is_listed || !self.starts));
            let class = if is_name { Class::Technical } else { Class::Stop };
            return (class, if is_name { text.to_owned() } else { compact });
        }
        let term = term::of_word(text);
        let is_technical = known::is_term(&term)
            || text.contains(['.', '+', '#', '&', '/'])
            || text.contains(char::is_numeric)
            || (has_inner_capital(text) && !self.is_loud);
        let class = match (is_technical, is_capital) {
            (true, _) => Class::Technical,
            (false, true) => Class::Capital,
            (false, false) => Class::Plain,
        };
        (class, term)
    }
}

/// Returns true for letters, digits, and the symbols a word can contain.
fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '+' | '#' | '&' | '/' | '\'' | '-')
}

/// Returns true for a URL or an e-mail address.
fn is_address(chunk: &str) -> bool {
    let is_email = chunk
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    is_email || chunk.contains("://") || chunk.starts_with("www.")
}

/// Returns true for initials like "R&D", "AT&T" and "P&L".
fn is_initials(run: &str) -> bool {
    let is_short = |part: &str| {
        (1..=2).contains(&part.chars().count()) && part.chars().all(char::is_uppercase)
    };
    run.split_once('&').is_some_and(|(left, right)| is_short(left) && is_short(right))
}

/// Returns true for "Next" in "end.Next", but not for "js", "NET" or "0".
fn begins_sentence(piece: &str) -> bool {
    let mut chars = piece.chars();
    let is_capitalized = chars.next().is_some_and(char::is_uppercase)
        && chars.next().is_some_and(char::is_lowercase);
    is_capitalized && !matches!(piece, "Js" | "Net" | "Io" | "Ai")
}

/// Trims "+" and "#" unless they belong to the word: "C++17" becomes "C++", "C#" stays.
fn trim_symbols(text: &str) -> &str {
    let text = text.trim_start_matches(['+', '#']);
    if let Some(at) = text.find("++").filter(|at| *at > 0) {
        return text.get(..at + 2).unwrap_or(text);
    }
    let core = text.trim_end_matches(['+', '#']);
    let is_sharp = core.chars().count() == 1 && text.ends_with('#');
    if is_sharp { text.get(..core.len() + 1).unwrap_or(text) } else { core }
}

/// Returns true for a number with a unit, like "5", "10k", "3rd" and "24h", but not for "3D" or
/// "5G".
fn is_amount(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_numeric() || c == '.');
    let is_number = unit.len() < text.len() && !text.starts_with('.');
    let is_unit = unit.chars().all(char::is_lowercase) || matches!(unit, "K" | "M" | "B");
    is_number && unit.chars().count() <= 3 && is_unit
}

/// Returns true for two or more capitals and nothing else.
fn is_acronym(text: &str) -> bool {
    text.chars().count() > 1 && text.chars().all(char::is_uppercase)
}

/// Returns true for words like "PostgreSQL", "AWS" and "iOS".
fn has_inner_capital(text: &str) -> bool {
    text.chars().skip(1).any(char::is_uppercase)
}
